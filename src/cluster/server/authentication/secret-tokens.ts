/**
 * Tokens that are kept in secrets of type `kubernetes.io/service-account-token`: without an end and an audience, good as
 * long as the secret has them. Each secret is labelled with the day on which its token was used last (KEP-2799,
 * https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#manual-secret-management-for-serviceaccounts).
 */
import { dateOf, type Clock } from '../../../base/clock.ts';
import { stringAt, type JsonObject } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import type { Authenticated, TokenAuthenticator } from './authenticator.ts';
import { accountName, refused, serviceAccountUser, type Lookup } from './service-account-tokens.ts';
import type { SigningKeys } from './signing-keys.ts';
import { issuerOf } from './unverified.ts';

const ISSUER = 'kubernetes/serviceaccount';
const NAMESPACE = 'kubernetes.io/serviceaccount/namespace';
const SECRET_NAME = 'kubernetes.io/serviceaccount/secret.name';
const ACCOUNT_NAME = 'kubernetes.io/serviceaccount/service-account.name';
const ACCOUNT_UID = 'kubernetes.io/serviceaccount/service-account.uid';

export const LAST_USED = 'kubernetes.io/legacy-token-last-used';
const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since';

export interface SecretTokensOptions {
  readonly keys: SigningKeys;
  readonly clock: Clock;
  readonly lookup: Lookup;
  /** Labels the secret with the day, `2026-11-21`. */
  readonly used: (secret: KubeObject, day: string) => Promise<void>;
}

/** An account, or a secret. */
interface Named {
  readonly metadata?:
    | {
        readonly name?: string | undefined;
        readonly namespace?: string | undefined;
        readonly uid?: string | undefined;
      }
    | undefined;
}

export type SecretTokenIssuer = (account: Named, secret: Named) => Promise<string>;

export class SecretTokens implements TokenAuthenticator {
  readonly #options: SecretTokensOptions;

  constructor(options: SecretTokensOptions) {
    this.#options = options;
  }

  /** The token that is to be kept in the secret. */
  async issue(account: Named, secret: Named): Promise<string> {
    const { name = '', namespace = '', uid = '' } = account.metadata ?? {};
    return await this.#options.keys.sign({
      iss: ISSUER,
      [NAMESPACE]: namespace,
      [SECRET_NAME]: secret.metadata?.name ?? '',
      [ACCOUNT_NAME]: name,
      [ACCOUNT_UID]: uid,
      sub: accountName(namespace, name),
    });
  }

  async authenticate(token: string): Promise<Authenticated | undefined> {
    if (issuerOf(token) !== ISSUER) return undefined;
    const { keys, clock, lookup, used } = this.#options;
    const now = dateOf(clock.now());
    const claims = (await keys.verify(token, { issuer: ISSUER, now })) as JsonObject;
    const [namespace = '', secretName = '', name = '', uid = ''] = [
      NAMESPACE,
      SECRET_NAME,
      ACCOUNT_NAME,
      ACCOUNT_UID,
    ].map((claim) => stringAt(claims, claim));
    if (claims['sub'] !== accountName(namespace, name))
      throw refused('its names are not those of its subject');
    const secret = await lookup('secrets', namespace, secretName);
    if (secret === undefined || secret.metadata.deletionTimestamp !== undefined)
      throw refused(`its secret "${secretName}" is gone`);
    const kept = Buffer.from(stringAt(secret, 'data', 'token'), 'base64').toString('latin1');
    if (kept !== token) throw refused(`its secret "${secretName}" has another`);
    const account = await lookup('serviceaccounts', namespace, name);
    if (account?.metadata.uid !== uid || account.metadata.deletionTimestamp !== undefined)
      throw refused(`its service account "${name}" is gone`);
    const { labels = {} } = secret.metadata;
    if ((labels[INVALID_SINCE] ?? '') !== '')
      throw refused(
        `its secret "${secretName}" is labelled ${INVALID_SINCE}; without the label it is good again`,
      );
    const today = dayOf(now);
    const tomorrow = dayOf(dateOf(clock.now() + DAY_MS));
    const last = labels[LAST_USED];
    // Servers' clocks differ a little: what another has said of tomorrow is as good.
    if (last !== today && last !== tomorrow) await used(secret, today);
    return { user: serviceAccountUser(namespace, { name, uid }) };
  }
}

const DAY_MS = 24 * 3600 * 1000;

/** `2026-11-21`, in Greenwich. */
export function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
