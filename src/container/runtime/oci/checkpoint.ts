/** `checkpoint`: the processes of a container are written down, by criu. */
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { StoredContainer } from './container-folder.ts';
import { callerPath, type OciContext } from './context.ts';
import { criuArguments, criuFolders, type CriuOptions, externalMounts, runCriu } from './criu.ts';
import { destroy } from './delete.ts';
import { statusOf } from './status.ts';

/** Beside the images: where the standard streams of init led. Name and shape are runc's. */
export const DESCRIPTORS_FILE = 'descriptors.json';

export interface CheckpointOptions extends CriuOptions {
  readonly leaveRunning: boolean;
  /** Its memory alone, while it goes on. */
  readonly preDump: boolean;
  /** Images of a pre-dump, relative to the new ones. */
  readonly parentPath?: string | undefined;
  /** ADDRESS:PORT */
  readonly pageServer?: string | undefined;
  /** A descriptor of the caller's that gets a NUL byte when lazy pages are ready. */
  readonly statusFd?: number | undefined;
}

/** The container is gone afterwards, unless it is to be left running. */
export async function checkpointContainer(
  context: OciContext,
  id: string,
  options: CheckpointOptions,
): Promise<void> {
  const { folders, front } = context;
  using lock = await folders.lock(id, front.lost);
  const stored = folders.get(id);
  const status = statusOf(context, stored);
  if (stored.init === undefined || status === 'created' || status === 'stopped') {
    throw new PlatformError('conflict', `container cannot be checkpointed in ${status} state`);
  }
  const place = criuFolders(context, options);
  for (const folder of Object.values(place)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const log = join(place.work, 'dump.log');
  const args = [
    options.preDump ? 'pre-dump' : 'dump',
    ...criuArguments(options, { folders: place, log: 'dump.log' }),
    ...['--tree', String(stored.init.pid), '--root', stored.rootfs],
    ...freezer(context, stored),
    ...externalMounts(folders.config(id)).flatMap(([key]) => ['--external', `mnt[${key}]:${key}`]),
    // Those of the runtime's own making: masked files, devices of an ordinary user.
    ...['--external', 'mnt[]:m'],
    ...(options.leaveRunning && !options.preDump ? ['--leave-running'] : []),
    ...(options.parentPath === undefined ? [] : ['--prev-images-dir', options.parentPath]),
    ...(options.preDump || options.parentPath !== undefined ? ['--track-mem'] : []),
    ...pageServer(options.pageServer),
    ...(options.statusFd === undefined || options.statusFd < 0 ? [] : ['--status-fd', '3']),
  ];
  if (!options.preDump) writeDescriptors(stored.init.pid, place.images);
  await withStatusDescriptor(context, options.statusFd, (stdio) => runCriu(context, args, { log, stdio }));
  if (!options.leaveRunning && !options.preDump) await destroy(context, lock, stored);
}

function freezer({ host }: OciContext, { cgroup }: StoredContainer): string[] {
  const { hierarchies, version } = host.openCgroup(cgroup);
  const found = hierarchies.find(({ name }) => version === 2 || name.split(',').includes('freezer'));
  return found === undefined ? [] : ['--freeze-cgroup', found.path];
}

function pageServer(server: string | undefined): string[] {
  if (server === undefined || server === '') return [];
  const [, address, port] = /^(.*):(\d+)$/.exec(server) ?? [];
  if (address === undefined || port === undefined) {
    throw new PlatformError('invalid', `--page-server: "${server}"; want ADDRESS:PORT`);
  }
  return ['--page-server', '--address', address, '--port', port];
}

function writeDescriptors(pid: number, images: string): void {
  const links = [0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  writeFileSync(join(images, DESCRIPTORS_FILE), JSON.stringify(links), { mode: 0o600 });
}

async function withStatusDescriptor(
  context: OciContext,
  fd: number | undefined,
  work: (stdio: (number | 'ignore')[]) => Promise<void>,
): Promise<void> {
  const standard: (number | 'ignore')[] = ['ignore', 'ignore', 'ignore'];
  if (fd === undefined || fd < 0) return work(standard);
  const { closeSync, openSync } = await import('node:fs');
  const opened = openSync(callerPath(context, `/dev/fd/${fd}`), 'w');
  try {
    await work([...standard, opened]);
  } finally {
    closeSync(opened);
  }
}
