/**
 * Tokens of service accounts: JSON web tokens that name the account and what they are bound to, good as long as all of
 * it is there (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/, KEP-1205, KEP-4193).
 */
import { PlatformError } from '../../../base/errors.ts';
import { dateOf, type Clock } from '../../../base/clock.ts';
import { uuid, type Random } from '../../../base/random.ts';
import type { JsonObject } from '../../api/json.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { KubeObject } from '../object.ts';
import type { Authenticated, TokenAuthenticator } from './authenticator.ts';
import type { SigningKeys } from './signing-keys.ts';
import { issuerOf } from './unverified.ts';

export interface ServiceAccountTokenOptions {
  /** PEM of an EC P-256 or RSA private key; signs. */
  readonly signingKey: string;
  /** PEM of further keys, public or private, whose tokens are believed (rotation). */
  readonly otherKeys?: readonly string[];
  /** `iss`, and where the discovery document lives. */
  readonly issuer: string;
  /** Of tokens that are asked for without one, and what the server itself accepts. */
  readonly audiences: readonly string[];
}

/** What a token may be bound to. */
export interface BoundObject {
  readonly kind: 'Pod' | 'Secret' | 'Node';
  readonly name: string;
  readonly uid: string;
}

export interface TokenWishes {
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly bound?: BoundObject;
  /** The node of a bound pod. */
  readonly node?: { readonly name: string; readonly uid?: string };
}

/** Looks up what a token names; undefined when it is gone. */
export type Lookup = (resource: string, namespace: string, name: string) => Promise<KubeObject | undefined>;

interface Claims {
  readonly namespace: string;
  readonly serviceaccount: { readonly name: string; readonly uid: string };
  readonly pod?: { readonly name: string; readonly uid: string };
  readonly secret?: { readonly name: string; readonly uid: string };
  readonly node?: { readonly name: string; readonly uid?: string };
}

const CLAIMS = 'kubernetes.io';

export class ServiceAccountTokens implements TokenAuthenticator {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly #keys: SigningKeys;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lookup: Lookup;

  constructor(
    options: ServiceAccountTokenOptions,
    parts: {
      readonly keys: SigningKeys;
      readonly clock: Clock;
      readonly random: Random;
      readonly lookup: Lookup;
    },
  ) {
    this.issuer = options.issuer;
    this.audiences = options.audiences;
    this.#keys = parts.keys;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#lookup = parts.lookup;
  }

  /** A token for the account, and when it ends (milliseconds since the epoch). */
  async issue(account: KubeObject, wishes: TokenWishes): Promise<{ token: string; expires: number }> {
    const now = Math.floor(this.#clock.now() / 1000);
    const { name = '', namespace = '', uid = '' } = account.metadata;
    const { bound, node } = wishes;
    const claims: JsonObject = {
      namespace,
      serviceaccount: { name, uid },
      ...(bound !== undefined && { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
      ...(node !== undefined && { node: { ...node } }),
    };
    const token = await this.#keys.sign({
      [CLAIMS]: claims,
      iss: this.issuer,
      aud: [...wishes.audiences],
      sub: accountName(namespace, name),
      iat: now,
      nbf: now,
      exp: now + wishes.expirationSeconds,
      jti: uuid(this.#random),
    });
    return { token, expires: (now + wishes.expirationSeconds) * 1000 };
  }

  async authenticate(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    if (issuerOf(token) !== this.issuer) return undefined;
    // The library's own clock is not ours.
    const payload = await this.#keys.verify(token, { issuer: this.issuer, now: dateOf(this.#clock.now()) });
    const granted = [payload.aud ?? []].flat().filter((audience) => audiences.includes(audience));
    if (granted.length === 0) throw refused('it is for another audience');
    const claims = payload[CLAIMS] as Claims | undefined;
    if (claims?.serviceaccount === undefined) throw refused('it names no service account');
    await this.#checkBound(claims);
    const { namespace, serviceaccount, pod, node } = claims;
    const extra: Record<string, readonly string[]> = {
      'authentication.kubernetes.io/credential-id': [`JTI=${payload.jti ?? ''}`],
      ...(pod !== undefined && {
        'authentication.kubernetes.io/pod-name': [pod.name],
        'authentication.kubernetes.io/pod-uid': [pod.uid],
      }),
      ...(node !== undefined && {
        'authentication.kubernetes.io/node-name': [node.name],
        ...(node.uid !== undefined && { 'authentication.kubernetes.io/node-uid': [node.uid] }),
      }),
    };
    return { user: serviceAccountUser(namespace, serviceaccount, extra), audiences: granted };
  }

  /** JSON Web Key Set of all keys, for those who verify tokens themselves. */
  keySet(): Promise<JsonObject> {
    return this.#keys.keySet();
  }

  /** OpenID Connect Discovery 1.0, as much of it as verifying a token needs. */
  discovery(keySetUrl: string): JsonObject {
    return {
      issuer: this.issuer,
      jwks_uri: keySetUrl,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [...this.#keys.algorithms],
    };
  }

  /** All that the token names must still be what it was. */
  async #checkBound({ namespace, serviceaccount, pod, secret, node }: Claims): Promise<void> {
    const same = async (resource: string, named: { name: string; uid?: string }): Promise<void> => {
      const found = await this.#lookup(resource, resource === 'nodes' ? '' : namespace, named.name);
      if (found?.metadata.uid !== named.uid) throw refused(`its ${resource} "${named.name}" is gone`);
    };
    await same('serviceaccounts', serviceaccount);
    if (pod !== undefined) await same('pods', pod);
    if (secret !== undefined) await same('secrets', secret);
    // Beside a pod the node is only information: the pod may outlive it for a while.
    if (node !== undefined && pod === undefined) await same('nodes', node);
  }
}

export function serviceAccountUser(
  namespace: string,
  { name, uid }: { readonly name: string; readonly uid: string },
  extra?: Readonly<Record<string, readonly string[]>>,
): UserInfo {
  return {
    name: accountName(namespace, name),
    uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    ...(extra !== undefined && { extra }),
  };
}

export function accountName(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

export function refused(why: string): PlatformError {
  return new PlatformError('unauthenticated', `the token is not accepted: ${why}`);
}
