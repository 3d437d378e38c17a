/** Which authorizers a server has, by its options. What a file configures is loaded only when there is one. */
import type { Clock } from '../../../base/clock.ts';
import { assert } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Random } from '../../../base/random.ts';
import type { FileAccess } from '../configuration/file-access.ts';
import type { ServerMetrics } from '../metrics/server-metrics.ts';
import type { Authorizer } from './authorizer.ts';

export interface AuthorizationOptions {
  /** A file with an AuthorizationConfiguration: it names all authorizers there are. */
  readonly configuration?: string;
  /** A kubeconfig: this webhook is asked after the Node authorizer and role-based access control. */
  readonly webhook?: string;
}

const DEFAULT_WEBHOOK = {
  name: 'default',
  timeoutMs: 30_000,
  authorizedMs: 5 * 60_000,
  unauthorizedMs: 30_000,
  version: 'v1',
  failurePolicy: 'NoOpinion',
  conditions: [],
} as const;

interface Given {
  readonly authorization?: AuthorizationOptions;
  readonly files?: FileAccess;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Parts {
  readonly node: Authorizer;
  readonly rbac: Authorizer;
  /** What is made here ends with it. */
  readonly stack: AsyncDisposableStack;
  readonly metrics: ServerMetrics;
}

export async function authorizersOf(
  { authorization = {}, files, clock, random, log }: Given,
  { node, rbac, stack, metrics }: Parts,
): Promise<readonly Authorizer[]> {
  const { configuration, webhook } = authorization;
  if (configuration === undefined && webhook === undefined) return [node, rbac];
  assert(files !== undefined, 'files that configure authorizers can be read');
  const parts = { files, clock, random, log: log.child('authorization') };
  const module = await import('./configured-authorizer.ts');
  if (configuration === undefined) {
    const settings = { ...DEFAULT_WEBHOOK, kubeconfig: webhook! };
    return [node, rbac, stack.use(await module.webhookAuthorizer(settings, parts))];
  }
  const reloaded = metrics.reloads('authorization');
  return [stack.use(await module.configuredAuthorizer(configuration, { ...parts, node, rbac, reloaded }))];
}
