/** /dev/null of an image or a volume, which masks are made of: CVE-2025-31133. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { step } from '../../src/container/runtime/program/instructions.ts';
import { ProgramRunner } from '../fixtures/program-runner.ts';

const mask = step('mask', '/etc/secret', '');

test('what is not the null device masks nothing', async () => {
  await using box = new ProgramRunner();
  writeFileSync(join(box.root, 'etc/secret'), 'secret\n');
  const make: Readonly<Record<string, (path: string) => void>> = {
    link: (path) => symlinkSync('/proc/sys/kernel/core_pattern', path),
    'link to a device': (path) => symlinkSync('/dev/zero', path),
    'regular file': (path) => writeFileSync(path, 'mine\n'),
    folder: (path) => mkdirSync(path),
    'other device': (path) => execFileSync('mknod', [path, 'c', '1', '5']),
  };
  for (const [name, makeNull] of Object.entries(make)) {
    const folder = box.folder(`dev of ${name}`);
    makeNull(join(folder, 'null'));
    const { opcode, message } = await box.refusal({ inside: [box.bind(folder, '/dev'), mask] });
    assert.equal(opcode, 'mask');
    assert.match(message, /\/dev\/null/, name);
    // Nor is it taken for the device that the configuration asks for.
    const device = step('device', '/dev/null', 'c', '666', '1', '3', '0', '0');
    const second = await box.refusal({ inside: [box.bind(folder, '/dev'), device] });
    assert.equal(second.errno, 'EEXIST', name);
  }
});

test('a masked file is the null device, of which nothing can be changed', async () => {
  await using box = new ProgramRunner();
  writeFileSync(join(box.root, 'etc/secret'), 'secret\n');
  const before = statSync('/dev/null').mode;
  const script =
    'cat /etc/secret; echo x > /etc/secret; chmod 777 /etc/secret; stat -c "%t:%T %a" /etc/secret /dev/null';
  const { stdout, stderr } = await box.run(script, { inside: [mask] });
  assert.equal(stdout, '1:3 666\n1:3 666\n');
  assert.match(stderr, /chmod: .*Read-only file system/);
  // Without a null device in the container it is the host's.
  const empty = box.folder('empty');
  const other = await box.run(script, { inside: [box.bind(empty, '/dev'), mask] });
  assert.match(other.stdout, /^1:3 666\n/);
  assert.equal(statSync('/dev/null').mode, before);
  assert.equal(readFileSync(join(box.root, 'etc/secret'), 'utf8'), 'secret\n');
});
