/** `sampan image from-host` and `sampan run`, as a person types them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { instanceOf } from '../../src/base/instance.ts';
import { eventually } from '../fixtures/eventually.ts';
import { assertNothingLeft, leftovers } from '../fixtures/leaks.ts';
import { runProgram, SAMPAN, type Ran } from '../fixtures/sampan.ts';

describe('sampan run', () => {
  let dataDir = '';

  before(async () => {
    dataDir = realpathSync(mkdtempSync(join(tmpdir(), 'sampan-run-')));
    const packed = await runProgram([
      SAMPAN,
      'image',
      'from-host',
      '--data-dir',
      dataDir,
      'tools',
      'busybox',
      'sh',
      'id',
    ]);
    assert.equal(packed.code, 0, packed.stderr);
  });

  after(async () => {
    await assertNothingLeft(instanceOf(dataDir));
    rmSync(dataDir, { recursive: true, force: true });
  });

  const run = (args: readonly string[], input?: string): Promise<Ran> =>
    runProgram([SAMPAN, 'run', '--data-dir', dataDir, ...args], { input });

  test('passes standard input, output, errors and the exit code on', async () => {
    const result = await run(['tools', 'sh', '-c', 'busybox cat; echo oops >&2; exit 7'], 'from outside\n');
    assert.deepEqual(result, { code: 7, stdout: 'from outside\n', stderr: 'oops\n' });
  });

  test('is isolated: own processes, host name, network and a root of its own', async () => {
    const { stdout } = await run([
      '--hostname',
      'box',
      'tools',
      'busybox',
      'sh',
      '-c',
      'busybox hostname; busybox ps | busybox wc -l; busybox ls /sys/class/net; busybox id -u; busybox ls /',
    ]);
    const [hostname, processes, network, uid, ...root] = stdout.trim().split('\n');
    assert.equal(hostname, 'box');
    assert.ok(Number(processes) <= 6, `${processes} lines of ps`);
    assert.equal(network, 'lo');
    assert.equal(uid, '0');
    assert.ok(!root.includes('boot'), root.join(' '));
  });

  test('holds the limits it is given', async () => {
    const { code } = await run([
      '-m',
      '32m',
      'tools',
      'busybox',
      'sh',
      '-c',
      'busybox head -c 200m /dev/zero | busybox tail -c 200m >/dev/null',
    ]);
    assert.equal(code, 137);
    const forks = await run([
      '--pids-limit',
      '8',
      'tools',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3 4 5 6 7 8 9 10; do busybox sleep 5 & done',
    ]);
    assert.match(forks.stderr, /fork|Resource temporarily unavailable/);
  });

  test('reaps orphans and passes signals on', async () => {
    const child = spawn(SAMPAN, [
      'run',
      '--data-dir',
      dataDir,
      'tools',
      'busybox',
      'sh',
      '-c',
      'trap "echo bye; exit 3" TERM; (busybox sleep 0 &); echo up; while true; do busybox sleep 0.05; done',
    ]);
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await eventually('the container is up', () => out.includes('up'));
    child.kill('SIGTERM');
    await eventually('it ends', () => child.exitCode !== null);
    assert.equal(child.exitCode, 3);
    assert.match(out, /bye/);
  });

  test('a killed `sampan run` takes its container along', async () => {
    const child = spawn(SAMPAN, [
      'run',
      '--data-dir',
      dataDir,
      'tools',
      'busybox',
      'sh',
      '-c',
      'echo up; busybox sleep 1000',
    ]);
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await eventually('the container is up', () => out.includes('up'));
    child.kill('SIGKILL');
    const processes = (): string[] =>
      leftovers(instanceOf(dataDir)).filter((line) => line.startsWith('process'));
    await eventually('its processes are gone', () => processes().length === 0);
    assert.equal((await run(['tools', 'busybox', 'true'])).code, 0, 'the next run sweeps the rest');
  });

  test('says in one line what is wrong', async () => {
    const missing = await run(['nothing', 'true']);
    assert.match(missing.stderr, /^sampan: image "nothing" is not in the store; .*\n$/);
    assert.notEqual(missing.code, 0);
    const noProgram = await run(['tools', 'no-such-program']);
    assert.match(noProgram.stderr, /"no-such-program": executable file not found in \$PATH/);
    assert.equal(noProgram.code, 127);
    const badLimit = await run(['-m', 'lots', 'tools', 'sh']);
    assert.match(badLimit.stderr, /^sampan: --memory lots: want bytes/);
    assert.equal(badLimit.code, 2);
  });
});
