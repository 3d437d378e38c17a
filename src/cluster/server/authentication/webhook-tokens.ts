/**
 * Tokens that another program knows: it is asked by a TokenReview, and its answers hold for a while
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication).
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import type { Random } from '../../../base/random.ts';
import { listAt, objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { UserInfo } from '../../api/transport.ts';
import { ExpiringCache } from '../webhooks/expiring-cache.ts';
import type { WebhookClient } from '../webhooks/kubeconfig-client.ts';
import { withRetries } from '../webhooks/retries.ts';
import type { Authenticated, TokenAuthenticator } from './authenticator.ts';

export interface WebhookTokensOptions {
  readonly client: WebhookClient;
  /** How long an answer holds, a no as well; failures never do. */
  readonly keptMs: number;
  /** Those of this server: of tokens whose answer names none. */
  readonly audiences: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
}

const TIMEOUT_MS = 30_000;
const MAX_KEPT = 4096;

type Answer = Authenticated | { readonly error: string } | undefined;

export class WebhookTokens implements TokenAuthenticator, Disposable {
  readonly #options: WebhookTokensOptions;
  readonly #kept: ExpiringCache<{ readonly answer: Answer }>;
  readonly #asking = new Map<string, Promise<Answer>>();
  readonly #stop = new AbortController();

  constructor(options: WebhookTokensOptions) {
    this.#options = options;
    this.#kept = new ExpiringCache(options.clock, MAX_KEPT);
  }

  async authenticate(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    // Not the token itself: what is kept in memory is good for nobody who reads it.
    const key = createHash('sha256')
      .update(JSON.stringify([token, audiences]))
      .digest('base64');
    const answer = this.#kept.get(key)?.answer ?? (await this.#ask(key, token, audiences));
    if (answer === undefined || !('error' in answer)) return answer;
    throw new PlatformError('unauthenticated', answer.error);
  }

  /** The same question is asked once at a time. */
  async #ask(key: string, token: string, audiences: readonly string[]): Promise<Answer> {
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept.answer;
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#post(token, audiences)
        .then((answer) => {
          this.#kept.put(key, { answer }, this.#options.keptMs);
          return answer;
        })
        .finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    return await asking;
  }

  async #post(token: string, audiences: readonly string[]): Promise<Answer> {
    const { client, clock, random } = this.#options;
    const body = {
      kind: 'TokenReview',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { creationTimestamp: null },
      spec: { token, ...(audiences.length > 0 && { audiences: [...audiences] }) },
      status: { user: {} },
    };
    const parts = { clock, random, signal: this.#stop.signal };
    const status = objectAt(await withRetries(() => client.post(body, TIMEOUT_MS), parts), 'status');
    if (status['authenticated'] !== true) {
      const error = stringAt(status, 'error');
      return error === '' ? undefined : { error };
    }
    const user = userOf(objectAt(status, 'user'));
    if (audiences.length === 0) return { user };
    const named = listAt(status, 'audiences');
    const granted = (named.length > 0 ? named : this.#options.audiences).filter(
      (audience): audience is string => typeof audience === 'string' && audiences.includes(audience),
    );
    return granted.length === 0 ? undefined : { user, audiences: granted };
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#options.client[Symbol.dispose]();
  }
}

function userOf(user: JsonObject): UserInfo {
  const texts = (list: readonly unknown[]): string[] => list.filter((item) => typeof item === 'string');
  const uid = stringAt(user, 'uid');
  const extra = Object.entries(objectAt(user, 'extra')).map(
    ([key, values]) => [key, texts(Array.isArray(values) ? values : [])] as const,
  );
  return {
    name: stringAt(user, 'username'),
    groups: texts(listAt(user, 'groups')),
    ...(uid !== '' && { uid }),
    ...(extra.length > 0 && { extra: Object.fromEntries(extra) }),
  };
}
