/**
 * Flags of `sampan up` that are kube-apiserver's, by its names and with its defaults. Read as a whole before anything is
 * started, the files they name as well, so that a mistake is told to the person who made it and not to a log.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { errorMessage, PlatformError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { durationToNanoseconds } from '../cluster/api/time.ts';
import type { ApiServerOptions } from '../cluster/server/api-server.ts';
import type { AuthenticationOptions } from '../cluster/server/authentication/authentication-of.ts';
import type { AuditOptions, AuditSink } from '../cluster/server/audit/audit.ts';
import type { AuditPolicy } from '../cluster/server/audit/policy.ts';
import type { WebhookClient } from '../cluster/server/webhooks/kubeconfig-client.ts';
import { apiServerOptions } from './api-server-options.ts';
import type { CommandInput } from './command-table.ts';

/** What the flags say, read and checked. */
export interface ApiServerFlags {
  /** The same flags for another process, which may work in another folder. */
  readonly args: readonly string[];
  readonly server: Pick<ApiServerOptions, 'flags' | 'flowControl' | 'inFlight' | 'limits' | 'nodePortRange'>;
  readonly audit: AuditFlags | undefined;
  /** Who is believed to be who, and who decides what they may. */
  readonly access: AccessFlags;
  /** The encryption configuration is followed. */
  readonly reloadEncryption: boolean;
}

export interface AccessFlags extends Pick<ApiServerOptions, 'authorization'> {
  readonly authentication: Pick<AuthenticationOptions, 'configuration' | 'webhook' | 'tokenFile'>;
}

interface AuditFlags {
  readonly policy: AuditPolicy;
  readonly file:
    | {
        readonly path: string;
        readonly maxBytes: number;
        readonly maxBackups: number;
        readonly maxAgeMs?: number;
      }
    | undefined;
  readonly webhook: WebhookFlags | undefined;
}

interface WebhookFlags {
  readonly config: string;
  readonly mode: string;
  readonly maxBatch: number;
  readonly maxWaitMs: number;
  readonly maxWaiting: number;
  readonly firstBackoffMs: number;
}

const FILES = new Set([
  'audit-policy-file',
  'audit-log-path',
  'audit-webhook-config-file',
  'authentication-config',
  'authentication-token-webhook-config-file',
  'token-auth-file',
  'authorization-config',
  'authorization-webhook-config-file',
]);
const MODES = ['batch', 'blocking', 'blocking-strict'];
const WEBHOOK_TIMEOUT_MS = 30_000;
const DAY_MS = 86_400_000;

/** Throws `invalid` with the flag, the file and the field. */
export async function readApiServerFlags(
  options: CommandInput['options'],
  clock: Clock,
): Promise<ApiServerFlags> {
  const flags = new Flags(options);
  return {
    args: flags.given().map(([name, value]) => `--${name}=${value}`),
    server: serverFlags(flags),
    audit: await auditFlags(flags, clock),
    reloadEncryption: flags.boolean('encryption-provider-config-automatic-reload', false),
    access: accessFlags(flags),
  };
}

class Flags {
  readonly #options: CommandInput['options'];

  constructor(options: CommandInput['options']) {
    this.#options = options;
  }

  text(name: string): string | undefined {
    const value = this.#options[name];
    if (typeof value !== 'string') return undefined;
    if (value === '') throw this.wrong(name, 'want a value');
    return FILES.has(name) && value !== '-' ? resolve(value) : value;
  }

  /** Those that were. */
  given(): [name: string, value: string][] {
    return apiServerOptions.flatMap(({ name }): [string, string][] => {
      const value = this.text(name);
      return value === undefined ? [] : [[name, value]];
    });
  }

  wrong(name: string, why: string, cause?: unknown): PlatformError {
    const value = this.#options[name];
    const given = typeof value === 'string' ? ` ${value}` : '';
    return new PlatformError('invalid', `--${name}${given}: ${why}`, cause === undefined ? {} : { cause });
  }

  number(name: string, { byDefault, least = 0 }: { byDefault: number; least?: number }): number {
    const text = this.text(name);
    if (text === undefined) return byDefault;
    if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
      throw this.wrong(name, `want a whole number that is ${least} or more`);
    }
    return Number(text);
  }

  /** Milliseconds. */
  duration(name: string, byDefault: number): number {
    const text = this.text(name);
    if (text === undefined) return byDefault;
    const ms = (durationToNanoseconds(text) ?? 0) / 1e6;
    if (ms < 1) throw this.wrong(name, 'want a time longer than nothing, like 90s or 1h30m');
    return ms;
  }

  boolean(name: string, byDefault: boolean): boolean {
    const text = this.text(name);
    if (text === undefined) return byDefault;
    if (text !== 'true' && text !== 'false') throw this.wrong(name, 'want true or false');
    return text === 'true';
  }
}

function serverFlags(flags: Flags): ApiServerFlags['server'] {
  const reading = flags.number('max-requests-inflight', { byDefault: 400 });
  const writing = flags.number('max-mutating-requests-inflight', { byDefault: 200 });
  const fair = flags.boolean('enable-priority-and-fairness', true);
  if (fair && reading + writing === 0) {
    throw flags.wrong('max-requests-inflight', 'with priority and fairness at least one request has to pass');
  }
  return {
    flags: Object.fromEntries(flags.given()),
    ...(fair ? { flowControl: { totalSeats: reading + writing } } : { inFlight: { reading, writing } }),
    limits: {
      requestMs: flags.duration('request-timeout', 60_000),
      minWatchMs: flags.number('min-request-timeout', { byDefault: 1800, least: 1 }) * 1000,
      eventSeconds: Math.max(1, Math.round(flags.duration('event-ttl', 3_600_000) / 1000)),
    },
    nodePortRange: portRange(flags),
  };
}

/** What the files say is read when the server starts, and again when they change. */
function accessFlags(flags: Flags): AccessFlags {
  const file = (name: string): string | undefined => {
    const path = flags.text(name);
    if (path === undefined || statSync(path, { throwIfNoEntry: false })?.isFile() === true) return path;
    throw flags.wrong(name, 'there is no such file');
  };
  const authentication = {
    configuration: file('authentication-config'),
    webhook: file('authentication-token-webhook-config-file'),
    tokenFile: file('token-auth-file'),
  };
  const authorization = {
    configuration: file('authorization-config'),
    webhook: file('authorization-webhook-config-file'),
  };
  const keptMs = flags.duration('authentication-token-webhook-cache-ttl', 120_000);
  if (authorization.configuration !== undefined && authorization.webhook !== undefined) {
    throw flags.wrong(
      'authorization-config',
      'cannot be given together with --authorization-webhook-config-file',
    );
  }
  const { configuration, webhook, tokenFile } = authentication;
  return {
    authentication: {
      ...(configuration !== undefined && { configuration }),
      ...(webhook !== undefined && { webhook: { kubeconfig: webhook, keptMs } }),
      ...(tokenFile !== undefined && { tokenFile }),
    },
    authorization: {
      ...(authorization.configuration !== undefined && { configuration: authorization.configuration }),
      ...(authorization.webhook !== undefined && { webhook: authorization.webhook }),
    },
  };
}

function portRange(flags: Flags): readonly [number, number] {
  const name = 'service-node-port-range';
  const text = flags.text(name);
  if (text === undefined) return [30_000, 32_767];
  const [, from = '', sign = '', to = ''] = /^(\d{1,5})([-+])(\d{1,5})$/.exec(text) ?? [];
  const first = Number(from);
  const last = sign === '+' ? first + Number(to) : Number(to);
  if (from === '' || first < 1 || last < first || last > 65_535) {
    throw flags.wrong(name, 'want the first and the last port, like 30000-32767');
  }
  return [first, last];
}

async function auditFlags(flags: Flags, clock: Clock): Promise<AuditFlags | undefined> {
  const policyFile = flags.text('audit-policy-file');
  const path = flags.text('audit-log-path');
  const config = flags.text('audit-webhook-config-file');
  const file = fileFlags(flags, path);
  const webhook = webhookFlags(flags, config);
  if (policyFile === undefined) {
    for (const name of ['audit-log-path', 'audit-webhook-config-file']) {
      if (flags.text(name) !== undefined) {
        throw flags.wrong(name, 'nothing is recorded without --audit-policy-file');
      }
    }
    return undefined;
  }
  if (path === undefined && config === undefined) {
    const why = 'says what is recorded: say where too, with --audit-log-path or --audit-webhook-config-file';
    throw flags.wrong('audit-policy-file', why);
  }
  const { parseAuditPolicy } = await import('../cluster/server/audit/policy.ts');
  const policy = await checked(flags, 'audit-policy-file', async () =>
    parseAuditPolicy(readFileSync(policyFile)),
  );
  if (config !== undefined) {
    // Made and let go of: what is wrong with it is told now.
    await checked(flags, 'audit-webhook-config-file', async () =>
      (await clientOf(config, clock))[Symbol.dispose](),
    );
  }
  return { policy, file, webhook };
}

function fileFlags(flags: Flags, path: string | undefined): AuditFlags['file'] {
  const days = flags.number('audit-log-maxage', { byDefault: 0 });
  const maxBackups = flags.number('audit-log-maxbackup', { byDefault: 0 });
  const megabytes = flags.number('audit-log-maxsize', { byDefault: 100 }) || 100;
  if (path === undefined) return undefined;
  if (path !== '-' && statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw flags.wrong('audit-log-path', `there is no folder ${dirname(path)}`);
  }
  return {
    path,
    maxBackups,
    maxBytes: megabytes * 1024 * 1024,
    ...(days > 0 && { maxAgeMs: days * DAY_MS }),
  };
}

function webhookFlags(flags: Flags, config: string | undefined): WebhookFlags | undefined {
  const mode = flags.text('audit-webhook-mode') ?? 'batch';
  if (!MODES.includes(mode)) throw flags.wrong('audit-webhook-mode', `want one of ${MODES.join(', ')}`);
  const found = {
    mode,
    maxBatch: flags.number('audit-webhook-batch-max-size', { byDefault: 400, least: 1 }),
    maxWaitMs: flags.duration('audit-webhook-batch-max-wait', 30_000),
    maxWaiting: flags.number('audit-webhook-batch-buffer-size', { byDefault: 10_000, least: 1 }),
    firstBackoffMs: flags.duration('audit-webhook-initial-backoff', 10_000),
  };
  return config === undefined ? undefined : { ...found, config };
}

async function checked<T>(flags: Flags, name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw flags.wrong(name, errorMessage(error), error);
  }
}

async function clientOf(config: string, clock: Clock): Promise<WebhookClient> {
  const { webhookClientFrom } = await import('../cluster/server/webhooks/kubeconfig-client.ts');
  return await webhookClientFrom({
    text: readFileSync(config),
    read: (path) => readFileSync(resolve(dirname(config), path)),
    clock,
  });
}

/** Where audit events go; the server that gets it ends it. */
export async function openAudit(
  audit: AuditFlags | undefined,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<AuditOptions | undefined> {
  if (audit === undefined) return undefined;
  const { file, webhook, policy } = audit;
  const sinks: AuditSink[] = [];
  if (file?.path === '-') {
    const { streamSink } = await import('../cluster/server/audit/stream-sink.ts');
    sinks.push(streamSink(process.stdout, log));
  } else if (file !== undefined) {
    const { fileSink } = await import('../cluster/server/audit/file-sink.ts');
    sinks.push(fileSink({ ...file, clock, log }));
  }
  if (webhook !== undefined) sinks.push(await openWebhook(webhook, { clock, log }));
  return { policy, sinks };
}

async function openWebhook(
  flags: WebhookFlags,
  parts: { readonly clock: Clock; readonly log: Logger },
): Promise<AuditSink> {
  const { blockingWebhookSink, webhookSink } = await import('../cluster/server/audit/webhook-sink.ts');
  const client = await clientOf(flags.config, parts.clock);
  const post = async (events: Parameters<typeof client.send>[0]): Promise<void> =>
    await client.send(events, WEBHOOK_TIMEOUT_MS);
  const sink =
    flags.mode === 'batch'
      ? webhookSink({ ...parts, ...flags, post })
      : blockingWebhookSink({ ...parts, post, strict: flags.mode === 'blocking-strict' });
  return {
    record: (event) => sink.record(event),
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      client[Symbol.dispose]();
    },
  };
}
