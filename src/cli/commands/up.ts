import { closeSync, mkdirSync, writeSync } from 'node:fs';
import { constants, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { armFailpoints } from '../../base/failpoint.ts';
import { createLogger, type Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { parseCidr } from '../../kernel/ipv4.ts';
import { linuxKernel } from '../../kernel/linux.ts';
import { readApiServerFlags, type ApiServerFlags } from '../api-server-flags.ts';
import type { CommandInput, OptionValue } from '../command-table.ts';
import { startControlPlane } from '../control-plane.ts';
import { serveControl } from '../control-socket.ts';
import { checkDatastore } from '../datastore.ts';
import {
  detach,
  failedReport,
  findDaemon,
  takeOwnership,
  type DaemonRecord,
  type StartReport,
} from '../daemon.ts';
import { boundHeapGrowth } from '../heap-growth.ts';
import { instanceOptions, type InstancePaths } from '../instance-options.ts';
import { packageVersion } from '../package-root.ts';
import { requireNode } from '../require-node.ts';

const DEFAULT_PORT = 6443;
/** The descriptor that a detaching parent reads the start report from. */
const REPORT_FD = 3;

export async function run({ options, operands }: CommandInput): Promise<number> {
  if (operands.length > 0)
    throw new PlatformError('invalid', `up: unexpected "${operands[0]}"`, { hint: 'see `sampan help up`' });
  const paths = instanceOptions(options);
  const port = portOf(options['port']);
  const withNode = options['no-node'] !== true;
  if (withNode) requireNode();
  const datastore = options['datastore'] as string | undefined;
  await checkDatastore(datastore);
  const given = options['encryption-provider-config'];
  // A daemon works in another folder.
  const encryptionConfig = typeof given === 'string' ? resolve(given) : undefined;
  const up: UpOptions = {
    apiServer: await readApiServerFlags(options, systemClock),
    port,
    withNode,
    verbose: options['verbose'] === true,
    datastore,
    encryptionConfig,
    pki: typeof options['pki'] === 'string' ? resolve(options['pki']) : undefined,
    serviceCidr: serviceCidrOption(options['service-cidr']),
  };
  return options['detach'] === true ? await detached(paths, up) : await foreground(paths, up);
}

interface UpOptions {
  readonly apiServer: ApiServerFlags;
  readonly port: number;
  readonly withNode: boolean;
  readonly verbose: boolean;
  readonly datastore: string | undefined;
  readonly encryptionConfig: string | undefined;
  readonly pki: string | undefined;
  readonly serviceCidr: string | undefined;
}

async function detached(paths: InstancePaths, options: UpOptions): Promise<number> {
  const { port, withNode, verbose, datastore, encryptionConfig, apiServer } = options;
  const { instance, kubeconfig } = paths;
  const running = findDaemon(linuxKernel(), instance);
  if (running !== undefined) {
    if (running.phase !== 'ready') {
      throw new PlatformError('unavailable', `process ${running.pid} is ${running.phase}`, {
        hint: 'try again in a moment',
      });
    }
    if (port !== 0 && new URL(running.url).port !== String(port)) {
      throw new PlatformError('conflict', `already running at ${running.url}, not on port ${port}`, {
        hint: 'stop it first with `sampan down`',
      });
    }
    process.stdout.write(`already running at ${running.url}\n`);
    return 0;
  }
  mkdirSync(instance.dataDir, { recursive: true });
  const args = ['up', '--data-dir', instance.dataDir, '--port', String(port), '--kubeconfig', kubeconfig];
  if (!withNode) args.push('--no-node');
  if (verbose) args.push('--verbose');
  if (datastore !== undefined) args.push('--datastore', datastore);
  if (encryptionConfig !== undefined) args.push('--encryption-provider-config', encryptionConfig);
  if (options.pki !== undefined) args.push('--pki', options.pki);
  if (options.serviceCidr !== undefined) args.push('--service-cidr', options.serviceCidr);
  args.push(...apiServer.args);
  const record = await detach(args, join(instance.dataDir, 'sampan.log'));
  process.stdout.write(`running at ${record.url}\nkubeconfig: ${record.kubeconfig}\n`);
  return 0;
}

async function foreground(paths: InstancePaths, options: UpOptions): Promise<number> {
  const report = reporter();
  armFailpoints(process.env['SAMPAN_FAILPOINTS'] ?? '');
  try {
    await using stack = new AsyncDisposableStack();
    const signals = stopSignals();
    const log = createLogger((line) => process.stderr.write(line), {
      level: options.verbose ? 'debug' : 'info',
    });
    const record = await start(stack, { ...options, paths, log });
    report({ ready: record });
    log.info('ready', { url: record.url, kubeconfig: record.kubeconfig });
    await signals.untilAsked();
    log.info('stopping; containers run on');
  } catch (error) {
    report(failedReport(error));
    throw error;
  }
  return 0;
}

interface StartOptions extends UpOptions {
  readonly paths: InstancePaths;
  readonly log: Logger;
}

/** Starts everything onto `stack`, which takes it down in reverse. */
async function start(
  stack: AsyncDisposableStack,
  { paths, port, withNode, log, datastore, encryptionConfig, apiServer, pki, serviceCidr }: StartOptions,
): Promise<DaemonRecord> {
  const { instance, kubeconfig } = paths;
  const startedAt = systemClock.now();
  const kernel = linuxKernel();
  const ownership = stack.use(takeOwnership(kernel, instance));
  const parts = { instance, clock: systemClock, random: systemRandom, log };
  stack.use(boundHeapGrowth(systemClock));
  const machine = withNode
    ? await import('../node.ts').then(({ prepareNode }) => prepareNode({ ...parts, kernel, serviceCidr }))
    : undefined;
  if (machine !== undefined) log.debug('a network is chosen', { services: machine.serviceCidr });
  const controlPlane = stack.use(
    await startControlPlane({
      ...parts,
      port,
      kubeconfig,
      datastore,
      encryptionConfig,
      apiServer,
      pki,
      serviceCidr: machine?.serviceCidr ?? serviceCidr,
      nodeIps: machine === undefined ? [] : [machine.nodeIp, machine.gateway],
    }),
  );
  log.debug('the control plane is up', { url: controlPlane.url });
  const nodeName = hostname().toLowerCase();
  if (machine !== undefined) {
    const node = stack.use(await machine.start({ nodeName, controlPlane }));
    log.debug('the node is up', { node: nodeName });
    await node.ready();
  }
  stack.use(
    await serveControl(instance.runDir, {
      backup: async ({ file }) => ({ ...(await controlPlane.backup(String(file))) }),
    }),
  );
  const record: DaemonRecord = {
    phase: 'ready',
    pid: process.pid,
    url: controlPlane.url,
    kubeconfig,
    version: packageVersion(),
    startedAt,
    ...(withNode && { nodeName }),
  };
  ownership.publish(record);
  return record;
}

/**
 * What asks us to stop ends the process at once, unless `untilAsked` waits for it: a start that is stuck has nothing to bring
 * to an end, and what is half done is done again, or undone, by the next one.
 */
function stopSignals(): { untilAsked(): Promise<void> } {
  let asked: (() => void) | undefined;
  const stop = (signal: 'SIGINT' | 'SIGTERM'): void => {
    if (asked === undefined) process.exit(128 + constants.signals[signal]);
    asked();
    asked = undefined;
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  process.on('SIGHUP', () => {});
  return { untilAsked: () => new Promise((resolve) => (asked = resolve)) };
}

/** Says once on descriptor 3 how the start went, when a detaching parent listens there. */
function reporter(): (report: StartReport) => void {
  if (process.env['SAMPAN_REPORT'] !== '1') return () => {};
  let said = false;
  return (report) => {
    if (said) return;
    said = true;
    writeSync(REPORT_FD, JSON.stringify(report));
    closeSync(REPORT_FD);
  };
}

function serviceCidrOption(value: OptionValue): string | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    const { prefix } = parseCidr(value);
    if (prefix >= 8 && prefix <= 30) return value;
  } catch {
    // Said below, with the flag's name.
  }
  throw new PlatformError('invalid', `--service-cidr ${JSON.stringify(value)}: is no network`, {
    hint: 'want an IPv4 network of 8 to 30 bits, like 10.96.0.0/16',
  });
}

function portOf(value: OptionValue): number {
  if (value === undefined) return DEFAULT_PORT;
  const port = Number(value);
  if (typeof value !== 'string' || !/^\d+$/.test(value) || port > 65_535) {
    throw new PlatformError('invalid', `--port ${JSON.stringify(value)}: want a number from 0 to 65535`);
  }
  return port;
}
