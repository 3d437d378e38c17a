import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { isPlatformError } from '../../base/errors.ts';
import { armFailpoints } from '../../base/failpoint.ts';
import { MEDIA_TYPE, type Descriptor } from '../spec/image.ts';
import { writeBlob } from './content.ts';
import { openImageStore, type OpenImageStore } from './store.ts';
import { paddingOf } from './tar-format.ts';
import { encodeTarHeader, tarEnd } from './tar-write.ts';

afterEach(() => armFailpoints(''));

class Place implements Disposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'sampan-store-'));
  readonly store: OpenImageStore = openImageStore({ dataDir: this.dir });

  list(...parts: string[]): string[] {
    return readdirSync(join(this.dir, ...parts));
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function layerOf(files: Readonly<Record<string, string>>): Buffer {
  const owner = { uid: process.getuid!(), gid: process.getgid!() };
  const parts = Object.entries(files).map(([name, content]) => {
    const size = content.length;
    const header = { name, type: 'file', mode: 0o644, ...owner, mtime: 0, size, linkName: '' } as const;
    return Buffer.concat([encodeTarHeader(header), Buffer.from(content), Buffer.alloc(paddingOf(size))]);
  });
  return Buffer.concat([...parts, tarEnd()]);
}

/** Puts an image of gzip layers into the store. */
async function image(
  store: OpenImageStore,
  name: string,
  layers: readonly Readonly<Record<string, string>>[],
) {
  await store.ready();
  const tars = layers.map(layerOf);
  const diffIds = tars.map((tar) => `sha256:${createHash('sha256').update(tar).digest('hex')}`);
  const blobs: Descriptor[] = [];
  for (const tar of tars) {
    blobs.push({ mediaType: MEDIA_TYPE.layerGzip, ...(await writeBlob(store.paths, gzipSync(tar))) });
  }
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } };
  const configBlob = await writeBlob(store.paths, Buffer.from(JSON.stringify(config)));
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.manifest,
    config: { mediaType: MEDIA_TYPE.config, ...configBlob },
    layers: blobs,
  };
  const written = await writeBlob(store.paths, Buffer.from(JSON.stringify(manifest)));
  return store.tag(name, { mediaType: MEDIA_TYPE.manifest, ...written });
}

/** The merged view of a stack of folders, as overlayfs shows plain files. */
function seen(lowerDirs: readonly string[], path: string): string | undefined {
  const dir = lowerDirs.find((lower) => existsSync(join(lower, path)));
  return dir === undefined ? undefined : readFileSync(join(dir, path), 'utf8');
}

test('an image is found by every name that means it', async () => {
  using place = new Place();
  const made = await image(place.store, 'hello', [{ a: '1' }]);
  const id = made.configDigest;
  const names = [
    'hello',
    'hello:latest',
    'localhost/hello:latest',
    `hello@${made.digest}`,
    id,
    made.digest,
    id.slice(7, 19),
  ];
  for (const name of names) assert.equal((await place.store.get(name)).digest, made.digest, name);
  for (const name of ['docker.io/library/hello:latest', 'hello:v2', 'other', `sha256:${'0'.repeat(64)}`]) {
    await assert.rejects(
      place.store.get(name),
      (error) => isPlatformError(error, 'not-found') && error.message.includes(name),
    );
  }
});

test('layers stack, and whiteouts hide what is below', async () => {
  using place = new Place();
  const made = await image(place.store, 'x', [
    { 'd/keep': 'keep', 'd/gone': 'gone', 'e/old': 'old', 'f/same': 'below' },
    { 'd/.wh.gone': '', 'e/.wh..wh..opq': '', 'e/new': 'new', 'f/same': 'above' },
    { top: 'top' },
  ]);
  const { lowerDirs } = await place.store.prepareSnapshot('k', made);
  assert.equal(lowerDirs.length, 2);
  assert.equal(seen(lowerDirs, 'd/keep'), 'keep');
  assert.equal(seen(lowerDirs, 'd/gone'), undefined);
  assert.equal(seen(lowerDirs, 'e/old'), undefined);
  assert.equal(seen(lowerDirs, 'e/new'), 'new');
  assert.equal(seen(lowerDirs, 'f/same'), 'above');
  assert.equal(seen(lowerDirs, 'top'), 'top');
});

test('a snapshot is found again with what was written in it', async () => {
  using place = new Place();
  const made = await image(place.store, 'x', [{ a: '1' }]);
  const first = await place.store.prepareSnapshot('k', made);
  writeFileSync(join(first.upperDir, 'mine'), 'x');
  const again = await openImageStore({ dataDir: place.dir }).prepareSnapshot('k', made);
  assert.deepEqual(again, first);
  assert.ok(existsSync(join(again.upperDir, 'mine')));
});

test('sweep keeps what it is told to keep and what others are at', async () => {
  using place = new Place();
  const made = await image(place.store, 'x', [{ a: '1' }]);
  await place.store.prepareSnapshot('kept', made);
  await place.store.prepareSnapshot('dropped', made);
  // The init of any Linux is a process that is not us and lives.
  const stat = readFileSync('/proc/1/stat', 'latin1');
  const living = `1-${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}-aaaaaaaaaaaa`;
  writeFileSync(join(place.dir, 'ingest', living), '');
  writeFileSync(join(place.dir, 'ingest', '999999999-1-aaaaaaaaaaaa'), '');
  await place.store.sweep(new Set(['kept']));
  assert.deepEqual(place.list('snapshots'), ['kept']);
  assert.deepEqual(place.list('ingest'), [living]);
});

test('removing an image takes its blobs and layers, but not those of a snapshot or another image', async () => {
  using place = new Place();
  const base = { base: 'base' };
  const one = await image(place.store, 'one', [base, { one: '1' }]);
  const two = await image(place.store, 'two', [base, { two: '2' }]);
  await place.store.prepareSnapshot('k1', one);
  await place.store.prepareSnapshot('k2', two);
  await place.store.removeSnapshot('k1');
  await place.store.remove('one');
  assert.deepEqual(
    (await place.store.list()).map(({ reference }) => reference),
    ['localhost/two:latest'],
  );
  assert.equal(place.list('layers').length, 2);
  assert.equal(place.list('images', 'blobs', 'sha256').length, 4);
  await place.store.remove('two');
  assert.equal(place.list('layers').length, 2);
  await place.store.removeSnapshot('k2');
  await place.store.sweep(new Set());
  assert.deepEqual([place.list('layers'), place.list('images', 'blobs', 'sha256')], [[], []]);
  await place.store.remove('two');
});

test('a layer that is not what its image says is refused and leaves nothing', async () => {
  using place = new Place();
  const made = await image(place.store, 'x', [{ a: '1' }]);
  const blob = join(place.dir, 'images', 'blobs', 'sha256', made.manifest.layers[0]!.digest.slice(7));
  writeFileSync(blob, gzipSync(layerOf({ a: 'other' })));
  await assert.rejects(place.store.prepareSnapshot('k', made), /unpacks to sha256/);
  writeFileSync(blob, 'not gzip');
  await assert.rejects(place.store.prepareSnapshot('k', made), /not well compressed/);
  assert.deepEqual([place.list('layers'), place.list('ingest'), place.list('snapshots')], [[], [], []]);
});

for (const point of [
  'image.blob.write',
  'image.blob.commit',
  'image.index.tag',
  'image.unpack.entry',
  'image.layer.commit',
  'image.snapshot.commit',
]) {
  test(`a failure at ${point} leaves nothing half-made, and the next try works`, async () => {
    using place = new Place();
    await place.store.ready();
    const go = async (): Promise<void> => {
      const made = await image(place.store, 'x', [{ a: '1' }]);
      await place.store.prepareSnapshot('k', made);
    };
    armFailpoints(`${point}=error`);
    await assert.rejects(go(), new RegExp(point.replaceAll('.', '\\.')));
    assert.deepEqual(place.list('ingest'), []);
    armFailpoints('');
    await go();
  });
}

test('many writers of the index lose nothing', async () => {
  using place = new Place();
  const stores = [place.store, openImageStore({ dataDir: place.dir })];
  const names = Array.from({ length: 12 }, (_, i) => `image-${i}`);
  await Promise.all(names.map((name, i) => image(stores[i % 2]!, name, [{ [name]: name }])));
  assert.equal((await place.store.list()).length, names.length);
});

test('a snapshot key that is a path is refused', async () => {
  using place = new Place();
  await assert.rejects(place.store.removeSnapshot('../images'), (error) => isPlatformError(error, 'invalid'));
});
