import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { recordingKernel } from '../../../kernel/recording.ts';
import type { ContainerCgroup } from './contract.ts';
import { openCgroup, placeCgroup } from './cgroup.ts';
import { thisMachine } from './machine.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sampan-freezing-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A plain folder in the place of a cgroup, in which nothing ever changes by itself. */
function stuck(mountInfo: string, files: Readonly<Record<string, string>>): ContainerCgroup {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  const machine = thisMachine({ root, mountInfo, ownCgroups: '', kernel: recordingKernel(), patience: 20 });
  const place = placeCgroup({ id: 'x', cgroupsPath: '/x', driver: 'cgroupfs', rootless: false }, machine);
  return openCgroup(place, machine);
}

const v2 = (): ContainerCgroup =>
  stuck(`1 1 0:1 / ${root} rw - cgroup2 cgroup2 rw\n`, {
    'x/cgroup.freeze': '0\n',
    'x/cgroup.events': 'populated 1\nfrozen 0\n',
    'x/cgroup.procs': '',
  });
const v1 = (): ContainerCgroup =>
  stuck(`1 1 0:1 / ${root}/freezer rw - cgroup cgroup rw,freezer\n`, {
    'freezer/x/freezer.self_freezing': '0\n',
  });

test('what does not freeze in time is thawed', async () => {
  const cgroup = v2();
  await assert.rejects(cgroup.freeze(), { code: 'timeout', message: /is not frozen after 0\.02 s/ });
  assert.equal(readFileSync(join(root, 'x/cgroup.freeze'), 'utf8'), '0');
  assert.equal(cgroup.frozen(), false);
});

test('freezing that is given up is taken back', async () => {
  await assert.rejects(v2().freeze(AbortSignal.abort()), { code: 'cancelled' });
  assert.equal(readFileSync(join(root, 'x/cgroup.freeze'), 'utf8'), '0');
});

test('a freezer that says it is frozen is believed, once it does', async () => {
  const cgroup = v2();
  writeFileSync(join(root, 'x/cgroup.events'), 'populated 1\nfrozen 1\n');
  await cgroup.freeze();
  assert.equal(cgroup.frozen(), true);
});

test('v1: a freezer that is missing, or fails, is an error', async () => {
  const cgroup = v1();
  await assert.rejects(cgroup.freeze(), { code: 'not-found', message: /freezer\.state/ });
  assert.equal(cgroup.frozen(), false);
  const none = stuck('', {});
  await assert.rejects(none.freeze(), { code: 'not-found', message: /cgroup \/x does not exist/ });
});
