import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuestEvent, TestEnd } from './guest/events.ts';
import { Report } from './report.ts';

const A = 'test/vm/a.test.ts';
const B = 'test/vm/b.test.ts';

function ended(name: string, changes: Partial<TestEnd> = {}): TestEnd {
  return { type: 'test-end', file: A, name, suite: false, passed: true, milliseconds: 12.4, ...changes };
}

function told(report: Report, ...events: readonly GuestEvent[]): readonly string[] {
  return events.flatMap((event) => report.accept(event));
}

const started: GuestEvent = { type: 'file-start', file: A };
const through: GuestEvent = { type: 'file-end', file: A, milliseconds: 1500 };
const clock = { now: 0 };
function reportOf(files: readonly string[] = [A], skips: Readonly<Record<string, string>> = {}): Report {
  clock.now = 0;
  return new Report(files, skips, () => clock.now);
}

test('a run that passed is complete, counted and timed', () => {
  const report = reportOf();
  const lines = told(report, { type: 'hello', kernel: '6.1', uptime: 5 }, started, ended('one'), through, {
    type: 'end',
  });
  assert.deepEqual(lines, ['vm: Linux 6.1 was ready after 5.0 s', `✔ ${A} › one (12 ms)`]);
  assert.deepEqual(report.totals, { passed: 1, failed: 0 });
  assert.ok(report.booted && report.complete);
  assert.deepEqual([...report.seconds], [[A, 1.5]]);
});

test('a failure is shown with its error and with what the file printed', () => {
  const report = reportOf();
  const lines = told(
    report,
    ...[started, { type: 'output', file: A, text: 'first\nsecond\n' } as const],
    ...[ended('one', { passed: false, error: 'Error: no\n  at x' }), through],
  );
  assert.deepEqual(lines, [
    ...[`✖ ${A} › one (12 ms)`, '    Error: no', '      at x'],
    ...[`  what ${A} printed last:`, '  | first', '  | second'],
  ]);
  assert.deepEqual(report.totals, { passed: 0, failed: 1 });
});

test('a suite counts only when it fails itself', () => {
  const report = reportOf();
  told(report, started, ended('passes', { suite: true }), ended('in it', { suite: true, passed: false }));
  assert.deepEqual(report.totals, { passed: 0, failed: 1 });
  told(report, ended('hook', { suite: true, passed: false, error: 'before() threw' }));
  assert.deepEqual(report.totals, { passed: 0, failed: 2 });
});

test('a skip fails unless it is listed with its reason', () => {
  const report = reportOf([A], { listed: 'not on this kernel' });
  const lines = told(
    report,
    started,
    ended('listed', { skipped: true }),
    ended('silent', { skipped: 'lazy' }),
    through,
  );
  assert.equal(lines[0], `﹣ ${A} › listed: skipped, not on this kernel`);
  assert.match(lines[2]!, /without an entry/);
  assert.deepEqual(report.totals, { passed: 0, failed: 1 });
});

test('a file whose process fails is a failure, though its tests passed', () => {
  const report = reportOf();
  const lines = told(report, started, ended('one'), {
    ...through,
    type: 'file-end',
    file: A,
    error: 'ended by SIGSEGV',
  });
  assert.equal(lines.at(-1), `✖ ${A}: ended by SIGSEGV`);
  assert.deepEqual(report.totals, { passed: 1, failed: 1 });
});

test('of a guest that hangs it is known where, and its files are failures', () => {
  const report = reportOf([A, B]);
  told(
    report,
    started,
    { type: 'test-start', file: A, name: 's' },
    { type: 'test-start', file: A, name: 's > hangs' },
  );
  clock.now = 93_000;
  told(report, { type: 'file-start', file: B });
  assert.deepEqual(report.running(), [`${A} › s > hangs (for 93 s)`, `${B} (for 0 s)`]);
  assert.deepEqual(report.unfinished, [A, B]);
  assert.deepEqual(report.totals, { passed: 0, failed: 2 });
  assert.equal(report.complete, false);
});

test('half a line, from a guest that was ended, is passed over', () => {
  const report = reportOf();
  assert.deepEqual(report.acceptLine('{"type":"hel'), []);
  assert.equal(report.booted, false);
});

test('an end before every file has ended is none', () => {
  const report = reportOf([A, B]);
  told(report, started, ended('one'), through, { type: 'end' });
  assert.equal(report.complete, false);
});
