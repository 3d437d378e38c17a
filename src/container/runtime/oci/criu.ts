/** CRIU (criu.org), which writes processes down and makes them anew; taken as it is on the host. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { RuntimeConfig } from '../../spec/runtime-config.ts';
import { callerPath, type OciContext } from './context.ts';

/** What checkpoint and restore have in common. */
export interface CriuOptions {
  /** As on the command line, like every path here. */
  readonly imagePath?: string | undefined;
  readonly workPath?: string | undefined;
  readonly tcpEstablished: boolean;
  readonly extUnixSk: boolean;
  readonly shellJob: boolean;
  readonly fileLocks: boolean;
  readonly autoDedup: boolean;
  readonly lazyPages: boolean;
  /** soft, full, strict, ignore. */
  readonly manageCgroups?: string | undefined;
  /** `network` alone: the namespace is made, and what was in it left out. */
  readonly emptyNamespaces: readonly string[];
}

/** CLONE_NEWNET, as criu takes it. */
const EMPTY_NETWORK = 'net';

export interface CriuFolders {
  readonly images: string;
  readonly work: string;
}

export function criuFolders(context: OciContext, { imagePath, workPath }: CriuOptions): CriuFolders {
  const images = callerPath(context, imagePath ?? 'checkpoint');
  return { images, work: workPath === undefined ? images : callerPath(context, workPath) };
}

/** Of both directions. Mounts from outside the root are named by their destination. */
export function criuArguments(
  options: CriuOptions,
  { folders, log }: { folders: CriuFolders; log: string },
): string[] {
  const modes = ['soft', 'full', 'strict', 'ignore'];
  const mode = options.manageCgroups ?? 'soft';
  if (!modes.includes(mode)) {
    throw new PlatformError('invalid', `--manage-cgroups-mode: "${mode}"; want ${modes.join(', ')}`);
  }
  const other = options.emptyNamespaces.find((name) => name !== 'network');
  if (other !== undefined)
    throw new PlatformError('unsupported', `--empty-ns: "${other}"; criu can do network alone`);
  return [
    ...['--images-dir', folders.images, '--work-dir', folders.work, '--log-file', log, '-v4'],
    `--manage-cgroups=${mode}`,
    ...(options.tcpEstablished ? ['--tcp-established'] : []),
    ...(options.extUnixSk ? ['--ext-unix-sk'] : []),
    ...(options.shellJob ? ['--shell-job'] : []),
    ...(options.fileLocks ? ['--file-locks'] : []),
    ...(options.autoDedup ? ['--auto-dedup'] : []),
    ...(options.lazyPages ? ['--lazy-pages'] : []),
    ...(options.emptyNamespaces.length > 0 ? ['--empty-ns', EMPTY_NETWORK] : []),
  ];
}

/** Destination and source of what is bound into the container, and what its own root lacks. */
export function externalMounts(config: RuntimeConfig): readonly (readonly [key: string, source: string])[] {
  const bound = (config.mounts ?? []).filter(
    ({ type, options = [] }) => type === 'bind' || options.includes('bind') || options.includes('rbind'),
  );
  return bound.map(({ destination, source = '' }) => [destination, source] as const);
}

/** Runs it to its end. `unsupported` when it is not there; with the end of its log when it fails. */
export async function runCriu(
  context: OciContext,
  args: readonly string[],
  { log, stdio = ['ignore', 'ignore', 'ignore'] }: { log: string; stdio?: readonly (number | 'ignore')[] },
): Promise<void> {
  const program = findCriu(context);
  const { spawn } = await import('node:child_process');
  const code = await new Promise<number>((resolve, reject) => {
    const child = spawn(program, [...args], { cwd: '/', stdio: [...stdio] });
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
  if (code === 0) return;
  const reason = lastErrors(log);
  throw new PlatformError('internal', `criu ${args[0]} failed (${code})${reason}; its log is ${log}`, {
    details: { log, code },
  });
}

function findCriu({ front }: OciContext): string {
  const folders = (front.request.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin').split(':');
  for (const folder of folders.filter((each) => each.startsWith('/'))) {
    try {
      accessSync(join(folder, 'criu'), constants.X_OK);
      return join(folder, 'criu');
    } catch {
      // Not in this one.
    }
  }
  throw new PlatformError('unsupported', 'criu is missing: checkpoints are made and restored by it', {
    hint: 'install criu 3.17 or newer (Debian: apt-get install criu)',
  });
}

function lastErrors(log: string): string {
  try {
    const errors = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.includes('Error ('));
    return errors.length === 0 ? '' : `: ${errors.at(-1)!.replace(/^\([\d.]+\)\s*(\d+: )?/, '')}`;
  } catch {
    return '';
  }
}
