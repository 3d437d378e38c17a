/**
 * The life of the process that owns an instance: one owner per data folder by flock (the kernel releases it however the
 * owner dies), a note in the run folder that says where the API is, and detaching.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { PlatformError, errorMessage } from '../base/errors.ts';
import type { Instance } from '../base/instance.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { writeAtomically } from '../base/write-atomically.ts';

export interface DaemonRecord {
  readonly phase: 'starting' | 'ready' | 'stopping';
  readonly pid: number;
  /** Empty until ready. */
  readonly url: string;
  readonly kubeconfig: string;
  /** Absent with --no-node. */
  readonly nodeName?: string;
  readonly version: string;
  readonly startedAt: number;
}

export interface Ownership extends Disposable {
  /** Tells `status`, `down` and people where we are. */
  publish(record: DaemonRecord): void;
}

const recordFile = (instance: Instance): string => join(instance.runDir, 'daemon.json');

/** Takes the data folder for this process; `conflict` names the owner when there is one. */
export function takeOwnership(
  kernel: Kernel,
  instance: Instance,
  phase: 'starting' | 'stopping' = 'starting',
): Ownership {
  mkdirSync(instance.runDir, { recursive: true, mode: 0o700 });
  const lock = openSync(join(instance.dataDir, 'lock'), 'w', 0o600);
  if (!kernel.tryLock(lock)) {
    closeSync(lock);
    const owner = readRecord(instance);
    throw new PlatformError(
      'conflict',
      `data folder ${instance.dataDir} is in use${owner === undefined ? '' : ` by process ${owner.pid} (${owner.url || owner.phase})`}`,
      { hint: `stop it with \`sampan down --data-dir ${instance.dataDir}\`, or use another --data-dir` },
    );
  }
  const starting: DaemonRecord = {
    phase,
    pid: process.pid,
    url: '',
    kubeconfig: '',
    version: '',
    startedAt: Date.now(),
  };
  writeAtomically(recordFile(instance), JSON.stringify(starting), { volatile: true });
  return {
    publish: (record) => writeAtomically(recordFile(instance), JSON.stringify(record), { volatile: true }),
    [Symbol.dispose]() {
      rmSync(recordFile(instance), { force: true });
      closeSync(lock);
    },
  };
}

/** The running owner of the instance, or undefined when nobody holds its lock. */
export function findDaemon(kernel: Kernel, instance: Instance): DaemonRecord | undefined {
  let lock: number;
  try {
    lock = openSync(join(instance.dataDir, 'lock'), 'r');
  } catch {
    return undefined;
  }
  try {
    return kernel.tryLock(lock) ? undefined : readRecord(instance);
  } finally {
    closeSync(lock);
  }
}

function readRecord(instance: Instance): DaemonRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordFile(instance), 'utf8')) as DaemonRecord;
  } catch {
    return undefined;
  }
}

/** What a detached daemon says to the one who started it, as one line of JSON on descriptor 3. */
export type StartReport =
  | { readonly ready: DaemonRecord }
  | { readonly failed: { message: string; code: string; hint?: string | undefined } };

/** Starts `args` of this program in the background and waits until it reports. Its log is `logFile`. */
export async function detach(args: readonly string[], logFile: string): Promise<DaemonRecord> {
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
    cwd: '/',
    env: { ...process.env, SAMPAN_REPORT: '1' },
  });
  closeSync(log);
  const line = await text(child.stdio[3] as Readable);
  child.unref();
  if (line === '') {
    throw new PlatformError('unavailable', 'the daemon ended before it was ready', {
      hint: `its log is ${logFile}`,
    });
  }
  const report = JSON.parse(line) as StartReport;
  if ('ready' in report) return report.ready;
  throw new PlatformError(report.failed.code as 'internal', report.failed.message, {
    ...(report.failed.hint && { hint: report.failed.hint }),
  });
}

/** The failure half of a start report. */
export function failedReport(error: unknown): StartReport {
  const known = error instanceof PlatformError ? error : undefined;
  return { failed: { message: errorMessage(error), code: known?.code ?? 'internal', hint: known?.hint } };
}
