/** Masked and read-only paths that are links: what the path shows is what must be hidden, and nothing is skipped unsaid. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { step } from '../../src/container/runtime/program/instructions.ts';
import { ProgramRunner } from '../fixtures/program-runner.ts';

function imageWithLinks(box: ProgramRunner): void {
  mkdirSync(join(box.root, 'data/folder'), { recursive: true });
  writeFileSync(join(box.root, 'data/folder/secret'), 'secret\n');
  writeFileSync(join(box.root, 'data/file'), 'secret\n');
  symlinkSync('/data/file', join(box.root, 'file'));
  symlinkSync('../../../../data/folder', join(box.root, 'folder'));
  symlinkSync('/nowhere', join(box.root, 'dangling'));
  symlinkSync('other', join(box.root, 'one'));
  symlinkSync('one', join(box.root, 'other'));
}

test('a link is masked where it leads to', async () => {
  await using box = new ProgramRunner();
  imageWithLinks(box);
  const paths = ['/file', '/folder', '/dangling', '/data/missing', '/data/file/below'];
  const { stdout } = await box.run(
    'cat /file /data/file; ls /folder /data/folder; touch /folder/x || echo denied',
    {
      inside: paths.map((path) => step('mask', path, '')),
    },
  );
  assert.equal(stdout, '/data/folder:\n\n/folder:\ndenied\n');
});

test('a link is read-only where it leads to', async () => {
  await using box = new ProgramRunner();
  imageWithLinks(box);
  const script =
    'for p in /file /data/file /folder/x /data/folder/x; do echo x > $p || echo denied; done; cat /file';
  const { stdout } = await box.run(script, {
    inside: ['/file', '/folder', '/dangling', '/data/missing'].map((path) => step('readonly', path)),
  });
  assert.equal(stdout, 'denied\ndenied\ndenied\ndenied\nsecret\n');
});

test('a link outwards restricts a place of the image, and none of the host', async () => {
  await using box = new ProgramRunner();
  const outside = box.folder('outside');
  writeFileSync(join(outside, 'seen'), '');
  symlinkSync(outside, join(box.root, 'away'));
  mkdirSync(join(box.root, outside), { recursive: true });
  writeFileSync(join(box.root, outside, 'hidden'), '');
  const { stdout } = await box.run('ls /away', { inside: [step('mask', '/away', '')] });
  assert.equal(stdout, '');
  assert.deepEqual(readdirSync(outside), ['seen']);
});

test('links in a circle are an error', async () => {
  await using box = new ProgramRunner();
  imageWithLinks(box);
  for (const instruction of [step('mask', '/one', ''), step('readonly', '/one')]) {
    const { opcode, errno } = await box.refusal({ inside: [instruction] });
    assert.deepEqual([opcode, errno], [instruction.opcode, 'ELOOP']);
  }
});
