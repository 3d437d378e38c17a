/** What Go's TLS says of a certificate and its key that it cannot use. Both as PEM. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';

const BLOCK = /-----BEGIN ([^\n-]+)-----\r?\n[\s\S]*?-----END \1-----/g;

interface Block {
  readonly type: string;
  readonly text: string;
}

function blocksOf(pem: string): Block[] {
  return [...pem.matchAll(BLOCK)].map(([text, type = '']) => ({ type, text }));
}

function isKey(type: string): boolean {
  return type === 'PRIVATE KEY' || type.endsWith(' PRIVATE KEY');
}

/** Undefined when they belong together. */
export function keyPairProblem(certificates: string, key: string): string | undefined {
  const blocks = blocksOf(certificates);
  const chain = blocks.filter(({ type }) => type === 'CERTIFICATE');
  const [leaf] = chain;
  if (leaf === undefined) return missingCertificate(blocks);
  const keyBlocks = blocksOf(key);
  const first = keyBlocks.find(({ type }) => isKey(type));
  if (first === undefined) return missingKey(keyBlocks);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(leaf.text);
  } catch {
    return 'x509: malformed certificate';
  }
  let parsed: KeyObject;
  try {
    parsed = createPrivateKey(first.text);
  } catch {
    return 'tls: failed to parse private key';
  }
  if (parsed.asymmetricKeyType !== certificate.publicKey.asymmetricKeyType) {
    return 'tls: private key type does not match public key type';
  }
  return certificate.checkPrivateKey(parsed) ? undefined : 'tls: private key does not match public key';
}

function missingCertificate(blocks: readonly Block[]): string {
  const [first] = blocks;
  if (first === undefined) return 'tls: failed to find any PEM data in certificate input';
  if (blocks.length === 1 && first.type.endsWith('PRIVATE KEY')) {
    return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
  }
  return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: ${listed(blocks)}`;
}

function missingKey(blocks: readonly Block[]): string {
  const [first] = blocks;
  if (first === undefined) return 'tls: failed to find any PEM data in key input';
  if (blocks.length === 1 && first.type === 'CERTIFICATE') {
    return 'tls: found a certificate rather than a key in the PEM for the private key';
  }
  return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: ${listed(blocks)}`;
}

function listed(blocks: readonly Block[]): string {
  return `[${blocks.map(({ type }) => type).join(' ')}]`;
}
