import { X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n[A-Za-z0-9+/=\s]*-----END \1-----/g;

/** Why nobody can be trusted by what a caBundle holds, as base64; one certificate that can be read will do. */
export function caBundleProblem(bundle: string): string | undefined {
  const blocks = [...Buffer.from(bundle, 'base64').toString('latin1').matchAll(BLOCK)];
  const certificates = blocks.filter(([, type]) => type === 'CERTIFICATE');
  if (certificates.some(([text]) => isCertificate(text))) return undefined;
  const why =
    certificates.length > 0
      ? 'failed to parse certificate'
      : blocks.length > 0
        ? 'no valid certificate authority data seen'
        : 'unable to parse bytes as PEM block';
  return `unable to load root certificates: ${why}`;
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).raw.length > 0;
  } catch {
    return false;
  }
}
