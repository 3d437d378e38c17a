/**
 * Requests that another server passes on for somebody: whoever holds a certificate of the request-header authority is
 * believed in what `X-Remote-*` headers say. From anybody else they mean nothing
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy).
 */
import { X509Certificate } from 'node:crypto';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { UserInfo } from '../../api/transport.ts';

/** The common names that may pass requests on. */
export const PROXY_NAMES: readonly string[] = ['front-proxy-client'];

const EXTRA = 'x-remote-extra-';
/** Longer chains are nobody's. */
const MAX_CHAIN = 8;

export interface Headers {
  readonly headers: Readonly<Record<string, string>>;
  /** Each value of a header that came more than once. */
  values(name: string): readonly string[];
}

/** What a connection's certificate stands for; both when one authority has issued for both. */
export interface Standing {
  readonly client: boolean;
  readonly proxy: boolean;
}

export type StandingOf = (socket: TLSSocket) => Standing;

/** PEM bundles; without `requestHeaderCa` nobody passes requests on. */
export function standings(clientCa: string, requestHeaderCa: string | undefined): StandingOf {
  if (requestHeaderCa === undefined) return () => ({ client: true, proxy: false });
  const [clients, proxies] = [authorities(clientCa), authorities(requestHeaderCa)];
  return (socket) => {
    const chain = chainOf(socket);
    const [name] = [socket.getPeerCertificate().subject.CN ?? []].flat();
    return {
      client: isAnchored(chain, clients),
      proxy: PROXY_NAMES.includes(name ?? '') && isAnchored(chain, proxies),
    };
  };
}

function authorities(bundle: string): X509Certificate[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** From the holder's certificate upwards. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let at: Partial<PeerCertificate & { issuerCertificate: PeerCertificate }> = socket.getPeerCertificate(true);
  while (at.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(new X509Certificate(at.raw));
    const above = at.issuerCertificate;
    if (above === undefined || above.fingerprint256 === at.fingerprint256) break;
    // Issuers are found by their names, among what the client has sent too.
    const issuer = new X509Certificate(above.raw);
    if (!issuer.ca || !chain.at(-1)!.verify(issuer.publicKey)) break;
    at = above;
  }
  return chain;
}

function isAnchored(chain: readonly X509Certificate[], authorities: readonly X509Certificate[]): boolean {
  return chain.some((certificate) =>
    authorities.some(
      (authority) =>
        certificate.fingerprint256 === authority.fingerprint256 ||
        (certificate.checkIssued(authority) && certificate.verify(authority.publicKey)),
    ),
  );
}

/** Whom the request is passed on for; undefined when it does not say. */
export function proxiedUser(request: Headers): UserInfo | undefined {
  const [name] = request.values('x-remote-user').map((value) => textOf(value));
  if (name === undefined || name === '') return undefined;
  const [uid] = request.values('x-remote-uid').map((value) => textOf(value));
  const extra: Record<string, readonly string[]> = Object.create(null) as Record<string, readonly string[]>;
  for (const header of Object.keys(request.headers)) {
    if (!header.startsWith(EXTRA)) continue;
    extra[keyOf(header.slice(EXTRA.length))] = request.values(header).map((value) => textOf(value));
  }
  return {
    name,
    groups: request.values('x-remote-group').map((value) => textOf(value)),
    ...(uid !== undefined && uid !== '' && { uid }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}

/** Headers are bytes; these are UTF-8. */
function textOf(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}

function keyOf(escaped: string): string {
  try {
    return decodeURIComponent(escaped).toLowerCase();
  } catch {
    return escaped.toLowerCase();
  }
}
