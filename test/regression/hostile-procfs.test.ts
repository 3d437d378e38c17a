/** Something else where the kernel's own files are written: CVE-2019-16884, CVE-2019-19921, CVE-2025-52881. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { step } from '../../src/container/runtime/program/instructions.ts';
import { ProgramRunner } from '../fixtures/program-runner.ts';

const FILES = ['attr/exec', 'attr/apparmor/exec', 'oom_score_adj'];
const SYSCTL = 'kernel/shm_rmid_forced';

/** Looks like procfs, and takes every write. */
function fakeProcfs(box: ProgramRunner): string {
  const folder = box.folder('fake');
  const paths = ['self', 'thread-self', '1'].flatMap((pid) => FILES.map((file) => `${pid}/${file}`));
  for (const path of [...paths, `sys/${SYSCTL}`]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), 'untouched');
  }
  return folder;
}

function untouched(folder: string): void {
  for (const path of [...FILES.map((file) => `self/${file}`), ...FILES.map((file) => `1/${file}`)])
    assert.equal(readFileSync(join(folder, path), 'utf8'), 'untouched', path);
  assert.equal(readFileSync(join(folder, `sys/${SYSCTL}`), 'utf8'), 'untouched');
}

/** Reads what the kernel has, whatever covers /proc. */
const real = `mkdir -p /real && mount -t proc proc /real && cat /real/sys/${SYSCTL} /real/1/oom_score_adj`;

const writes = {
  inside: [step('sysctl', SYSCTL, '1')],
  late: [step('oom-score-adj', '321', 'strict')],
};

test('a tree of ordinary files in place of procfs gets no write', async () => {
  await using box = new ProgramRunner();
  const fake = fakeProcfs(box);
  const over = box.bind(fake, '/proc');
  const { stdout, stderr } = await box.run(real, { inside: [over, ...writes.inside], late: writes.late });
  assert.equal(stdout, '1\n321\n', stderr);
  untouched(fake);
});

test('files mounted inside procfs get no write', async () => {
  await using box = new ProgramRunner();
  const fake = fakeProcfs(box);
  const over = [box.bind(join(fake, '1'), '/proc/1'), box.bind(join(fake, 'sys'), '/proc/sys')];
  const { stdout, stderr } = await box.run(real, { inside: [...over, ...writes.inside], late: writes.late });
  assert.equal(stdout, '1\n321\n', stderr);
  untouched(fake);
});

test('a label that no security module takes is not taken by a file', async () => {
  await using box = new ProgramRunner();
  const fake = fakeProcfs(box);
  for (const over of [box.bind(fake, '/proc'), box.bind(join(fake, '1'), '/proc/1')]) {
    for (const [opcode, text] of [
      ['apparmor-profile', /AppArmor profile "there-is-no-such-profile"/],
      ['selinux-label', /SELinux label "there-is-no-such-profile"/],
    ] as const) {
      const identity = [step('ids', '0', '0', 'set-groups'), step(opcode, 'there-is-no-such-profile')];
      const refusal = await box.refusal({ inside: [over], identity });
      assert.equal(refusal.opcode, opcode);
      assert.match(refusal.message, text);
    }
  }
  untouched(fake);
});
