/**
 * The keys of an OpenID Connect issuer, found by its discovery document (OpenID Connect Discovery 1.0, section 4). Fetched
 * with the first token that needs them; again when a token is not signed by any of them, but not more often than
 * somebody who makes up key ids could wish.
 */
import { Agent } from 'node:https';
import { isIP } from 'node:net';
import { errors, compactVerify, createLocalJWKSet } from 'jose';
import type { Clock } from '../../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../../base/errors.ts';
import { isJsonObject, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { exchangeJson } from '../../webhooks/json-exchange.ts';

export interface IssuerKeysOptions {
  /** As in `iss`. */
  readonly issuer: string;
  /** Where the discovery document is, when not below the issuer's URL. */
  readonly discoveryUrl?: string;
  /** PEM; the system's authorities when absent. */
  readonly ca?: string;
  readonly clock: Clock;
}

/** RFC 7518's for public keys, as upstream allows them: none with shared secrets, and not `none`. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];
const WELL_KNOWN = '/.well-known/openid-configuration';
const TIMEOUT_MS = 10_000;
const MAX_DOCUMENT_BYTES = 1024 * 1024;
/** Between two questions to the issuer. */
const PAUSE_MS = 10_000;
/** Keys that are older are fetched again beside being used: the issuer may have taken one back. */
const STALE_MS = 3_600_000;

type KeySet = ReturnType<typeof createLocalJWKSet>;

export class IssuerKeys implements Disposable {
  readonly #options: IssuerKeysOptions;
  readonly #agent: Agent;
  #keys: KeySet | undefined;
  #fetching: Promise<void> | undefined;
  /** When the last fetch began, and when the last good one did. */
  #asked = -Infinity;
  #fetched = -Infinity;
  #failure = '';

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: false, ...(options.ca !== undefined && { ca: options.ca }) });
  }

  /** The claims of a token that one of the keys has signed. Throws `unauthenticated`. */
  async verify(token: string): Promise<JsonObject> {
    const keys = await this.#known();
    try {
      return await claimsOf(token, keys);
    } catch (error) {
      if (!mayBeOld(error) || !(await this.#refresh()) || this.#keys === undefined) throw refused(error);
      return await claimsOf(token, this.#keys).catch((again: unknown) => {
        throw refused(again);
      });
    }
  }

  async #known(): Promise<KeySet> {
    if (this.#keys === undefined) await this.#refresh();
    else if (this.#options.clock.monotonic() - this.#fetched > STALE_MS) void this.#refresh();
    if (this.#keys !== undefined) return this.#keys;
    throw new PlatformError('unauthenticated', `oidc: authenticator not initialized: ${this.#failure}`);
  }

  /** False when it is too early to ask again. Everybody waits for the same answer. */
  async #refresh(): Promise<boolean> {
    const now = this.#options.clock.monotonic();
    if (this.#fetching === undefined) {
      if (now - this.#asked < PAUSE_MS) return false;
      this.#asked = now;
      this.#fetching = this.#takeOver(now).finally(() => (this.#fetching = undefined));
    }
    await this.#fetching;
    return true;
  }

  async #takeOver(now: number): Promise<void> {
    try {
      this.#keys = await this.#fetch();
      this.#fetched = now;
    } catch (error) {
      this.#failure = errorMessage(error);
    }
  }

  async #fetch(): Promise<KeySet> {
    const { issuer, discoveryUrl } = this.#options;
    const found = await this.#get(discoveryUrl ?? `${issuer.replace(/\/$/, '')}${WELL_KNOWN}`);
    const named = stringAt(found, 'issuer');
    if (named !== issuer) {
      throw new PlatformError(
        'unavailable',
        `oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(issuer)} got ${JSON.stringify(named)}`,
      );
    }
    const set = await this.#get(stringAt(found, 'jwks_uri'));
    // Keys of other uses, and of kinds that are not known, are let be.
    const keys = objectsAt(set, 'keys').filter(
      (key) => typeof key['kty'] === 'string' && key['use'] !== 'enc',
    );
    return createLocalJWKSet({ keys });
  }

  async #get(text: string): Promise<JsonObject> {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.protocol !== 'https:') {
      throw new PlatformError('unavailable', `oidc: ${JSON.stringify(text)} is no https URL`);
    }
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const servername = isIP(host) === 0 ? host : undefined;
    return await exchangeJson({
      method: 'GET',
      url: url.href,
      agent: this.#agent,
      host,
      port: url.port === '' ? 443 : Number(url.port),
      path: `${url.pathname}${url.search}`,
      headers: { 'user-agent': 'kube-apiserver', ...(servername !== undefined && { host: url.host }) },
      timeoutMs: TIMEOUT_MS,
      clock: this.#options.clock,
      maxBytes: MAX_DOCUMENT_BYTES,
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

async function claimsOf(token: string, keys: KeySet): Promise<JsonObject> {
  const payload = await signedBy(token, keys);
  const claims: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
  if (!isJsonObject(claims)) throw new PlatformError('unauthenticated', 'oidc: the claims are no object');
  return claims;
}

async function signedBy(token: string, keys: KeySet): Promise<Uint8Array> {
  const options = { algorithms: ALGORITHMS };
  try {
    return (await compactVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // A token that does not name its key: it may be any.
    for await (const key of error) {
      const payload = await compactVerify(token, key, options).then(
        (verified) => verified.payload,
        () => undefined,
      );
      if (payload !== undefined) return payload;
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** The issuer may have another key by now. */
function mayBeOld(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
}

function refused(error: unknown): PlatformError {
  const why = errorMessage(error);
  return new PlatformError('unauthenticated', `oidc: verify token: ${why}`, { cause: error });
}
