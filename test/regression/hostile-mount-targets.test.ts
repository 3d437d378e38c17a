/** Links in an image where something is mounted or made: CVE-2019-16884, CVE-2019-19921, CVE-2021-30465, CVE-2023-27561. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { step } from '../../src/container/runtime/program/instructions.ts';
import { ProgramRunner } from '../fixtures/program-runner.ts';

/** A folder of the host's that every link of these tests leads to; nothing may appear in it. */
function canary(box: ProgramRunner): string {
  return box.folder('canary');
}

test('whatever a link says, it is a place in the image', async () => {
  await using box = new ProgramRunner();
  const outside = canary(box);
  const volume = box.folder('volume');
  writeFileSync(join(volume, 'file'), 'from the volume\n');
  const links: Readonly<Record<string, string>> = {
    absolute: outside,
    relative: `../../../../../../../../../..${outside}`,
    twice: '/absolute/../../../..',
    top: '/',
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(box.root, name));
  const names = Object.keys(links);
  const { stdout, code } = await box.run(
    names.map((name) => `cat /${name}/a/file; ls -d /${name}/b /${name}/c /${name}/d`).join(';'),
    {
      inside: names.flatMap((name) => [
        box.bind(volume, `/${name}/a`),
        step('mount', 'tmpfs', 'tmpfs', `/${name}/b`, '0', ''),
        step('device', `/${name}/c`, 'p', '600', '0', '0', '0', '0'),
        step('symlink', '/tmp', `/${name}/d`),
      ]),
    },
  );
  const each = (name: string): string => `from the volume\n/${name}/b\n/${name}/c\n/${name}/d\n`;
  assert.equal(stdout, names.map(each).join(''));
  assert.equal(code, 0);
  assert.deepEqual(readdirSync(outside), []);
  assert.ok(!existsSync('/a') && !existsSync('/b') && !existsSync('/c') && !existsSync('/d'));
});

test('a link that leads nowhere is filled in inside the image, as a folder or a file', async () => {
  await using box = new ProgramRunner();
  const outside = canary(box);
  const volume = box.folder('volume');
  const file = join(volume, 'file');
  writeFileSync(file, 'a file\n');
  mkdirSync(join(box.root, 'var/deep'), { recursive: true });
  symlinkSync('../../run/made', join(box.root, 'var/deep/run'));
  symlinkSync(join(outside, 'made'), join(box.root, 'var/file'));
  symlinkSync('loop', join(box.root, 'var/loop'));
  const { stdout } = await box.run(`cat /run/made/sub/file /var/file ${outside}/made`, {
    inside: [box.bind(volume, '/var/deep/run/sub'), box.bind(file, '/var/file')],
  });
  assert.equal(stdout, 'a file\na file\na file\n');
  assert.deepEqual(readdirSync(outside), []);
  const { errno } = await box.refusal({ inside: [box.bind(volume, '/var/loop')] });
  assert.equal(errno, 'ELOOP');
});

test('a volume does not get into procfs by a link of the image', async () => {
  await using box = new ProgramRunner();
  const volume = box.folder('volume');
  for (const [name, target] of [
    ['data', '/proc'],
    ['attributes', '/proc/self/attr'],
    ['sys', '../../proc/sys'],
  ] as const)
    symlinkSync(target, join(box.root, name));
  for (const path of ['/data', '/data/1', '/attributes', '/sys/kernel']) {
    const { opcode, message } = await box.refusal({ inside: [box.bind(volume, path)] });
    assert.equal(opcode, 'bind');
    assert.match(message, /leads into a procfs/, path);
  }
});

test('procfs and sysfs are mounted at no link, on no part of the way', async () => {
  await using box = new ProgramRunner();
  mkdirSync(join(box.root, 'real'));
  symlinkSync('/real', join(box.root, 'link'));
  for (const type of ['proc', 'sysfs']) {
    for (const path of ['/link', '/link/below/it']) {
      const { errno } = await box.refusal({ inside: [step('mount', type, type, path, '0', '')] });
      assert.equal(errno, 'ELOOP', `${type} ${path}`);
    }
  }
});
