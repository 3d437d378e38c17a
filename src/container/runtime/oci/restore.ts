/** `restore`: a container from what `checkpoint` has written down, by criu. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, systemClock } from '../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import { readBundle } from './bundle.ts';
import { DESCRIPTORS_FILE } from './checkpoint.ts';
import { checkContainerId } from './container-id.ts';
import { STATE_VERSION, type StoredContainer } from './container-folder.ts';
import type { OciContext } from './context.ts';
import { criuArguments, criuFolders, type CriuOptions, externalMounts, runCriu } from './criu.ts';
import { destroy, endProcesses } from './delete.ts';
import { writePidFile } from './pid-file.ts';
import { timestamp } from './state.ts';
import { isAlive } from './status.ts';

export interface RestoreOptions extends CriuOptions {
  readonly id: string;
  readonly bundle: string;
  readonly pidFile?: string | undefined;
  readonly detached: boolean;
  /** TYPE:NAME */
  readonly lsmProfile?: string | undefined;
  readonly lsmMountContext?: string | undefined;
}

/**
 * 0 once it runs (detached), or has ended: it is no child of the caller's front, so its exit code cannot be known.
 * `unsupported` for a container with a terminal.
 */
export async function restoreContainer(context: OciContext, options: RestoreOptions): Promise<number> {
  const { host, folders, front } = context;
  const { id } = options;
  checkContainerId(id);
  folders.checkFree(id);
  const { folder: bundle, config, rootfs } = readBundle(context, options.bundle);
  if (config.process?.terminal === true) {
    throw new PlatformError(
      'unsupported',
      'process.terminal: a container with a terminal cannot be restored',
    );
  }
  if (context.driver === 'systemd') {
    throw new PlatformError('unsupported', '--systemd-cgroup: a container cannot be restored into a scope');
  }
  const { cgroupsPath } = config.linux ?? {};
  const place = host.placeCgroup({ id, cgroupsPath, driver: 'cgroupfs', rootless: context.rootless });
  const cgroup = host.openCgroup(place);
  let stored: StoredContainer = {
    version: STATE_VERSION,
    id,
    bundle,
    rootfs,
    ...(config.annotations === undefined ? {} : { annotations: config.annotations }),
    created: timestamp(host.now()),
    cgroup: place,
    rootless: context.rootless,
  };
  const images = criuFolders(context, options);
  mkdirSync(images.work, { recursive: true, mode: 0o700 });

  await using undo = new AsyncDisposableStack();
  const lock = undo.use(folders.create(stored, config));
  const tidy = undo.use(new AsyncDisposableStack());
  tidy.defer(() => lock.remove());
  tidy.defer(async () => {
    await endProcesses(host, stored);
    await cgroup.remove();
  });
  await cgroup.create(config.linux?.resources ?? {});
  const root = undo.use(await bindRoot(context, rootfs, images.work));
  const streams = undo.use(callerStreams(context, images.images));
  const pidFile = join(lock.folder, 'restored.pid');
  const log = join(images.work, 'restore.log');
  const args = [
    'restore',
    ...criuArguments(options, { folders: images, log: 'restore.log' }),
    ...['--root', root.path, '--restore-detached', '--pidfile', pidFile],
    ...['--cgroup-root', cgroup.place.path],
    ...externalMounts(config).flatMap(([key, source]) => ['--external', `mnt[${key}]:${source}`]),
    ...['--external', 'mnt[]:m'],
    ...streams.inherited.flatMap((entry) => ['--inherit-fd', entry]),
    ...(options.lsmProfile === undefined ? [] : ['--lsm-profile', options.lsmProfile]),
    ...(options.lsmMountContext === undefined ? [] : ['--lsm-mount-context', options.lsmMountContext]),
  ];
  await runCriu(context, args, { log, stdio: streams.stdio });
  const init = host.identityOf(Number(readFileSync(pidFile, 'utf8')));
  rmSync(pidFile, { force: true });
  if (init === undefined) throw new PlatformError('internal', 'the restored process has ended at once');
  lock.write((stored = { ...stored, init }));
  if (options.pidFile !== undefined) writePidFile(context, options.pidFile, init.pid);
  front.lost.throwIfAborted();
  tidy.move();
  if (options.detached) return 0;
  lock[Symbol.dispose]();
  while (isAlive(host, init)) await sleep(systemClock, 20, front.lost);
  using again = await folders.lock(id);
  await destroy(context, again, stored);
  return 0;
}

/** criu wants the root to be a mount. */
async function bindRoot(
  context: OciContext,
  rootfs: string,
  work: string,
): Promise<AsyncDisposable & { path: string }> {
  const path = join(work, 'criu-root');
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { execFile } = await import('node:child_process');
  await new Promise<void>((resolve, reject) => {
    execFile('mount', ['--rbind', rootfs, path], (error, _out, errors) => {
      if (error === null) return resolve();
      reject(new PlatformError('internal', `mount ${rootfs} for criu: ${errors.trim()}`, { cause: error }));
    });
  });
  return {
    path,
    [Symbol.asyncDispose]: () => {
      try {
        context.host.kernel.unmountDetached(path);
        rmdirSync(path);
      } catch (error) {
        context.warn(`unmount ${path}: ${errorMessage(error)}`);
      }
      return Promise.resolve();
    },
  };
}

interface Streams extends Disposable {
  readonly stdio: readonly (number | 'ignore')[];
  /** `fd[0]:pipe:[123]`: what was this is the caller's stream now. */
  readonly inherited: readonly string[];
}

/** The caller's standard streams, in the places of those that init had when it was written down. */
function callerStreams({ front: { request } }: OciContext, images: string): Streams {
  const before = JSON.parse(readFileSync(join(images, DESCRIPTORS_FILE), 'utf8')) as string[];
  const stdio = [0, 1, 2].map((fd): number | 'ignore' => {
    try {
      return openSync(`/proc/${request.pid}/fd/${fd}`, fd === 0 ? 'r' : 'a');
    } catch {
      // A socket cannot be opened by its name.
      return 'ignore';
    }
  });
  const inherited = before.flatMap((name, fd) => (name.includes('pipe:') ? [`fd[${fd}]:${name}`] : []));
  return {
    stdio,
    inherited,
    [Symbol.dispose]: () => {
      for (const fd of stdio) if (fd !== 'ignore') closeSync(fd);
    },
  };
}
