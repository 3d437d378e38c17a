import assert from 'node:assert/strict';
import { test } from 'node:test';
import { follow } from './follow.ts';
import { Report } from './report.ts';

const LONG = { seconds: 60, spentSeconds: 0 };
const FILE = 'test/vm/a.test.ts';

/** A machine that is off when it is killed, or when the test says so. */
function machine(console: string[] = []) {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { ended: promise, kill: resolve, console };
}

function booted(): Report {
  const report = new Report([FILE], {}, () => 0);
  report.accept({ type: 'hello', kernel: '6.1', uptime: 5 });
  return report;
}

test('a guest that never gets to its runner is ended', async () => {
  const report = new Report([FILE], {}, () => 0);
  const trouble = await follow({ machine: machine(), report, bootSeconds: 0.01, ...LONG });
  assert.equal(trouble, 'the guest did not reach its test runner within 0.01 s');
});

test('a guest that hangs in a test is ended by the deadline, not by that of the boot', async () => {
  const trouble = await follow({
    machine: machine(),
    report: booted(),
    bootSeconds: 0.01,
    seconds: 1,
    spentSeconds: 0.95,
  });
  assert.equal(trouble, 'the deadline of 1 s has passed');
});

test('a panic is told from a guest that only went off', async () => {
  const panicked = machine(['[ 1.0] Kernel panic - not syncing: Attempted to kill init!']);
  panicked.kill();
  assert.equal(
    await follow({ machine: panicked, report: booted(), bootSeconds: 60, ...LONG }),
    'the guest panicked',
  );
  const off = machine(['reboot: Power down']);
  off.kill();
  assert.match(
    (await follow({ machine: off, report: booted(), bootSeconds: 60, ...LONG }))!,
    /^the guest went off before/,
  );
});

test('a guest that told all and went off is no trouble', async () => {
  const report = booted();
  report.accept({ type: 'file-end', file: FILE, milliseconds: 1 });
  report.accept({ type: 'end' });
  const done = machine();
  done.kill();
  assert.equal(await follow({ machine: done, report, bootSeconds: 60, ...LONG }), undefined);
});
