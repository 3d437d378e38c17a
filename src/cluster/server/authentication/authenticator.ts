/**
 * Who is asking? Authenticators are tried in order; the first that knows the credentials decides. Credentials that nobody
 * knows are refused, no credentials are the anonymous user
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/).
 */
import { errorMessage } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { UserInfo } from '../../api/transport.ts';
import { ANONYMOUS } from '../authorization/administrators.ts';
import { aggregated } from '../authorization/authorizer.ts';
import { unauthorized } from '../failure.ts';
import type { AnonymousConfiguration } from './authentication-configuration.ts';

/** What came with a request. */
export interface Credentials {
  /** The subject of a client certificate that our authority has issued. */
  readonly certificate?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** SHA-256 of that certificate, in hexadecimal. */
  readonly fingerprint?: string;
  /** Without a token: there is a client certificate, of an authority that is not ours. Nobody is anonymous with it. */
  readonly stranger?: boolean;
  /** Whom a proxy that may pass requests on does so for. */
  readonly proxied?: UserInfo;
  /** The bearer token. */
  readonly token?: string;
  /** Of a request without a token, without the query: anonymous users may be let in for some alone. */
  readonly path?: string;
}

export interface Authenticated {
  readonly user: UserInfo;
  /** Of a token that names them: those that it is for. */
  readonly audiences?: readonly string[];
}

/** The answer is undefined when it does not know the token; it throws when it does and the token is no good. */
export interface TokenAuthenticator {
  authenticate(
    token: string,
    audiences: readonly string[],
  ): Authenticated | undefined | Promise<Authenticated | undefined>;
}

/** What is said of a token: whose it is, or why nobody took it. Neither: nobody knows it. */
export interface Reviewed {
  readonly found?: Authenticated;
  readonly error?: string;
}

export interface AuthenticationParts {
  readonly tokens: readonly TokenAuthenticator[];
  /** What a token must be for, when it says what it is for. */
  readonly audiences: readonly string[];
  /** Whom to let in without credentials; undefined: everybody. */
  readonly anonymous?: () => AnonymousConfiguration | undefined;
  /** After each request: `failure` is for credentials that nobody knows, `error` for such as are no good. */
  readonly attempted?: (result: 'success' | 'failure' | 'error') => void;
  readonly log?: Logger;
}

export const AUTHENTICATED = 'system:authenticated';

export class Authentication {
  readonly #parts: AuthenticationParts;
  readonly #holders = new WeakMap<Credentials, UserInfo>();

  constructor(parts: AuthenticationParts) {
    this.#parts = parts;
  }

  get audiences(): readonly string[] {
    return this.#parts.audiences;
  }

  async authenticate(credentials: Credentials): Promise<UserInfo> {
    const { token } = credentials;
    try {
      const user = this.#without(credentials) ?? (await this.#ofToken(token ?? ''));
      this.#parts.attempted?.('success');
      return user;
    } catch (error) {
      this.#parts.attempted?.(token === undefined ? 'failure' : 'error');
      throw error;
    }
  }

  /** Undefined when it is the token that counts. */
  #without(credentials: Credentials): UserInfo | undefined {
    const { certificate, stranger, proxied, token, path } = credentials;
    if (proxied !== undefined) return withAuthenticated(proxied);
    if (certificate !== undefined) return this.#holderOf(credentials);
    if (token !== undefined) return undefined;
    if (stranger === true || !this.#letsIn(path)) throw unauthorized();
    return ANONYMOUS;
  }

  /** A connection has the same credentials with each of its requests. */
  #holderOf(credentials: Credentials): UserInfo {
    let holder = this.#holders.get(credentials);
    if (holder === undefined) {
      holder = withAuthenticated(userOfSubject(credentials.certificate ?? {}, credentials.fingerprint));
      this.#holders.set(credentials, holder);
    }
    return holder;
  }

  async #ofToken(token: string): Promise<UserInfo> {
    const { found, error } = await this.review(token, this.audiences);
    if (found !== undefined) return found.user;
    this.#parts.log?.debug('unable to authenticate the request', { error: error ?? 'invalid bearer token' });
    throw unauthorized();
  }

  #letsIn(path: string | undefined): boolean {
    const anonymous = this.#parts.anonymous?.();
    if (anonymous === undefined) return true;
    return anonymous.enabled && (anonymous.paths.length === 0 || anonymous.paths.includes(path ?? ''));
  }

  async review(token: string, audiences: readonly string[]): Promise<Reviewed> {
    const errors: string[] = [];
    if (token === '') return {};
    for (const authenticator of this.#parts.tokens) {
      try {
        const answer = authenticator.authenticate(token, audiences);
        const found = answer instanceof Promise ? await answer : answer;
        if (found === undefined) continue;
        const user = withAuthenticated(found.user);
        return { found: user === found.user ? found : { ...found, user } };
      } catch (error) {
        // No good for this one; another may know it.
        errors.push(errorMessage(error));
      }
    }
    return errors.length === 0 ? {} : { error: aggregated(errors) };
  }
}

function withAuthenticated(user: UserInfo): UserInfo {
  return user.groups.includes(AUTHENTICATED) ? user : { ...user, groups: [...user.groups, AUTHENTICATED] };
}

/** CN is the user, each O a group, UID (OID 1.3.6.1.4.1.57683.2) its uid; which certificate it was is told too (KEP-4193). */
function userOfSubject(
  subject: NonNullable<Credentials['certificate']>,
  fingerprint: string | undefined,
): UserInfo {
  const [name] = [subject['CN'] ?? []].flat();
  if (name === undefined || name === '') throw unauthorized();
  const [uid] = [subject['1.3.6.1.4.1.57683.2'] ?? []].flat();
  return {
    name,
    groups: [subject['O'] ?? []].flat(),
    ...(uid !== undefined && { uid }),
    ...(fingerprint !== undefined && {
      extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
    }),
  };
}

/** Tokens that are known from the start. */
export function staticTokens(tokens: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  // What is compared first are hashes with a seed of their own: how long it takes gives no hint of how far a guess was right.
  const known = new Map([...tokens].map(([token, user]) => [token, { user: withAuthenticated(user) }]));
  return { authenticate: (token) => known.get(token) };
}

/** For tokens that say nothing of audiences: they are for this server, whose audiences are given. */
export function forAudiences(audiences: readonly string[], inner: TokenAuthenticator): TokenAuthenticator {
  return {
    authenticate(token, wanted) {
      if (wanted.length === 0) return inner.authenticate(token, wanted);
      const granted = audiences.filter((audience) => wanted.includes(audience));
      if (granted.length === 0) return undefined;
      const answer = inner.authenticate(token, wanted);
      return answer instanceof Promise
        ? answer.then((found) => found && { ...found, audiences: granted })
        : answer && { ...answer, audiences: granted };
    },
  };
}
