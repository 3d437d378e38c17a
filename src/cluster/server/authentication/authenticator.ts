/**
 * Who is asking? Authenticators are tried in order; the first that knows the credentials decides. Credentials that nobody
 * knows are refused, no credentials are the anonymous user
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { UserInfo } from '../../api/transport.ts';
import { ANONYMOUS } from '../authorization/administrators.ts';
import { unauthorized } from '../failure.ts';

/** What came with a request. */
export interface Credentials {
  /** The subject of a client certificate that our authority has issued. */
  readonly certificate?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Whom a proxy that may pass requests on does so for. */
  readonly proxied?: UserInfo;
  /** The bearer token. */
  readonly token?: string;
}

export interface Authenticated {
  readonly user: UserInfo;
  /** Of a token that names them: those that it is for. */
  readonly audiences?: readonly string[];
}

/** Resolves with undefined when it does not know the token; throws when it does and the token is no good. */
export interface TokenAuthenticator {
  authenticate(token: string, audiences: readonly string[]): Promise<Authenticated | undefined>;
}

export const AUTHENTICATED = 'system:authenticated';

export class Authentication {
  readonly #tokens: readonly TokenAuthenticator[];
  /** What a token must be for, when it says what it is for. */
  readonly audiences: readonly string[];

  constructor(tokens: readonly TokenAuthenticator[], audiences: readonly string[]) {
    this.#tokens = tokens;
    this.audiences = audiences;
  }

  async authenticate({ certificate, proxied, token }: Credentials): Promise<UserInfo> {
    if (proxied !== undefined) return withAuthenticated(proxied);
    if (certificate !== undefined) return withAuthenticated(userOfSubject(certificate));
    if (token === undefined) return ANONYMOUS;
    const found = await this.review(token, this.audiences);
    if (found === undefined) throw unauthorized();
    return found.user;
  }

  /** Undefined when nobody accepts the token. */
  async review(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    if (token === '') return undefined;
    for (const authenticator of this.#tokens) {
      try {
        const found = await authenticator.authenticate(token, audiences);
        if (found !== undefined) return { ...found, user: withAuthenticated(found.user) };
      } catch {
        // No good for this one; another may know it.
      }
    }
    return undefined;
  }
}

function withAuthenticated(user: UserInfo): UserInfo {
  return user.groups.includes(AUTHENTICATED) ? user : { ...user, groups: [...user.groups, AUTHENTICATED] };
}

/** CN is the user, each O a group, UID (OID 1.3.6.1.4.1.57683.2) its uid. */
function userOfSubject(subject: NonNullable<Credentials['certificate']>): UserInfo {
  const [name] = [subject['CN'] ?? []].flat();
  if (name === undefined || name === '') throw unauthorized();
  const [uid] = [subject['1.3.6.1.4.1.57683.2'] ?? []].flat();
  return { name, groups: [subject['O'] ?? []].flat(), ...(uid !== undefined && { uid }) };
}

/** Tokens that are known from the start. */
export function staticTokens(tokens: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  // Compared by digest: equal lengths, and no hint of how far a guess was right.
  const known = [...tokens].map(([token, user]) => ({ digest: digestOf(token), user }));
  return {
    async authenticate(token) {
      const digest = digestOf(token);
      const found = known.find((one) => timingSafeEqual(one.digest, digest));
      return found && { user: found.user };
    },
  };
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
