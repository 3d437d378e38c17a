import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPlatformError } from '../../src/base/errors.ts';
import { identityOf } from '../../src/container/runtime/owner.ts';
import { createRuntime } from '../../src/container/runtime/shim-runtime.ts';
import { RuntimeFixture, streamOf, until } from '../fixtures/runtime-fixture.ts';

test('states, exit codes and their times', async () => {
  await using box = new RuntimeFixture();
  const before = Date.now();
  const created = await box.runtime.create(box.spec(['sh', '-c', 'exit 7'], { id: 'x', labels: { a: 'b' } }));
  assert.equal(created.status, 'created');
  assert.ok(created.pid > 0 && created.startedAt === 0 && created.createdAt >= before);
  const waiting = box.runtime.wait('x');
  await box.runtime.start('x');
  const ended = await waiting;
  assert.deepEqual([ended.status, ended.exitCode, ended.pid, ended.oomKilled], ['stopped', 7, 0, false]);
  assert.ok(ended.finishedAt >= ended.startedAt && ended.startedAt >= created.createdAt);
  assert.deepEqual(ended.labels, { a: 'b' });
  await assert.rejects(box.runtime.start('x'), (error) => isPlatformError(error, 'conflict'));
  await box.runtime.kill('x', 15);
  await box.runtime.delete('x');
  await box.runtime.delete('x');
  await assert.rejects(box.runtime.state('x'), (error) => isPlatformError(error, 'not-found'));
  await assert.rejects(box.runtime.kill('x', 9), (error) => isPlatformError(error, 'not-found'));
});

test('an id is taken once, started once, and deleted only when stopped', async () => {
  await using box = new RuntimeFixture();
  const spec = box.spec(['sleep', '60'], { id: 'once' });
  await box.runtime.create(spec);
  await assert.rejects(box.runtime.create(spec), (error) => isPlatformError(error, 'already-exists'));
  await box.runtime.start('once');
  await assert.rejects(box.runtime.start('once'), (error) => isPlatformError(error, 'conflict'));
  await assert.rejects(box.runtime.delete('once'), (error) => isPlatformError(error, 'conflict'));
  await box.runtime.delete('once', { force: true });
});

test('a program that is missing or not executable fails the create, as with runc', async () => {
  await using box = new RuntimeFixture();
  mkdirSync(join(box.root.upperDir, 'opt'));
  writeFileSync(join(box.root.upperDir, 'opt/plain'), 'text', { mode: 0o644 });
  writeFileSync(join(box.root.upperDir, 'opt/broken'), 'text', { mode: 0o755 });
  const cases = [
    ['foo', 'exec: "foo": executable file not found in $PATH', 127],
    ['/no/foo', 'exec: "/no/foo": stat /no/foo: no such file or directory', 127],
    ['/opt/plain', 'exec: "/opt/plain": permission denied', 126],
    ['/opt', 'exec: "/opt": is a directory', 126],
  ] as const;
  for (const [program, message, exitCode] of cases) {
    await assert.rejects(box.run(box.spec([program])), (error) => {
      assert.ok(isPlatformError(error, 'invalid'));
      assert.deepEqual([error.message, error.details['exitCode']], [message, exitCode]);
      return true;
    });
  }
  await assert.rejects(box.run(box.spec(['/opt/broken'])), /[Ee]xec format error/);
});

test('signals reach the program; PID 1 reaps orphans', async () => {
  await using box = new RuntimeFixture();
  const script = 'trap "echo term; exit 9" TERM; echo ready; while :; do sleep 0.02; done';
  await box.runtime.create(box.spec(['sh', '-c', script], { id: 'sig' }));
  await box.runtime.start('sig');
  await until('the trap', () => box.logText('sig').includes('ready'));
  await box.runtime.kill('sig', 15);
  assert.equal((await box.runtime.wait('sig')).exitCode, 9);
  const killed = await box.sh('kill -INT $$; sleep 5');
  assert.equal(killed.state.exitCode, 130);
  const orphans = await box.sh(
    '(sleep 0.05 & exec true); sh -c "sleep 0.01 & exit"; sleep 0.2; grep -l "State:.Z" /proc/[0-9]*/status | wc -l',
  );
  assert.equal(orphans.stdout, '0\n');
});

test('a known init is PID 1 itself', async () => {
  await using box = new RuntimeFixture();
  const { stdout } = await box
    .run(box.spec(['/bin/tini', '-c', 'echo $$'], { id: 'tini' }))
    .catch(async () => {
      writeFileSync(join(box.root.upperDir, 'tini'), '#!/bin/sh\necho $$\n', { mode: 0o755 });
      return box.run(box.spec(['/tini'], { id: 'own' }));
    });
  assert.equal(stdout, '1\n');
});

test('log lines: order, parts of 16 KiB, bytes that are not text, an unfinished last line', async () => {
  await using box = new RuntimeFixture();
  const { state } = await box.sh(
    'echo one; echo err >&2; head -c 40000 /dev/zero | tr "\\0" x; echo; printf "\\377\\000\\n"; printf tail',
    { id: 'log' },
  );
  assert.equal(state.exitCode, 0);
  const raw = readFileSync(box.log('log'));
  const lines = raw.toString('latin1').trimEnd().split('\n');
  const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] /;
  for (const line of lines) assert.match(line, stamp);
  assert.match(box.logText('log'), /stderr F err\n/);
  const out = lines
    .filter((line) => line.includes(' stdout '))
    .map((line) => line.slice(31 + ' stdout '.length - 1));
  assert.deepEqual(
    out.map((line) => [line[0], line.length - 2]),
    [
      ['F', 3],
      ['P', 16384],
      ['P', 16384],
      ['F', 40000 - 32768],
      ['F', 2],
      ['P', 4],
    ],
  );
  assert.equal(out[4], 'F \xff\0');
});

test('a log is opened anew after a rotation', async () => {
  await using box = new RuntimeFixture();
  const script = 'echo before; until [ -e /go ]; do sleep 0.02; done; echo after';
  await box.runtime.create(box.spec(['sh', '-c', script], { id: 'rot' }));
  await box.runtime.start('rot');
  await until('the first line', () => box.logText('rot').includes('before'));
  renameSync(box.log('rot'), `${box.log('rot')}.1`);
  await box.runtime.reopenLog('rot');
  const { pid } = await box.runtime.state('rot');
  writeFileSync(`/proc/${pid}/root/go`, '');
  await box.runtime.wait('rot');
  assert.equal(streamOf(box.logText('rot'), 'stdout'), 'after\n');
});

test('a container does not wait for a full disk', async () => {
  await using box = new RuntimeFixture();
  const spec = box.spec(['sh', '-c', 'head -c 1000000 /dev/zero | tr "\\0" "\\n"; exit 4'], { id: 'full' });
  await box.runtime.create({ ...spec, stdio: { type: 'cri-log', path: '/dev/full' } });
  await box.runtime.start('full');
  assert.equal((await box.runtime.wait('full')).exitCode, 4);
  assert.match(readFileSync(join(box.instance.runDir, 'c/full/exit'), 'utf8'), /logDropped [1-9]\d{6}/);
});

test('another runtime object finds containers, waits for them and knows how they ended', async () => {
  await using box = new RuntimeFixture();
  await box.runtime.create(box.spec(['sleep', '60'], { id: 'live' }));
  await box.runtime.start('live');
  await box.runtime.create(box.spec(['sh', '-c', 'exit 5'], { id: 'dead' }));
  await box.runtime.start('dead');
  await box.runtime.wait('dead');
  await box.runtime.create(box.spec(['true'], { id: 'new' }));
  await box.runtime[Symbol.asyncDispose]();
  await using second = createRuntime(box.options);
  const states = new Map((await second.list()).map((state) => [state.id, state]));
  assert.deepEqual(
    ['live', 'dead', 'new'].map((id) => [states.get(id)?.status, states.get(id)?.exitCode]),
    [
      ['running', undefined],
      ['stopped', 5],
      ['created', undefined],
    ],
  );
  const waiting = second.wait('live');
  await second.kill('live', 9);
  assert.equal((await waiting).exitCode, 137);
});

test('kill -9 of the shim takes the container with it: stopped, 137', async () => {
  await using box = new RuntimeFixture();
  for (const user of ['', 'app']) {
    const id = `k${user}`;
    const script = 'sleep 1000 & echo up; sleep 1000';
    const { pid } = await box.runtime.create(box.spec(['sh', '-c', script], { id, user: { user } }));
    await box.runtime.start(id);
    await until('output', () => box.logText(id).includes('up'));
    const waiting = box.runtime.wait(id);
    for (const shim of box.shims().filter((each) => identityOf(each) !== undefined))
      process.kill(shim, 'SIGKILL');
    const state = await waiting;
    assert.deepEqual([state.status, state.exitCode], ['stopped', 137]);
    assert.deepEqual(box.cgroups.open(`${box.instance.cgroupParent}/pod/${id}`).pids(), []);
    // It leaves its cgroup a moment before it is a zombie.
    await until('init to end', () => identityOf(pid) === undefined);
  }
});

test('a wait ends with its signal, and leaves the container alone', async () => {
  await using box = new RuntimeFixture();
  await box.runtime.create(box.spec(['sleep', '60'], { id: 'w' }));
  await box.runtime.start('w');
  const abort = new AbortController();
  const waiting = box.runtime.wait('w', abort.signal);
  abort.abort();
  await assert.rejects(waiting);
  assert.equal((await box.runtime.state('w')).status, 'running');
});

test('the protocol: version, unknown requests, lines that are too long', async () => {
  await using box = new RuntimeFixture();
  await box.runtime.create(box.spec(['true'], { id: 'p' }));
  const talk = (text: string, enough: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      let heard = '';
      const socket = connect(join(box.instance.runDir, 'c/p/shim.sock'));
      socket.on('data', (data) => {
        heard += String(data);
        if (enough.test(heard)) socket.destroy();
      });
      socket.on('close', () => resolve(heard));
      socket.on('error', reject);
      socket.write(text);
    });
  assert.match(
    await talk('state\nsend-flowers now\nsignal 99\n', /error signal.*\n/),
    /^hello 1\nok state created pid=\d+ log-dropped=0 log-error=-\nerror send-flowers unknown\nerror signal EINVAL .*\n$/,
  );
  assert.match(await talk('x'.repeat(300), /E2BIG.*\n/), /error line E2BIG/);
  assert.match(await talk('state\n', /ok state.*\n/), /ok state created/);
});

test('a shim that was started ahead serves the next container, and one that has died is not missed', async () => {
  await using box = new RuntimeFixture({ spareShim: true });
  const children = (): number[] =>
    readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
      .split(' ')
      .filter(
        (pid) =>
          pid.trim() !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('sampan-shim\0    '),
      )
      .map(Number);
  await box.run(box.spec(['true']));
  await until('a spare shim', () => children().length === 1);
  const { state, stdout } = await box.sh('echo by the spare');
  assert.deepEqual([state.exitCode, stdout], [0, 'by the spare\n']);
  await until('another one', () => children().length === 1);
  const [spare] = children();
  process.kill(spare!, 'SIGKILL');
  await until('its end', () => children().length === 0);
  assert.equal((await box.sh('exit 3')).state.exitCode, 3);
});
