/** `ps`: the processes of a container. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { PlatformError } from '../../../base/errors.ts';
import type { OciContext } from './context.ts';
import { hasOwnPidNamespace } from './kill.ts';
import { statusOf } from './status.ts';

/** As this host numbers them. */
export function processesOf(context: OciContext, id: string): number[] {
  const { folders, host } = context;
  const stored = folders.get(id);
  const cgroup = host.openCgroup(stored.cgroup);
  if (cgroup.procsFiles.length > 0) return cgroup.exists() ? cgroup.pids({ recursive: true }) : [];
  // An ordinary user's container may have no cgroup; its namespace tells as much.
  if (stored.init === undefined || statusOf(context, stored) === 'stopped') return [];
  if (!hasOwnPidNamespace(folders.config(id))) return [stored.init.pid];
  const namespace = pidNamespace(stored.init.pid);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && pidNamespace(Number(name)) === namespace)
    .map(Number);
}

function pidNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

/**
 * The lines of ps(1) that are about these processes, with its heading.
 * @param args of ps
 */
export async function processTable(pids: readonly number[], args: readonly string[]): Promise<string> {
  const output = await runPs(args.length === 0 ? ['-ef'] : args);
  if (output === undefined) {
    if (args.length > 0) throw new PlatformError('unsupported', 'ps is missing: install procps');
    return ownTable(pids);
  }
  const [heading = '', ...lines] = output.split('\n');
  const column = heading.trim().split(/\s+/).indexOf('PID');
  if (column < 0) throw new PlatformError('invalid', "couldn't find PID field in ps output");
  const wanted = new Set(pids.map(String));
  const ours = lines.filter((line) => wanted.has(line.trim().split(/\s+/)[column] ?? ''));
  return [heading, ...ours].map((line) => `${line}\n`).join('');
}

/** `undefined` when there is no such program. */
async function runPs(args: readonly string[]): Promise<string | undefined> {
  const { execFile } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    execFile('ps', [...args], { maxBuffer: 64 << 20, cwd: '/' }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      if (error.code === 'ENOENT') return resolve(undefined);
      reject(new PlatformError('invalid', `ps: ${stderr.trim() || error.message}`, { cause: error }));
    });
  });
}

function ownTable(pids: readonly number[]): string {
  const lines = pids.flatMap((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? '';
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const [user, parent] = [field('Uid'), field('PPid')];
      return [
        `${user.padEnd(8)} ${String(pid).padStart(7)} ${parent.padStart(7)} ${words || `[${field('Name')}]`}`,
      ];
    } catch {
      // Ended meanwhile.
      return [];
    }
  });
  return [`${'UID'.padEnd(8)} ${'PID'.padStart(7)} ${'PPID'.padStart(7)} CMD`, ...lines]
    .map((line) => `${line}\n`)
    .join('');
}
