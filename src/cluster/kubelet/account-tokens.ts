/**
 * Tokens of the service accounts that this node's pods run as: asked for with the pod as their bond, so that they end
 * with it, and asked for anew before they run out (KEP-1205).
 */
import type { Clock } from '../../base/clock.ts';
import { errorMessage, PlatformError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { TokenRequest } from '../api/generated/authentication-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { Client } from '../client/contract.ts';
import { serviceAccounts } from '../client/kinds.ts';
import { podUid } from './pod-terms.ts';

export interface TokenWish {
  /** The API server's own when empty. */
  readonly audience: string;
  readonly expirationSeconds: number;
}

interface Held {
  readonly token: string;
  /** In milliseconds since the epoch. */
  readonly issued: number;
  readonly expires: number;
}

const DAY_MS = 86_400_000;
/** Renewed when less than this part of its life is left. */
const LEFT = 0.2;

export interface AccountTokensOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
}

export class AccountTokens {
  readonly #options: AccountTokensOptions;
  /** By pod, then by wish. */
  readonly #held = new Map<string, Map<string, Held>>();

  constructor(options: AccountTokensOptions) {
    this.#options = options;
  }

  /** A token that is good for a while; `unavailable` and the like when there is none to be had. */
  async get(pod: Pod, wish: TokenWish): Promise<string> {
    const uid = podUid(pod);
    const key = JSON.stringify([wish.audience, wish.expirationSeconds]);
    const held = this.#held.get(uid)?.get(key);
    if (held !== undefined && !this.#isDue(held)) return held.token;
    try {
      const fresh = await this.#request(pod, wish);
      const ofPod = this.#held.get(uid) ?? new Map<string, Held>();
      this.#held.set(uid, ofPod.set(key, fresh));
      return fresh.token;
    } catch (error) {
      const message = `failed to fetch token: ${errorMessage(error)}`;
      if (held !== undefined && this.#options.clock.now() < held.expires) {
        this.#options.log.warn('a token could not be renewed, the old one stays', {
          pod: uid,
          error: message,
        });
        return held.token;
      }
      const code = error instanceof PlatformError ? error.code : 'unavailable';
      throw new PlatformError(code, message, { cause: error });
    }
  }

  /** The pod is no more. */
  forget(uid: string): void {
    this.#held.delete(uid);
  }

  #isDue({ issued, expires }: Held): boolean {
    const now = this.#options.clock.now();
    return now >= expires - (expires - issued) * LEFT || now - issued >= DAY_MS;
  }

  async #request(pod: Pod, { audience, expirationSeconds }: TokenWish): Promise<Held> {
    const { client, clock } = this.#options;
    const { name = '', namespace = '', uid } = pod.metadata ?? {};
    const issued = clock.now();
    const wanted: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience === '' ? [] : [audience],
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    };
    const account = { name: pod.spec?.serviceAccountName ?? '', namespace };
    const { status } = (await client.post(serviceAccounts, account, 'token', wanted)) as TokenRequest;
    const expires = Date.parse(status?.expirationTimestamp ?? '');
    if (status?.token === undefined || Number.isNaN(expires)) {
      throw new PlatformError('unavailable', `serviceaccount "${account.name}": the answer has no token`);
    }
    return { token: status.token, issued, expires };
  }
}
