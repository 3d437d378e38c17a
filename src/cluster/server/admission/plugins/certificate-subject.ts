/** Only a signing request needs the X.509 library: this file is loaded with the first one. */
import 'reflect-metadata';
import { Pkcs10CertificateRequest } from '@peculiar/x509';

/** The organizations (O=) in the subject of a PKCS#10 request: base64 of PEM. None when it cannot be read. */
export function organizationsOf(request: string): readonly string[] {
  try {
    const pem = Buffer.from(request, 'base64').toString('utf8');
    return new Pkcs10CertificateRequest(pem).subjectName.getField('O');
  } catch {
    // What is no request is validation's matter.
    return [];
  }
}
