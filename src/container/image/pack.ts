import { createHash } from 'node:crypto';
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { MEDIA_TYPE, type Descriptor, type ImageConfig, type ImageManifest } from '../spec/image.ts';
import { writeBlob } from './content.ts';
import { HostPrograms, IMAGE_PATH } from './host-programs.ts';
import type { ImageRecord } from './image-store.ts';
import { ImageTree } from './image-tree.ts';
import { writeLayer } from './layer-writer.ts';
import { readIfThere, writeFileAtomic } from './layout.ts';
import { LibrarySearch } from './library-search.ts';
import { formatReference, localReference } from './reference.ts';
import type { OpenImageStore } from './store.ts';

export interface PackOptions {
  readonly store: OpenImageStore;
  /** The new image's reference: `hello` is `localhost/hello:latest`. */
  readonly name: string;
  /** Programs of this machine by name or path; at least one. */
  readonly programs: readonly string[];
  readonly entrypoint?: readonly string[];
  /** Without entrypoint and cmd, the first program. */
  readonly cmd?: readonly string[];
  /** `NAME=value`; a PATH is added unless there is one. */
  readonly env?: readonly string[];
  readonly workingDir?: string;
  /** `user[:group]`. */
  readonly user?: string;
  readonly exposedPorts?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Files or folders of this machine, copied as they are: nothing is looked up for programs among them. */
  readonly files?: readonly { readonly source: string; readonly destination: string }[];
  /** Take the machine's certificate authorities along. */
  readonly certificates?: boolean;
  /** PATH on which programs given by name are looked for before the standard folders. */
  readonly path?: string;
}

export interface PackResult {
  readonly image: ImageRecord;
  /** `cached` when nothing had changed since an earlier pack. */
  readonly outcome: 'packed' | 'cached';
}

/** Where Debian, Fedora and Alpine keep the bundle; the first that is there is taken. */
const CERTIFICATES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
];

/** Packs programs of this machine, with what they load, as an image of one layer. The same input gives the same digest. */
export async function packHostImage(options: PackOptions): Promise<PackResult> {
  if (options.programs.length === 0)
    throw new PlatformError('invalid', 'an image needs at least one program');
  const reference = formatReference(localReference(options.name));
  const { paths } = options.store;
  await options.store.ready();
  const cachePath = join(paths.packCache, `${cacheKey(options)}.json`);
  const cached = await unchanged(cachePath);
  if (cached !== undefined) {
    const image = await options.store.tag(reference, cached).catch(() => undefined);
    if (image !== undefined) return { image, outcome: 'cached' };
  }

  const { tree, programs } = await collect(options);
  // Taken before the files are read: a file that changes meanwhile makes the cache miss, not lie.
  const inputs = await fingerprints(tree.inputs);
  const layer = await writeLayer(paths, tree.entries());
  const config = await writeBlob(paths, jsonOf(imageConfig(options, programs, layer.digest)));
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.manifest,
    config: { mediaType: MEDIA_TYPE.config, ...config },
    layers: [{ mediaType: MEDIA_TYPE.layerTar, ...layer }],
  };
  const descriptor: Descriptor = {
    mediaType: MEDIA_TYPE.manifest,
    ...(await writeBlob(paths, jsonOf(manifest))),
    platform: { architecture: architecture(), os: 'linux' },
  };
  const image = await options.store.tag(reference, descriptor);
  await writeFileAtomic(paths, cachePath, JSON.stringify({ inputs, descriptor } satisfies CacheEntry));
  return { image, outcome: 'packed' };
}

async function collect(options: PackOptions): Promise<{ tree: ImageTree; programs: readonly string[] }> {
  const tree = new ImageTree();
  const search = await LibrarySearch.open();
  for (const input of search.inputs) tree.inputs.add(input);
  const host = new HostPrograms(tree, search, options.path ?? IMAGE_PATH);
  await host.addMergedLinks();
  const programs: string[] = [];
  for (const program of options.programs) programs.push(await host.add(program));
  for (const file of options.files ?? [])
    await addCopies(tree, resolve(file.source), resolve('/', file.destination));
  if (options.certificates === true) await addCertificates(tree);
  addSkeleton(tree);
  return { tree, programs };
}

async function addCopies(tree: ImageTree, source: string, destination: string): Promise<void> {
  tree.inputs.add(source);
  const stats = await lstat(source).catch(() => undefined);
  if (stats === undefined) throw new PlatformError('not-found', `${source} is not on this machine`);
  const mode = stats.mode & 0o7777;
  if (stats.isSymbolicLink()) {
    tree.add(destination, { type: 'symlink', target: await readlink(source) });
  } else if (stats.isDirectory()) {
    tree.inputs.add(`${source}/`);
    tree.add(destination, { type: 'directory', mode });
    for (const name of await readdir(source))
      await addCopies(tree, join(source, name), join(destination, name));
  } else if (stats.isFile()) {
    tree.add(destination, { type: 'file', mode, source });
  } else {
    throw new PlatformError('invalid', `${source} is neither a file, a folder nor a symbolic link`);
  }
}

async function addCertificates(tree: ImageTree): Promise<void> {
  for (const path of CERTIFICATES) {
    if ((await stat(path).catch(() => undefined)) === undefined) continue;
    await tree.addHostFile(path);
    return;
  }
  throw new PlatformError('not-found', 'no bundle of certificate authorities is on this machine', {
    hint: 'install the package ca-certificates',
  });
}

/** What programs expect of any root file system. Nothing here replaces what was packed. */
function addSkeleton(tree: ImageTree): void {
  const folders: Readonly<Record<string, number>> = {
    '/dev': 0o755,
    '/etc': 0o755,
    '/proc': 0o555,
    '/root': 0o700,
    '/run': 0o755,
    '/sys': 0o555,
    '/tmp': 0o1777,
    '/var': 0o755,
    '/var/tmp': 0o1777,
  };
  for (const [path, mode] of Object.entries(folders)) tree.add(path, { type: 'directory', mode });
  const files: Readonly<Record<string, string>> = {
    '/etc/passwd':
      'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
    '/etc/group': 'root:x:0:\nnogroup:x:65534:\n',
    '/etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
    // Empty, so that a container's own can be mounted over them on a read-only root.
    '/etc/hostname': '',
    '/etc/hosts': '',
    '/etc/resolv.conf': '',
  };
  for (const [path, content] of Object.entries(files)) {
    if (!tree.has(path)) tree.add(path, { type: 'file', mode: 0o644, content: Buffer.from(content) });
  }
}

function imageConfig(options: PackOptions, programs: readonly string[], diffId: string): ImageConfig {
  const env = options.env ?? [];
  const hasPath = env.some((entry) => entry.startsWith('PATH='));
  const cmd = options.cmd ?? (options.entrypoint === undefined ? [programs[0]!] : undefined);
  const ports = Object.fromEntries((options.exposedPorts ?? []).map((port) => [port, {}]));
  return {
    // A fixed time, for the same reason as in the layer.
    created: '1970-01-01T00:00:00Z',
    architecture: architecture(),
    os: 'linux',
    config: {
      Env: hasPath ? env : [`PATH=${IMAGE_PATH}`, ...env],
      ...(options.entrypoint === undefined ? {} : { Entrypoint: options.entrypoint }),
      ...(cmd === undefined ? {} : { Cmd: cmd }),
      ...(options.workingDir === undefined ? {} : { WorkingDir: options.workingDir }),
      ...(options.user === undefined ? {} : { User: options.user }),
      ...(options.labels === undefined ? {} : { Labels: options.labels }),
      ...(options.exposedPorts === undefined ? {} : { ExposedPorts: ports }),
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'sampan image from-host' }],
  };
}

interface CacheEntry {
  /** Host path to what lstat said of it. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly descriptor: Descriptor;
}

function cacheKey(options: PackOptions): string {
  const { store: _store, name: _name, ...rest } = options;
  const paths = rest.programs.map((program) => (program.includes('/') ? resolve(program) : program));
  const files = (rest.files ?? []).map((file) => ({ ...file, source: resolve(file.source) }));
  return createHash('sha256')
    .update(JSON.stringify({ ...rest, programs: paths, files }))
    .digest('hex')
    .slice(0, 32);
}

async function unchanged(cachePath: string): Promise<Descriptor | undefined> {
  const content = await readIfThere(cachePath);
  if (content === undefined) return undefined;
  const entry = JSON.parse(content) as CacheEntry;
  const now = await fingerprints(Object.keys(entry.inputs));
  const isSame = Object.entries(entry.inputs).every(([path, fingerprint]) => now[path] === fingerprint);
  return isSame ? entry.descriptor : undefined;
}

/** A folder's own times are left out: programs come and go beside the packed ones. */
async function fingerprints(paths: Iterable<string>): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const path of paths) {
    const stats = await lstat(path, { bigint: true }).catch(() => undefined);
    if (stats === undefined) all[path] = 'missing';
    else if (path.endsWith('/')) all[path] = JSON.stringify((await readdir(path)).toSorted());
    else if (stats.isDirectory()) all[path] = 'directory';
    else all[path] = [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs, stats.mode].join(' ');
  }
  return all;
}

function jsonOf(value: ImageConfig | ImageManifest): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function architecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}
