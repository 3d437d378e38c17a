/** Tokens of one OpenID Connect issuer: verified, judged and made into a user as the configuration says. */
import type { Clock } from '../../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../../base/errors.ts';
import { CelError, type Program } from '../../../api/cel/program.ts';
import { getOwn, type JsonObject, type JsonValue } from '../../../api/json.ts';
import type { UserInfo } from '../../../api/transport.ts';
import { Evaluator, textsOf } from './expressions.ts';
import { IssuerKeys } from './issuer-keys.ts';

/** One entry of `jwt`, checked. */
export interface JwtIssuer {
  readonly url: string;
  readonly discoveryUrl?: string;
  readonly ca?: string;
  readonly audiences: readonly string[];
  readonly requiredClaims: ReadonlyMap<string, string>;
  readonly claimRules: readonly Rule[];
  readonly userRules: readonly Rule[];
  readonly username: Mapping;
  readonly groups?: Mapping;
  readonly uid?: Mapping;
  readonly extra: readonly { readonly key: string; readonly value: Program }[];
}

export interface Rule {
  readonly program: Program;
  readonly message: string;
}

export type Mapping = { readonly claim: string; readonly prefix: string } | { readonly program: Program };

/** How far an issuer's clock may be ahead of ours, for `nbf`. */
const AHEAD_SECONDS = 300;
/** What Google says, and what it ought to. */
const GOOGLE = { said: 'accounts.google.com', meant: 'https://accounts.google.com' };

/** The issuer that configurations mean by what a token says. */
export function meantIssuer(issuer: string): string {
  return issuer === GOOGLE.said ? GOOGLE.meant : issuer;
}

export class JwtAuthenticator implements Disposable {
  readonly #issuer: JwtIssuer;
  readonly #keys: IssuerKeys;
  readonly #clock: Clock;

  constructor(issuer: JwtIssuer, clock: Clock) {
    this.#issuer = issuer;
    this.#clock = clock;
    const { url, discoveryUrl, ca } = issuer;
    this.#keys = new IssuerKeys({
      issuer: url,
      clock,
      ...(discoveryUrl !== undefined && { discoveryUrl }),
      ...(ca !== undefined && { ca }),
    });
  }

  /** Throws `unauthenticated` with the reason, for the log. */
  async authenticate(token: string): Promise<UserInfo> {
    const claims = await this.#keys.verify(token);
    this.#check(claims);
    const evaluator = new Evaluator(claims);
    const user = this.#userOf(claims, evaluator);
    for (const [claim, wanted] of this.#issuer.requiredClaims) {
      const value = getOwn(claims, claim);
      if (value === undefined) throw refused(`required claim ${claim} not present in ID token`);
      if (typeof value !== 'string') throw refused(`parse claim ${claim}: not a text`);
      if (value !== wanted)
        throw refused(`required claim ${claim} value does not match. Got = ${value}, want = ${wanted}`);
    }
    judge(this.#issuer.claimRules, 'claim validation', (program) => evaluator.ofClaims(program));
    judge(this.#issuer.userRules, 'user info validation', (program) => evaluator.ofUser(program, user));
    return user;
  }

  /** OpenID Connect Core 1.0, section 3.1.3.7. */
  #check({ iss, aud, exp, nbf }: JsonObject): void {
    const now = this.#clock.now() / 1000;
    if (typeof iss !== 'string' || meantIssuer(iss) !== this.#issuer.url) {
      throw refused('id token issued by a different provider');
    }
    if (typeof exp !== 'number' || exp <= now) throw refused('verify token: token is expired');
    if (nbf !== undefined && (typeof nbf !== 'number' || nbf > now + AHEAD_SECONDS)) {
      throw refused('verify token: current time before the nbf (not before) time');
    }
    const given = [aud ?? []].flat();
    if (!this.#issuer.audiences.some((audience) => given.includes(audience))) {
      throw refused(
        `verify token: expected audience in ${JSON.stringify(this.#issuer.audiences)} got ${JSON.stringify(given).slice(0, 200)}`,
      );
    }
  }

  #userOf(claims: JsonObject, evaluator: Evaluator): UserInfo {
    const { groups, uid, extra } = this.#issuer;
    const name = this.#username(claims, evaluator);
    const memberships = groups === undefined ? [] : groupsOf(groups, claims, evaluator);
    const id = uid === undefined ? '' : oneOf(uid, 'uid', { claims, evaluator });
    const more: Record<string, readonly string[]> = Object.create(null) as Record<string, readonly string[]>;
    for (const { key, value } of extra) {
      const texts = textsOf(evaluated('extra', () => evaluator.ofClaims(value)));
      if (texts === undefined)
        throw refused(
          'error evaluating extra claim expression: expression must return a string or a list of strings',
        );
      if (texts.length > 0) more[key] = texts;
    }
    return {
      name,
      groups: memberships,
      ...(id !== '' && { uid: id }),
      ...(Object.keys(more).length > 0 && { extra: { ...more } }),
    };
  }

  #username(claims: JsonObject, evaluator: Evaluator): string {
    const { username } = this.#issuer;
    const name = oneOf(username, 'username', { claims, evaluator });
    if (name === '') throw refused('the username is empty');
    if (!('claim' in username)) return name;
    // OpenID Connect Core 1.0, section 5.1: an address may be anybody's until it is verified.
    if (
      username.claim === 'email' &&
      Object.hasOwn(claims, 'email_verified') &&
      claims['email_verified'] !== true
    ) {
      throw refused('email not verified');
    }
    return `${username.prefix}${name}`;
  }

  [Symbol.dispose](): void {
    this.#keys[Symbol.dispose]();
  }
}

interface Source {
  readonly claims: JsonObject;
  readonly evaluator: Evaluator;
}

function oneOf(mapping: Mapping, what: string, { claims, evaluator }: Source): string {
  const value =
    'claim' in mapping
      ? getOwn(claims, mapping.claim)
      : evaluated(what, () => evaluator.ofClaims(mapping.program));
  if (typeof value === 'string') return value;
  throw refused(
    'claim' in mapping
      ? `parse ${what} claims ${JSON.stringify(mapping.claim)}: ${value === undefined ? 'claim not present' : 'not a text'}`
      : `error evaluating ${what} claim expression: ${what} claim expression must return a string`,
  );
}

/** A claim may be a single group; one that is absent is none. */
function groupsOf(mapping: Mapping, claims: JsonObject, evaluator: Evaluator): readonly string[] {
  if (!('claim' in mapping)) {
    const texts = textsOf(evaluated('group', () => evaluator.ofClaims(mapping.program)));
    if (texts !== undefined) return texts;
    throw refused(
      'error evaluating group claim expression: expression must return a string or a list of strings',
    );
  }
  const given: JsonValue[] = [getOwn(claims, mapping.claim) ?? []].flat();
  const groups = given.filter((group) => typeof group === 'string');
  if (groups.length < given.length)
    throw refused(`parse groups claim ${JSON.stringify(mapping.claim)}: not texts`);
  return groups.map((group) => `${mapping.prefix}${group}`);
}

function judge(rules: readonly Rule[], what: string, evaluate: (program: Program) => unknown): void {
  for (const { program, message } of rules) {
    if (evaluated(what, () => evaluate(program)) === true) continue;
    throw refused(
      `error evaluating ${what} rule: validation expression '${program.text}' failed: ${message}`,
    );
  }
}

function evaluated<T>(what: string, evaluate: () => T): T {
  try {
    return evaluate();
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw refused(`error evaluating ${what} claim expression: ${errorMessage(error)}`);
  }
}

function refused(why: string): PlatformError {
  return new PlatformError('unauthenticated', `oidc: ${why}`);
}
