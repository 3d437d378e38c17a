/**
 * Somebody else decides: a SubjectAccessReview is posted, the answer holds for a while
 * (https://kubernetes.io/docs/reference/access-authn-authz/webhook/).
 */
import type { Clock } from '../../../../base/clock.ts';
import { errorMessage } from '../../../../base/errors.ts';
import type { Logger } from '../../../../base/log.ts';
import type { Random } from '../../../../base/random.ts';
import type { Program } from '../../../api/cel/program.ts';
import { objectAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { ExpiringCache } from '../../webhooks/expiring-cache.ts';
import type { WebhookClient } from '../../webhooks/kubeconfig-client.ts';
import { withRetries } from '../../webhooks/retries.ts';
import type { Attributes, Authorizer, Decision, KnownRules } from '../authorizer.ts';
import { reviewSpec } from './review-spec.ts';

export interface WebhookAuthorizerOptions {
  readonly name: string;
  readonly client: WebhookClient;
  readonly timeoutMs: number;
  /** How long a yes, and how long anything else is kept; 0: not at all. */
  readonly authorizedMs: number;
  readonly unauthorizedMs: number;
  readonly version: 'v1' | 'v1beta1';
  readonly failurePolicy: 'NoOpinion' | 'Deny';
  readonly conditions: readonly Program[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const MAX_KEPT = 8192;
/** Longer questions are an attack on the memory of the cache more likely than a need. */
const MAX_QUESTION = 10_000;

export class WebhookAuthorizer implements Authorizer, Disposable {
  readonly #options: WebhookAuthorizerOptions;
  readonly #kept: ExpiringCache<Decision>;
  readonly #stop = new AbortController();

  constructor(options: WebhookAuthorizerOptions) {
    this.#options = options;
    this.#kept = new ExpiringCache(options.clock, MAX_KEPT);
  }

  async decide(asked: Attributes): Promise<Decision> {
    const { conditions, failurePolicy, name, log } = this.#options;
    const onError = failurePolicy === 'Deny' ? 'deny' : 'abstain';
    const spec = reviewSpec(asked);
    if (conditions.length > 0) {
      const { conditionsHold } = await import('./match-conditions.ts');
      const matches = conditionsHold(conditions, spec);
      if (matches === false) return { answer: 'abstain' };
      if (matches !== true) return { answer: onError, error: matches.error };
    }
    const key = JSON.stringify(spec);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    let answer: JsonObject;
    try {
      answer = await this.#ask(spec);
    } catch (error) {
      log.error('authorization webhook failed', { webhook: name, error: errorMessage(error) });
      return { answer: onError, error: errorMessage(error) };
    }
    const decision = decisionOf(objectAt(answer, 'status'));
    const { authorizedMs, unauthorizedMs } = this.#options;
    const allowed = objectAt(answer, 'status')['allowed'] === true;
    if (lengthOf(asked) < MAX_QUESTION)
      this.#kept.put(key, decision, allowed ? authorizedMs : unauthorizedMs);
    return decision;
  }

  rulesFor(): KnownRules {
    return { rules: [], incomplete: true, error: 'webhook authorizer does not support user rule resolution' };
  }

  async #ask(spec: JsonObject): Promise<JsonObject> {
    const { client, version, timeoutMs, clock, random } = this.#options;
    // v1beta1 calls the groups `group`.
    const { groups, ...rest } = spec;
    const body = {
      kind: 'SubjectAccessReview',
      apiVersion: `authorization.k8s.io/${version}`,
      metadata: { creationTimestamp: null },
      spec: version === 'v1beta1' && groups !== undefined ? { ...rest, group: groups } : spec,
      status: { allowed: false },
    };
    return await withRetries(() => client.post(body, timeoutMs), {
      clock,
      random,
      signal: this.#stop.signal,
    });
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#options.client[Symbol.dispose]();
  }
}

function decisionOf(status: JsonObject): Decision {
  const reason = stringAt(status, 'reason');
  const because = reason === '' ? {} : { reason };
  const [allowed, denied] = [status['allowed'] === true, status['denied'] === true];
  if (allowed && denied) {
    const error = 'webhook subject access review returned both allow and deny response';
    return { answer: 'deny', ...because, error };
  }
  return { answer: denied ? 'deny' : allowed ? 'allow' : 'abstain', ...because };
}

function lengthOf({
  namespace,
  verb,
  group,
  version,
  resource,
  subresource,
  name,
  path = '',
}: Attributes): number {
  return [namespace, verb, group, version, resource, subresource, name, path].join('').length;
}
