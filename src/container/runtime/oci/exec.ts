/** `exec`: one process more in a container. */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import { failpoint } from '../../../base/failpoint.ts';
import type { ProcessConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import type { ContainerCgroup } from '../cgroup/contract.ts';
import { compileExec } from '../compile/exec.ts';
import { step } from '../program/instructions.ts';
import { checkProcess } from '../config/validate.ts';
import { seccompOf } from './bundle.ts';
import { consoleTarget } from './console.ts';
import { withListenVariables } from './listen-variables.ts';
import type { StoredContainer } from './container-folder.ts';
import { OCI_VERSION, type OciContext } from './context.ts';
import { writePidFile } from './pid-file.ts';
import { statusOf } from './status.ts';

export interface ExecOptions {
  readonly id: string;
  /** Made from the container's own, which is given. */
  readonly process: (own: ProcessConfig | undefined) => unknown;
  /** Where the process is from, for messages about it; empty: the command line. */
  readonly source: string;
  readonly pidFile?: string | undefined;
  readonly consoleSocket?: string | undefined;
  readonly detached: boolean;
  readonly preserveFds: number;
  /** `[controller,…:]path` below the container's cgroup; one without a controller is for all. */
  readonly cgroups: readonly string[];
  readonly ignorePaused: boolean;
}

/** The exit code of the process, 128 + signal when it was killed; 0 at once when it is detached. */
export async function execInContainer(context: OciContext, options: ExecOptions): Promise<number> {
  const { host, folders, front } = context;
  const { id, detached } = options;
  const stored = folders.get(id);
  const init = checkStatus(context, stored, options);
  const config = folders.config(id);
  const process = withListenVariables(context, checkProcess(options.process(config.process), options.source));
  if (process.args === undefined || process.args.length === 0) {
    throw new PlatformError('invalid', 'process args cannot be empty');
  }
  const consoleTo = consoleTarget(context, process, {
    consoleSocket: options.consoleSocket,
    relayTerminal: !detached,
    detached,
  });
  const seccomp = seccompOf(config);
  const cgroup = host.openCgroup(stored.cgroup);
  const { bundle, annotations } = stored;
  const program = compileExec(process, config, {
    id,
    pid: init.pid,
    startTime: String(init.startTime),
    ...(consoleTo === undefined ? {} : { consoleTo }),
    preserveFds: options.preserveFds,
    noNewKeyring: stored.noNewKeyring ?? false,
    keepGroups: keepsGroups(context, config),
    procsFiles: procsFilesFor(cgroup, init.pid, options.cgroups),
    ...(seccomp === undefined ? {} : { seccomp }),
    state: (status) => ({
      ociVersion: OCI_VERSION,
      id,
      status,
      bundle,
      ...(annotations === undefined ? {} : { annotations }),
    }),
  });
  failpoint('oci.exec');
  const started = await front.execute(program);
  failpoint('oci.exec.started');
  if (options.pidFile !== undefined && started.type === 'done') {
    writePidFile(context, options.pidFile, started.pid);
  }
  if (detached) return 0;
  const outcome = started.type === 'done' ? await front.execute([step('wait')]) : started;
  if (outcome.type !== 'exited') throw new PlatformError('internal', 'the front does not know how it ended');
  return outcome.code;
}

function checkStatus(
  context: OciContext,
  stored: StoredContainer,
  { ignorePaused }: ExecOptions,
): NonNullable<StoredContainer['init']> {
  const status = statusOf(context, stored);
  if (status === 'stopped' || stored.init === undefined) {
    throw new PlatformError('conflict', 'cannot exec in a stopped container');
  }
  if (status === 'paused' && !ignorePaused) {
    throw new PlatformError(
      'conflict',
      'cannot exec in a paused container (use --ignore-paused to override)',
    );
  }
  return stored.init;
}

/** An ordinary user whose own gid is all that is mapped had to give setgroups(2) up. */
function keepsGroups({ front }: OciContext, { linux }: RuntimeConfig): boolean {
  const [first, ...more] = linux?.gidMappings ?? [];
  return front.request.uid !== 0 && more.length === 0 && first?.size === 1;
}

/** `cgroup.procs` of the container's cgroup, or of the named ones below it. */
function procsFilesFor(cgroup: ContainerCgroup, init: number, wanted: readonly string[]): string[] {
  const below = new Map<string, string>();
  for (const entry of wanted) {
    const at = entry.indexOf(':');
    const path = at < 0 ? entry : entry.slice(at + 1);
    for (const name of at < 0 ? [''] : entry.slice(0, at).split(',')) below.set(name, path);
  }
  const files = cgroup.hierarchies.flatMap((hierarchy) => {
    const names = hierarchy.name.split(',');
    const path = names.map((name) => below.get(name)).find((each) => each !== undefined) ?? below.get('');
    const folder = path === undefined ? hierarchy.path : join(hierarchy.path, path);
    if (relative(hierarchy.path, folder).startsWith('..')) {
      throw new PlatformError('invalid', `--cgroup ${path}: is not below the container's cgroup`);
    }
    if (path === undefined && cgroup.version === 2) return [ownProcsFile(hierarchy.path, init)];
    return [join(folder, 'cgroup.procs')];
  });
  for (const name of below.keys()) {
    if (name !== '' && !cgroup.hierarchies.some((each) => each.name.split(',').includes(name))) {
      throw new PlatformError('invalid', `--cgroup: there is no controller ${JSON.stringify(name)}`);
    }
  }
  const others = cgroup.procsFiles.filter(
    (file) => !cgroup.hierarchies.some(({ path }) => join(path, 'cgroup.procs') === file),
  );
  return [...files, ...others];
}

/**
 * cgroup v2 takes no process in a cgroup that hands controllers on; a container that has cgroups of its own (systemd, a
 * nested runtime) has moved its init further down, and there is room.
 */
function ownProcsFile(folder: string, init: number): string {
  const own = /^0::(.*)$/m.exec(read(`/proc/${init}/cgroup`))?.[1] ?? '';
  const at = folder.slice('/sys/fs/cgroup'.length);
  const isBelow = at !== '' && own.startsWith(`${at}/`);
  const hasRoom = read(join(folder, 'cgroup.subtree_control')).trim() === '';
  return join(isBelow && !hasRoom ? join(folder, relative(at, own)) : folder, 'cgroup.procs');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
