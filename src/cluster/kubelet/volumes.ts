import { chmod, chown, lstat, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import type { Pod, Volume } from '../api/generated/core-v1.ts';
import { writeAtomically } from './atomic-writer.ts';
import { podUid } from './pod-terms.ts';
import { volumePayload, type PayloadInput } from './volume-payload.ts';

export interface VolumeFolders {
  /** `<rootDir>/pods`. */
  readonly podsDir: string;
  /** A folder on a tmpfs, for `emptyDir: {medium: Memory}`. */
  readonly memoryDir?: string;
  readonly random: Random;
}

/** Host paths of a pod's volumes, by volume name. */
export type VolumePaths = ReadonlyMap<string, string>;

/** Makes every volume of the pod and brings its files up to date. `invalid` and `unsupported` name the volume. */
export async function prepareVolumes(folders: VolumeFolders, input: PayloadInput): Promise<VolumePaths> {
  const paths = new Map<string, string>();
  for (const volume of input.pod.spec?.volumes ?? []) {
    const name = volume.name ?? '';
    try {
      paths.set(name, await prepare(volume, folders, input));
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      throw new PlatformError(error.code, `MountVolume.SetUp failed for volume "${name}": ${error.message}`, {
        cause: error,
      });
    }
  }
  return paths;
}

async function prepare(volume: Volume, folders: VolumeFolders, input: PayloadInput): Promise<string> {
  if (volume.hostPath !== undefined) return hostPath(volume.hostPath.path ?? '', volume.hostPath.type ?? '');
  const gid = input.pod.spec?.securityContext?.fsGroup;
  if (volume.emptyDir !== undefined) return emptyDir(volume, folders, input.pod);
  const payload = await volumePayload(volume, input);
  if (payload === undefined) {
    const kind = Object.keys(volume).filter((key) => key !== 'name');
    throw new PlatformError('unsupported', `volume type ${kind.join(', ')} is not supported`);
  }
  const plugin = volume.configMap
    ? 'configmap'
    : volume.secret
      ? 'secret'
      : volume.projected
        ? 'projected'
        : 'downward-api';
  const path = folderOf(folders.podsDir, { uid: podUid(input.pod), plugin, name: volume.name ?? '' });
  await writeAtomically(path, payload, { random: folders.random, ...(gid === undefined ? {} : { gid }) });
  return path;
}

function folderOf(root: string, volume: { uid: string; plugin: string; name: string }): string {
  return join(root, volume.uid, 'volumes', `kubernetes.io~${volume.plugin}`, volume.name);
}

async function emptyDir(volume: Volume, folders: VolumeFolders, pod: Pod): Promise<string> {
  const inMemory = volume.emptyDir?.medium === 'Memory';
  const root = inMemory ? folders.memoryDir : folders.podsDir;
  if (root === undefined)
    throw new PlatformError('unsupported', 'emptyDir with medium Memory is not supported here');
  const path = folderOf(root, { uid: podUid(pod), plugin: 'empty-dir', name: volume.name ?? '' });
  const created = await mkdir(path, { recursive: true });
  // Once: the pod may have changed it since.
  if (created !== undefined) {
    const gid = pod.spec?.securityContext?.fsGroup;
    if (gid !== undefined) await chown(path, -1, gid);
    await chmod(path, gid === undefined ? 0o777 : 0o2777);
  }
  return path;
}

/** Checks, or makes, what the host path's type says (Kubernetes documentation, "hostPath volume types"). */
async function hostPath(path: string, type: string): Promise<string> {
  if (!path.startsWith('/')) throw new PlatformError('invalid', `hostPath "${path}" must be absolute`);
  if (type === '') return path;
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
  if (type === 'FileOrCreate') await (await open(path, 'a', 0o644)).close();
  const there = await stat(path).catch(() => undefined);
  const right =
    there !== undefined &&
    ((type.startsWith('Directory') && there.isDirectory()) ||
      (type.startsWith('File') && there.isFile()) ||
      (type === 'Socket' && there.isSocket()) ||
      (type === 'CharDevice' && there.isCharacterDevice()) ||
      (type === 'BlockDevice' && there.isBlockDevice()));
  if (!right) throw new PlatformError('invalid', `hostPath type check failed: ${path} is not a ${type}`);
  return path;
}

/**
 * The host path of `subPath` inside a volume, made if it is missing. A link anywhere below the volume's root is
 * refused: a container could have planted it to reach the host (CVE-2017-1002101).
 */
export async function resolveSubPath(volumePath: string, subPath: string): Promise<string> {
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.');
  if (subPath.startsWith('/') || parts.includes('..')) {
    throw new PlatformError('invalid', `subPath "${subPath}" must be relative and must not contain ".."`);
  }
  const root = await realpath(volumePath);
  let path = root;
  for (const [index, part] of parts.entries()) {
    path = join(path, part);
    const there = await lstat(path).catch(() => undefined);
    if (there === undefined) await mkdir(path, { mode: 0o750 });
    else if (there.isSymbolicLink()) path = await throughData(root, path, index === 0);
    else if (!there.isDirectory() && index < parts.length - 1) {
      throw new PlatformError('invalid', `subPath "${subPath}": ${part} is not a directory`);
    }
  }
  return path;
}

/** The one link that is ours: `name -> ..data/name` of atomic-writer.ts, in volumes that containers cannot write. */
async function throughData(root: string, path: string, top: boolean): Promise<string> {
  const data = await lstat(join(root, '..data')).catch(() => undefined);
  const real = await realpath(path);
  const ours =
    top &&
    data?.isSymbolicLink() === true &&
    /kubernetes\.io~(configmap|secret|projected|downward-api)\//.test(root);
  if (!ours || !real.startsWith(`${root}/..`)) {
    throw new PlatformError('invalid', `subPath must not lead through a symbolic link: ${path}`);
  }
  return real;
}

/** Everything of a pod that is gone: volumes, hosts file, termination messages. Never follows a link. */
export async function removePodFolder(folders: VolumeFolders, uid: string): Promise<void> {
  for (const root of [folders.podsDir, folders.memoryDir]) {
    if (root !== undefined && uid !== '') await rm(join(root, uid), { recursive: true, force: true });
  }
}

/** The volumes of a pod that is over; its termination messages stay. */
export async function removeVolumes(folders: VolumeFolders, uid: string): Promise<void> {
  for (const root of [folders.podsDir, folders.memoryDir]) {
    if (root !== undefined && uid !== '')
      await rm(join(root, uid, 'volumes'), { recursive: true, force: true });
  }
}

/** Uids that have a folder here: what a start-up sweep compares with the pods that there are. */
export async function podFolders(folders: VolumeFolders): Promise<readonly string[]> {
  return readdir(folders.podsDir).catch(() => []);
}
