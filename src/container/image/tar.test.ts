import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlatformError } from '../../base/errors.ts';
import { paddingOf, type TarHeader } from './tar-format.ts';
import { readTar } from './tar-read.ts';
import { encodeTarHeader, tarEnd } from './tar-write.ts';

const header = (changes: Partial<TarHeader>): TarHeader => ({
  name: 'a',
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: 1_700_000_000,
  size: 0,
  linkName: '',
  ...changes,
});

function entry(changes: Partial<TarHeader>, content = ''): Buffer {
  const body = Buffer.from(content);
  const head = encodeTarHeader(header({ size: body.length, ...changes }));
  return Buffer.concat([head, body, Buffer.alloc(paddingOf(body.length))]);
}

async function* chunks(archive: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < archive.length; at += size) yield archive.subarray(at, at + size);
}

async function readAll(archive: Buffer, size = 512): Promise<(TarHeader & { content: string })[]> {
  const all: (TarHeader & { content: string })[] = [];
  for await (const { body, ...head } of readTar(chunks(archive, size))) {
    const parts = await Array.fromAsync(body);
    all.push({ ...head, content: Buffer.concat(parts).toString() });
  }
  return all;
}

test('what is written is read, whatever the chunks', async () => {
  const archive = Buffer.concat([
    entry({ name: 'dir/', type: 'directory', mode: 0o1777 }),
    entry({ name: 'dir/file', uid: 1000, gid: 2_500_000 }, 'x'.repeat(1000)),
    entry({ name: 'dir/link', type: 'symlink', linkName: 'file' }),
    tarEnd(),
  ]);
  for (const size of [1, 7, 512, 513, 1 << 16]) {
    const [dir, file, link] = await readAll(archive, size);
    assert.equal(dir?.mode, 0o1777);
    assert.equal(file?.content.length, 1000);
    assert.deepEqual([file?.uid, file?.gid], [1000, 2_500_000]);
    assert.equal(link?.linkName, 'file');
  }
});

test('names too long or not ASCII travel whole', async () => {
  const names = [`${'d'.repeat(90)}/${'f'.repeat(90)}`, 'n'.repeat(300), 'grüße/三板', `${'é'.repeat(80)}/x`];
  const archive = Buffer.concat([
    ...names.map((name) => entry({ name }, name)),
    entry({ name: 'l', type: 'symlink', linkName: 't'.repeat(200) }),
    tarEnd(),
  ]);
  const all = await readAll(archive);
  assert.deepEqual(
    all.slice(0, 4).map(({ name }) => name),
    names,
  );
  assert.deepEqual(
    all.slice(0, 4).map(({ content }) => content),
    names,
  );
  assert.equal(all[4]?.linkName, 't'.repeat(200));
});

test('every pax record length is right, also where a digit is gained', async () => {
  for (let length = 80; length < 120; length++) {
    const name = `é${'x'.repeat(length)}`;
    assert.equal((await readAll(entry({ name })))[0]?.name, name);
  }
});

test('an entry that is not read is skipped', async () => {
  const archive = Buffer.concat([entry({ name: 'a' }, 'y'.repeat(5000)), entry({ name: 'b' }), tarEnd()]);
  const names: string[] = [];
  for await (const { name } of readTar(chunks(archive, 100))) names.push(name);
  assert.deepEqual(names, ['a', 'b']);
});

const broken: Readonly<Record<string, Buffer>> = {
  'a changed byte': Buffer.concat([entry({}), tarEnd()]).fill('z', 0, 1),
  'half a header': entry({}).subarray(0, 100),
  'half a body': entry({}, 'x'.repeat(600)).subarray(0, 700),
};
for (const [what, archive] of Object.entries(broken)) {
  test(`${what} is refused`, async () => {
    await assert.rejects(readAll(archive), (error) => isPlatformError(error, 'invalid'));
  });
}
