/** Who is believed to be who, by a server's options. What files configure is loaded only when there are any. */
import type { Clock } from '../../../base/clock.ts';
import { assert, errorMessage, PlatformError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Random } from '../../../base/random.ts';
import type { UserInfo } from '../../api/transport.ts';
import { besides, type FileAccess } from '../configuration/file-access.ts';
import type { ServerMetrics } from '../metrics/server-metrics.ts';
import { Authentication, forAudiences, staticTokens, type TokenAuthenticator } from './authenticator.ts';
import { bootstrapTokens } from './bootstrap-tokens.ts';
import type { ConfiguredAuthentication } from './configured-authentication.ts';
import type { SecretTokens } from './secret-tokens.ts';
import type { Lookup, ServiceAccountTokenOptions, ServiceAccountTokens } from './service-account-tokens.ts';

export interface AuthenticationOptions {
  /** Bearer tokens that are known from the start, and whom they stand for. */
  readonly tokens?: ReadonlyMap<string, UserInfo>;
  /** Without it there are no tokens for service accounts. */
  readonly serviceAccounts?: ServiceAccountTokenOptions;
  /** A file with an AuthenticationConfiguration. */
  readonly configuration?: string;
  /** A program that is asked who has a token; its answers hold for `keptMs`. */
  readonly webhook?: { readonly kubeconfig: string; readonly keptMs: number };
  /** A file of lines `token,user,uid,"group1,group2"`. */
  readonly tokenFile?: string;
}

interface Given {
  readonly authentication?: AuthenticationOptions;
  readonly files?: FileAccess;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Parts {
  readonly serviceAccounts: ServiceAccountTokens | undefined;
  readonly secretTokens: SecretTokens | undefined;
  readonly lookup: Lookup;
  /** What is made here ends with it. */
  readonly stack: AsyncDisposableStack;
  readonly metrics: ServerMetrics;
}

export async function authenticationOf(given: Given, parts: Parts): Promise<Authentication> {
  const { tokens, serviceAccounts: accounts, tokenFile, webhook } = given.authentication ?? {};
  const { serviceAccounts, secretTokens, lookup, stack, metrics } = parts;
  const { clock, random } = given;
  const audiences = accounts?.audiences ?? [];
  const plain = (inner: TokenAuthenticator): TokenAuthenticator => forAudiences(audiences, inner);
  const authenticators: TokenAuthenticator[] = [plain(staticTokens(tokens ?? new Map()))];
  if (tokenFile !== undefined) authenticators.push(plain(staticTokens(await readTokens(given, tokenFile))));
  if (serviceAccounts !== undefined) authenticators.push(serviceAccounts);
  if (secretTokens !== undefined) authenticators.push(plain(secretTokens));
  authenticators.push(plain(bootstrapTokens({ clock, lookup })));
  const configured = await configuredBy(given, parts);
  if (configured !== undefined) authenticators.push(plain(configured.tokens));
  if (webhook !== undefined) {
    const { kubeconfig, keptMs } = webhook;
    const [{ WebhookTokens }, client] = await Promise.all([
      import('./webhook-tokens.ts'),
      webhookClient(given, kubeconfig),
    ]);
    authenticators.push(stack.use(new WebhookTokens({ client, keptMs, audiences, clock, random })));
  }
  return new Authentication({
    tokens: authenticators,
    audiences,
    log: given.log.child('authentication'),
    attempted: metrics.authenticationAttempts(),
    ...(configured !== undefined && { anonymous: () => configured.anonymous() }),
  });
}

async function configuredBy(
  given: Given,
  { stack, metrics }: Parts,
): Promise<ConfiguredAuthentication | undefined> {
  const { configuration: path, serviceAccounts } = given.authentication ?? {};
  if (path === undefined) return undefined;
  const { configuredAuthentication } = await import('./configured-authentication.ts');
  return stack.use(
    await configuredAuthentication({
      path,
      files: filesOf(given),
      clock: given.clock,
      log: given.log.child('authentication'),
      reserved: serviceAccounts === undefined ? [] : [serviceAccounts.issuer],
      reloaded: metrics.reloads('authentication'),
      judged: metrics.tokensOfIssuers(),
    }),
  );
}

async function webhookClient(given: Given, kubeconfig: string) {
  const { webhookClientFrom } = await import('../webhooks/kubeconfig-client.ts');
  const files = filesOf(given);
  return await named(kubeconfig, async () =>
    webhookClientFrom({
      text: await files.read(kubeconfig),
      read: besides(files, kubeconfig),
      clock: given.clock,
    }),
  );
}

async function readTokens(given: Given, path: string): Promise<ReadonlyMap<string, UserInfo>> {
  const { parseTokenFile } = await import('./token-file.ts');
  return await named(path, async () => parseTokenFile(await filesOf(given).read(path)));
}

function filesOf({ files }: Given): FileAccess {
  assert(files !== undefined, 'files that configure authentication can be read');
  return files;
}

/** Errors about a file say which. */
async function named<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new PlatformError('invalid', `${path}: ${errorMessage(error)}`, { cause: error });
  }
}
