/** The authorizers that a file names, in its order; another set of them when the file changes. */
import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { Random } from '../../../base/random.ts';
import { besides, type FileAccess } from '../configuration/file-access.ts';
import { followFile } from '../configuration/followed-file.ts';
import { webhookClientFrom } from '../webhooks/kubeconfig-client.ts';
import { parseAuthorizationConfiguration, type AuthorizerEntry } from './authorization-configuration.ts';
import { firstOf, type Authorizer } from './authorizer.ts';
import { WebhookAuthorizer, type WebhookAuthorizerOptions } from './webhook/webhook-authorizer.ts';

export interface ConfiguredAuthorizerOptions {
  readonly files: FileAccess;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Those that this server has anyway. */
  readonly node: Authorizer;
  readonly rbac: Authorizer;
  readonly reloaded?: (succeeded: boolean) => void;
}

const EVERYTHING = {
  verbs: ['*'],
  apiGroups: ['*'],
  resources: ['*'],
  resourceNames: [],
  nonResourceURLs: [],
};
const EVERY_PATH = { verbs: ['*'], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: ['*'] };

const alwaysAllow: Authorizer = {
  decide: () => ({ answer: 'allow' }),
  rulesFor: () => ({ rules: [EVERYTHING, EVERY_PATH], incomplete: false }),
};
/** It never denies: those after it are still asked. */
const alwaysDeny: Authorizer = {
  decide: () => ({ answer: 'abstain', reason: 'Everything is forbidden.' }),
  rulesFor: () => ({ rules: [], incomplete: false }),
};

/** Throws `invalid` when the file, or a kubeconfig that it names, cannot be used. */
export async function configuredAuthorizer(
  path: string,
  options: ConfiguredAuthorizerOptions,
): Promise<Authorizer & AsyncDisposable> {
  const { files, clock, log, reloaded } = options;
  const followed = await followFile({
    path,
    files,
    clock,
    log,
    ...(reloaded !== undefined && { reloaded }),
    load: async (content) => await made(await parseAuthorizationConfiguration(content), options),
  });
  return {
    decide: (asked) => followed.current.decide(asked),
    rulesFor: (user, namespace) =>
      followed.current.rulesFor?.(user, namespace) ?? { rules: [], incomplete: false },
    [Symbol.asyncDispose]: () => followed[Symbol.asyncDispose](),
  };
}

async function made(
  entries: readonly AuthorizerEntry[],
  options: ConfiguredAuthorizerOptions,
): Promise<Authorizer & Disposable> {
  using stack = new DisposableStack();
  const authorizers: Authorizer[] = [];
  const plain = { Node: options.node, RBAC: options.rbac, AlwaysAllow: alwaysAllow, AlwaysDeny: alwaysDeny };
  for (const entry of entries) {
    if (entry.type !== 'Webhook') authorizers.push(plain[entry.type]);
    else authorizers.push(stack.use(await webhookAuthorizer(entry, options)));
  }
  const owned = stack.move();
  return { ...firstOf(authorizers), [Symbol.dispose]: () => owned.dispose() };
}

type WebhookSettings = Omit<WebhookAuthorizerOptions, 'client' | 'clock' | 'random' | 'log'>;

/** A webhook whose kubeconfig stands in a file. */
export async function webhookAuthorizer(
  { kubeconfig, ...settings }: WebhookSettings & { readonly kubeconfig: string },
  { files, clock, random, log }: Pick<ConfiguredAuthorizerOptions, 'files' | 'clock' | 'random' | 'log'>,
): Promise<WebhookAuthorizer> {
  const text = await files.read(kubeconfig);
  const client = await webhookClientFrom({ text, read: besides(files, kubeconfig), clock });
  return new WebhookAuthorizer({ ...settings, client, clock, random, log });
}
