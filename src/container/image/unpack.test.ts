import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPlatformError } from '../../base/errors.ts';
import { paddingOf, type TarHeader } from './tar-format.ts';
import { encodeTarHeader, tarEnd } from './tar-write.ts';
import { unpackLayer } from './unpack.ts';

class Place implements Disposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'sampan-unpack-'));
  readonly root: string = join(this.dir, 'root');

  constructor() {
    mkdirSync(this.root);
    mkdirSync(join(this.dir, 'outside'));
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

type Entry = readonly [
  name: string,
  type: TarHeader['type'],
  rest?: { link?: string; content?: string; mode?: number },
];

function archive(...entries: Entry[]): AsyncIterable<Buffer> {
  const owner = { uid: process.getuid!(), gid: process.getgid!() };
  const parts = entries.map(([name, type, { link = '', content = '', mode = 0o755 } = {}]) => {
    const body = Buffer.from(content);
    const header = { name, type, mode, ...owner, mtime: 1000, size: body.length, linkName: link };
    return Buffer.concat([encodeTarHeader(header), body, Buffer.alloc(paddingOf(body.length))]);
  });
  return (async function* () {
    yield Buffer.concat([...parts, tarEnd()]);
  })();
}

test('files, folders, links, modes and times arrive', async () => {
  using place = new Place();
  const layer = archive(
    ['./', 'directory', { mode: 0o755 }],
    ['./dir/', 'directory', { mode: 0o500 }],
    ['./dir/file', 'file', { content: 'hello', mode: 0o4711 }],
    ['./dir/hard', 'hardlink', { link: 'dir/file' }],
    ['./soft', 'symlink', { link: '/etc/passwd' }],
    ['deep/er/file', 'file', { content: 'x' }],
    ['dev/null', 'char'],
  );
  assert.deepEqual(await unpackLayer(layer, place.root), { removed: [], opaque: [] });
  const file = statSync(join(place.root, 'dir/file'));
  assert.equal(file.mode & 0o7777, 0o4711);
  assert.equal(file.mtimeMs, 1_000_000);
  assert.equal(file.ino, statSync(join(place.root, 'dir/hard')).ino);
  assert.equal(statSync(join(place.root, 'dir')).mode & 0o777, 0o500);
  assert.equal(readlinkSync(join(place.root, 'soft')), '/etc/passwd');
  assert.equal(readFileSync(join(place.root, 'deep/er/file'), 'utf8'), 'x');
});

const hostile: Readonly<Record<string, readonly Entry[]>> = {
  'an absolute name': [['/outside/x', 'file']],
  'a name with ".."': [['a/../../outside/x', 'file']],
  'a name of ".." alone': [['..', 'directory']],
  'a parent that is a link out': [
    ['a', 'symlink', { link: '../outside' }],
    ['a/x', 'file', { content: 'x' }],
  ],
  'a parent that is an absolute link': [
    ['a', 'symlink', { link: '/' }],
    ['a/x/', 'directory'],
  ],
  'a parent that is a file': [
    ['a', 'file'],
    ['a/x', 'file'],
  ],
  'a hard link out by ".."': [['a', 'hardlink', { link: '../outside/secret' }]],
  'a hard link through a link': [
    ['a', 'symlink', { link: '../outside' }],
    ['b', 'hardlink', { link: 'a/secret' }],
  ],
  'a hard link to a folder': [
    ['a/', 'directory'],
    ['b', 'hardlink', { link: 'a' }],
  ],
  'a hard link to nothing': [['b', 'hardlink', { link: 'a' }]],
  'a whiteout of ".."': [['a/.wh...', 'file']],
};
for (const [what, entries] of Object.entries(hostile)) {
  test(`${what} is refused and nothing outside is touched`, async () => {
    using place = new Place();
    await assert.rejects(unpackLayer(archive(...entries), place.root), (error) =>
      isPlatformError(error, 'invalid'),
    );
    assert.equal(existsSync(join(place.dir, 'outside/x')), false);
  });
}

test('a folder that becomes a link does not lend the link its mode', async () => {
  using place = new Place();
  const before = statSync(join(place.dir, 'outside')).mode;
  await unpackLayer(
    archive(
      ['a/', 'directory'],
      ['a/outside/', 'directory', { mode: 0o000 }],
      ['a', 'symlink', { link: '..' }],
    ),
    place.root,
  );
  assert.ok(lstatSync(join(place.root, 'a')).isSymbolicLink());
  assert.equal(statSync(join(place.dir, 'outside')).mode, before);
});

test('a file is replaced by a later one, a link is not written through', async () => {
  using place = new Place();
  await unpackLayer(
    archive(['a', 'symlink', { link: '../outside/x' }], ['a', 'file', { content: 'new' }]),
    place.root,
  );
  assert.equal(readFileSync(join(place.root, 'a'), 'utf8'), 'new');
  assert.equal(existsSync(join(place.dir, 'outside/x')), false);
});

test('whiteouts are reported, not made', async () => {
  using place = new Place();
  const whiteouts = await unpackLayer(
    archive(['d/.wh.gone', 'file'], ['e/.wh..wh..opq', 'file']),
    place.root,
  );
  assert.deepEqual(whiteouts, { removed: [['d', 'gone']], opaque: [['e']] });
});

test('a device outside /dev is unsupported and named', async () => {
  using place = new Place();
  await assert.rejects(
    unpackLayer(archive(['srv/disk', 'block']), place.root),
    /"srv\/disk" is a block device/,
  );
});
