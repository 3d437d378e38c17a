import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sweepForeground } from '../../src/container/runtime/foreground.ts';
import { RuntimeFixture, SHIM, until } from '../fixtures/runtime-fixture.ts';

const PROGRAM = fileURLToPath(new URL('../fixtures/run-foreground.ts', import.meta.url));

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

function run(box: RuntimeFixture, args: readonly string[], input?: string): Run {
  const child = spawn(process.execPath, [PROGRAM, box.dir, SHIM, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += String(data)));
  if (input !== undefined) child.stdin.end(input);
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, output: () => text, ended };
}

const cgroupsOf = (box: RuntimeFixture): string[] =>
  readdirSync('/sys/fs/cgroup/').flatMap((tree) =>
    existsSync(`/sys/fs/cgroup/${tree}/cgroup.procs`)
      ? readdirSync(`/sys/fs/cgroup/${tree}`).filter((name) => name.startsWith(`sampan-${box.instance.id}-`))
      : [],
  );

test('stdin, both outputs and the exit code pass through; nothing is left', async () => {
  await using box = new RuntimeFixture();
  const { ended, output } = run(box, ['sh', '-c', 'read a; echo "got $a"; echo err >&2; exit 42'], 'line\n');
  assert.equal(await ended, 42);
  assert.match(output(), /got line/);
  assert.match(output(), /err/);
  await box.assertNothingLeft();
  assert.deepEqual(cgroupsOf(box), []);
});

test('a missing program is 127, and says so', async () => {
  await using box = new RuntimeFixture();
  const { ended, output } = run(box, ['nothing-like-it'], '');
  assert.equal(await ended, 127);
  assert.equal(output(), 'exec: "nothing-like-it": executable file not found in $PATH\n');
});

test('signals reach the program', async () => {
  await using box = new RuntimeFixture();
  const script = 'trap "exit 21" TERM; trap "echo usr1" USR1; echo ready; while :; do sleep 0.02; done';
  const { child, ended, output } = run(box, ['sh', '-c', script]);
  await until('the traps', () => output().includes('ready'));
  child.kill('SIGUSR1');
  await until('the first signal', () => output().includes('usr1'));
  child.kill('SIGTERM');
  assert.equal(await ended, 21);
});

test('kill -9 of the caller ends the container; the next run sweeps', async () => {
  await using box = new RuntimeFixture();
  const { child, ended, output } = run(box, ['sh', '-c', 'echo ready; sleep 1000']);
  await until('output', () => output().includes('ready'));
  child.kill('SIGKILL');
  await ended;
  await until('the shim to end', () => box.shims().length === 0);
  assert.equal(readdirSync(join(box.instance.runDir, 'f')).length, 1);
  await sweepForeground(box.options);
  await box.assertNothingLeft();
  assert.deepEqual(cgroupsOf(box), []);
});

test('a sweep leaves a run alone whose caller lives', async () => {
  await using box = new RuntimeFixture();
  const first = run(box, ['sh', '-c', 'echo ready; read a; exit 3']);
  await until('the first', () => first.output().includes('ready'));
  await sweepForeground(box.options);
  first.child.stdin?.end('go\n');
  assert.equal(await first.ended, 3);
});
