import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPlatformError } from '../../base/errors.ts';
import { readElf, type ElfFile } from './elf.ts';
import { ImageTree } from './image-tree.ts';
import { LibrarySearch } from './library-search.ts';

class Place implements Disposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'sampan-elf-'));

  write(name: string, content: Buffer | string): string {
    const path = join(this.dir, name);
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

interface Dynamic {
  readonly needed?: readonly string[];
  readonly runpath?: string;
  readonly rpath?: string;
  readonly machine?: number;
}

/** A file with the tables that a dynamic loader reads, and nothing to run. */
function elf({ needed = [], runpath, rpath, machine = 62 }: Dynamic): Buffer {
  const strings: string[] = [''];
  const at = (text: string): bigint => {
    const offset = strings.reduce((sum, one) => sum + one.length + 1, 0);
    strings.push(text);
    return BigInt(offset);
  };
  const base = 0x400000n;
  const tags: [bigint, bigint][] = needed.map((name) => [1n, at(name)]);
  if (rpath !== undefined) tags.push([15n, at(rpath)]);
  if (runpath !== undefined) tags.push([29n, at(runpath)]);
  const table = Buffer.from(`${strings.join('\0')}\0`);
  const dynamicAt = 64 + 2 * 56;
  const dynamicSize = (tags.length + 3) * 16;
  tags.push([5n, base + BigInt(dynamicAt + dynamicSize)], [10n, BigInt(table.length)], [0n, 0n]);

  const file = Buffer.alloc(dynamicAt + dynamicSize + table.length);
  file.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  file.writeUInt16LE(machine, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(2, 56);
  const segment = (index: number, type: number, offset: number, size: number): void => {
    const start = 64 + index * 56;
    file.writeUInt32LE(type, start);
    file.writeBigUInt64LE(BigInt(offset), start + 8);
    file.writeBigUInt64LE(base + BigInt(offset), start + 16);
    file.writeBigUInt64LE(BigInt(size), start + 32);
  };
  segment(0, 1, 0, file.length);
  segment(1, 2, dynamicAt, dynamicSize);
  for (const [i, [tag, value]] of tags.entries()) {
    file.writeBigUInt64LE(tag, dynamicAt + i * 16);
    file.writeBigUInt64LE(value, dynamicAt + i * 16 + 8);
  }
  table.copy(file, dynamicAt + dynamicSize);
  return file;
}

test('reads what a program needs', async () => {
  using place = new Place();
  const path = place.write('p', elf({ needed: ['liba.so', 'libb.so'], runpath: '$ORIGIN/lib:/opt' }));
  const read = await readElf(path);
  assert.deepEqual(read, {
    machine: 62,
    needed: ['liba.so', 'libb.so'],
    rpath: [],
    runpath: ['$ORIGIN/lib', '/opt'],
    isDynamic: true,
  });
});

test('what is not ELF, not 64-bit or damaged is told apart', async () => {
  using place = new Place();
  assert.equal(await readElf(place.write('script', '#!/bin/sh\n')), undefined);
  assert.equal(await readElf(place.write('empty', '')), undefined);
  const narrow = elf({});
  narrow[4] = 1;
  await assert.rejects(readElf(place.write('narrow', narrow)), (error) =>
    isPlatformError(error, 'unsupported'),
  );
  await assert.rejects(readElf(place.write('short', elf({}).subarray(0, 100))), (error) =>
    isPlatformError(error, 'invalid'),
  );
  const wild = elf({ needed: ['x'] });
  wild.writeBigUInt64LE(2n ** 60n, 32);
  await assert.rejects(readElf(place.write('wild', wild)), (error) => isPlatformError(error, 'invalid'));
});

async function search(place: Place, program: Dynamic): Promise<readonly string[]> {
  const path = place.write('program', elf(program));
  const libraries = await LibrarySearch.open(place.write('ld.so.conf', `include ${place.dir}/*.list\n`));
  const found = await libraries.closure(path, (await readElf(path)) as ElfFile);
  return found.map((library) => library.path.slice(place.dir.length + 1));
}

test('libraries are found along runpath, the loader’s rpath and the configured folders, once each', async () => {
  using place = new Place();
  place.write('libone.so', elf({ needed: ['libtwo.so', 'libthree.so'] }));
  place.write('libtwo.so', elf({ needed: ['libone.so'] }));
  place.write('libthree.so', elf({}));
  const all = ['libone.so', 'libtwo.so', 'libthree.so'];
  // An rpath serves what is loaded further down as well; a runpath only its own object.
  assert.deepEqual(await search(place, { needed: ['libone.so'], rpath: '$ORIGIN' }), all);
  await assert.rejects(
    search(place, { needed: ['libone.so'], runpath: '${ORIGIN}' }),
    /libtwo\.so \(needed by .*libone\.so\)/,
  );
  place.write('here.list', `# a comment\n${place.dir}\n`);
  assert.deepEqual(await search(place, { needed: ['libone.so'] }), all);
});

test('a library of another machine is passed over', async () => {
  using place = new Place();
  place.write('libone.so', elf({ machine: 183 }));
  await assert.rejects(
    search(place, { needed: ['libone.so'], rpath: '$ORIGIN' }),
    /needs the library libone\.so/,
  );
});

test('links on the way to a host file are kept, and writing follows them', async () => {
  using place = new Place();
  const file = place.write('file', 'x');
  symlinkSync('file', join(place.dir, 'link'));
  symlinkSync(place.dir, join(place.dir, 'self'));
  const tree = new ImageTree();
  assert.equal(await tree.addHostFile(join(place.dir, 'self', 'link')), file);
  tree.add(join(place.dir, 'self', 'new'), { type: 'file', mode: 0o644, content: Buffer.from('') });
  const types = Object.fromEntries(
    tree.entries().map(([path, { type }]) => [path.slice(place.dir.length), type]),
  );
  assert.deepEqual(
    [types['/self'], types['/link'], types['/file'], types['/new']],
    ['symlink', 'symlink', 'file', 'file'],
  );
  symlinkSync('loop', join(place.dir, 'loop'));
  await assert.rejects(tree.addHostFile(join(place.dir, 'loop')), /too many symbolic links/);
});
