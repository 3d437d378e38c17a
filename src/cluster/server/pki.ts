/**
 * The certificates of one cluster: an authority, the server's certificate and an administrator's, and another authority
 * for those who pass requests on. Made on first start,
 * kept in a folder, made anew when they are about to run out or when the server is reached by other names.
 * The X.509 library is loaded only when something must be made: a normal start reads a dozen files.
 */
import { createPrivateKey, generateKeyPairSync, X509Certificate, webcrypto } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../../base/clock.ts';
import { writeAtomically } from '../../base/write-atomically.ts';
import type * as X509 from '@peculiar/x509';

const DAY_MS = 86_400_000;
const RENEW_BEFORE_MS = 30 * DAY_MS;
const AUTHORITY_LIFE_MS = 3650 * DAY_MS;
const CERTIFICATE_LIFE_MS = 365 * DAY_MS;
/** Clients whose clock is a little behind must not find the certificate "not yet valid". */
const BACKDATE_MS = 5 * 60_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** PEM texts. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

export interface Pki {
  readonly ca: KeyPair;
  readonly server: KeyPair;
  /** CN=kubernetes-admin, O=system:masters. */
  readonly admin: KeyPair;
  /** CN=kube-apiserver-kubelet-client: what this server shows to kubelets. */
  readonly kubeletClient: KeyPair;
  /** Issues for those who pass requests on for others. */
  readonly frontProxyCa: KeyPair;
  /** CN=front-proxy-client: what this server shows to those that it passes requests on to. */
  readonly frontProxyClient: KeyPair;
  /** An administrator's bearer token. */
  readonly adminToken: string;
  /** Signs the tokens of service accounts; PEM. */
  readonly serviceAccountKey: string;
}

export interface PkiOptions {
  /** Folder for the files; made (0700) when missing. */
  readonly dir: string;
  /**
   * Folder for what all servers of one cluster have alike: both authorities, the key for tokens of service accounts, the
   * administrator's token. The same as `dir` when absent.
   */
  readonly clusterDir?: string;
  readonly clock: Clock;
  /** Further names and addresses in the server certificate: the first service address, node addresses. */
  readonly names: readonly string[];
}

/** As whom the server comes to kubelets. */
export const KUBELET_CLIENT = 'kube-apiserver-kubelet-client';

const FIXED_NAMES = [
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  '127.0.0.1',
  '::1',
];

export async function loadOrCreatePki(options: PkiOptions): Promise<Pki> {
  const { dir, clock, clusterDir = dir } = options;
  for (const folder of [dir, clusterDir]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = [...new Set([...FIXED_NAMES, ...options.names])];
  const [oldCa, oldServer, oldAdmin, oldKubelet, oldProxyCa, oldProxy, oldToken, oldAccountKey] =
    await Promise.all([
      readPair(clusterDir, 'ca'),
      readPair(dir, 'server'),
      readPair(dir, 'admin'),
      readPair(dir, 'apiserver-kubelet-client'),
      readPair(clusterDir, 'front-proxy-ca'),
      readPair(dir, 'front-proxy-client'),
      readText(join(clusterDir, 'admin.token')),
      readText(join(clusterDir, 'sa.key')),
    ]);
  const now = clock.now();
  const caFits = oldCa !== undefined && isFresh(oldCa, now);
  const ca = caFits ? oldCa : keep(clusterDir, 'ca', await makeAuthority(now, 'sampan-ca'));
  const issuedByUs = (pair: KeyPair | undefined): pair is KeyPair =>
    caFits && pair !== undefined && isFresh(pair, now) && isIssuedBy(pair, ca);
  const server =
    issuedByUs(oldServer) && hasNames(oldServer, names)
      ? oldServer
      : keep(dir, 'server', await issue(ca, now, { kind: 'server', names }));
  const admin = issuedByUs(oldAdmin)
    ? oldAdmin
    : keep(
        dir,
        'admin',
        await issue(ca, now, { kind: 'client', name: 'kubernetes-admin', group: 'system:masters' }),
      );
  const kubeletClient = issuedByUs(oldKubelet)
    ? oldKubelet
    : keep(dir, 'apiserver-kubelet-client', await issue(ca, now, { kind: 'client', name: KUBELET_CLIENT }));
  const proxyCaFits = oldProxyCa !== undefined && isFresh(oldProxyCa, now);
  const frontProxyCa = proxyCaFits
    ? oldProxyCa
    : keep(clusterDir, 'front-proxy-ca', await makeAuthority(now, 'sampan-front-proxy-ca'));
  const proxyFits =
    proxyCaFits && oldProxy !== undefined && isFresh(oldProxy, now) && isIssuedBy(oldProxy, frontProxyCa);
  const frontProxyClient = proxyFits
    ? oldProxy
    : keep(
        dir,
        'front-proxy-client',
        await issue(frontProxyCa, now, { kind: 'client', name: 'front-proxy-client' }),
      );
  const serviceAccountKey = isPrivateKey(oldAccountKey) ? oldAccountKey : makeServiceAccountKey(clusterDir);
  const adminToken = oldToken?.trim() || makeAdminToken(clusterDir);
  if (clusterDir !== dir) {
    // Clients on this machine look for both beside the instance's own.
    writeAtomically(join(dir, 'ca.crt'), ca.cert);
    writeAtomically(join(dir, 'admin.token'), `${adminToken}\n`);
  }
  return { ca, server, admin, kubeletClient, frontProxyCa, frontProxyClient, serviceAccountKey, adminToken };
}

function isPrivateKey(pem: string | undefined): pem is string {
  if (pem === undefined) return false;
  try {
    return createPrivateKey(pem).asymmetricKeyType !== undefined;
  } catch {
    return false;
  }
}

function makeAdminToken(dir: string): string {
  const token = Buffer.from(webcrypto.getRandomValues(new Uint8Array(32))).toString('base64url');
  writeAtomically(join(dir, 'admin.token'), `${token}\n`);
  return token;
}

function makeServiceAccountKey(dir: string): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeAtomically(join(dir, 'sa.key'), pem);
  return pem;
}

function isFresh(pair: KeyPair, now: number): boolean {
  const certificate = new X509Certificate(pair.cert);
  return (
    certificate.validToDate.getTime() - now > RENEW_BEFORE_MS && certificate.validFromDate.getTime() <= now
  );
}

function isIssuedBy(pair: KeyPair, ca: KeyPair): boolean {
  const authority = new X509Certificate(ca.cert);
  const certificate = new X509Certificate(pair.cert);
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function hasNames(pair: KeyPair, names: readonly string[]): boolean {
  const certificate = new X509Certificate(pair.cert);
  const held = (certificate.subjectAltName ?? '').split(', ').length;
  return (
    held === names.length &&
    names.every(
      (name) => (isAddress(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined,
    )
  );
}

function isAddress(name: string): boolean {
  return name.includes(':') || /^[\d.]+$/.test(name);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Two files that do not belong together, one from before a crash and one from after, are no pair: it is made anew. */
async function readPair(dir: string, name: string): Promise<KeyPair | undefined> {
  const [key, cert] = await Promise.all([
    readText(join(dir, `${name}.key`)),
    readText(join(dir, `${name}.crt`)),
  ]);
  if (key === undefined || cert === undefined) return undefined;
  try {
    const certificate = new X509Certificate(cert);
    return certificate.checkPrivateKey(createPrivateKey(key)) ? { key, cert } : undefined;
  } catch {
    return undefined;
  }
}

function keep(dir: string, name: string, pair: KeyPair): KeyPair {
  writeAtomically(join(dir, `${name}.key`), pair.key);
  writeAtomically(join(dir, `${name}.crt`), pair.cert);
  return pair;
}

async function library(): Promise<typeof X509> {
  // The library's dependency container looks for this when it is loaded.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = bytes[0]! & 0x7f;
  return Buffer.from(bytes).toString('hex');
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

async function makeAuthority(now: number, name: string): Promise<KeyPair> {
  const x509 = await library();
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${name}`,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + AUTHORITY_LIFE_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { key: await pem(keys.privateKey), cert: `${certificate.toString('pem')}\n` };
}

type Purpose =
  | { readonly kind: 'server'; readonly names: readonly string[] }
  | { readonly kind: 'client'; readonly name: string; readonly group?: string };

async function issue(ca: KeyPair, now: number, purpose: Purpose): Promise<KeyPair> {
  const x509 = await library();
  const keys = await makeKeys();
  const der = Buffer.from(ca.key.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
  const authority = new x509.X509Certificate(ca.cert);
  const isServer = purpose.kind === 'server';
  const usage = isServer ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
  const extensions: X509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([usage]),
    await x509.AuthorityKeyIdentifierExtension.create(authority),
  ];
  if (isServer) {
    const names = purpose.names.map((value) => ({
      type: isAddress(value) ? ('ip' as const) : ('dns' as const),
      value,
    }));
    extensions.push(new x509.SubjectAlternativeNameExtension(names));
  }
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: isServer ? 'CN=kube-apiserver' : subjectOf(purpose),
    issuer: authority.subject,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + CERTIFICATE_LIFE_MS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions,
  });
  return { key: await pem(keys.privateKey), cert: `${certificate.toString('pem')}\n` };
}

function subjectOf({ name, group }: { readonly name: string; readonly group?: string }): string {
  return group === undefined ? `CN=${name}` : `O=${group}, CN=${name}`;
}
