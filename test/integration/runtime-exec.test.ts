/** One process more in a container that runs: `sampan-shim exec` below the real runtime. */
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { isPlatformError } from '../../src/base/errors.ts';
import type { ExecProcess, ExecSpec } from '../../src/container/runtime/runtime.ts';
import { RuntimeFixture, streamOf, until } from '../fixtures/runtime-fixture.ts';

const PLAIN = { terminal: false, stdin: false };

async function running(box: RuntimeFixture): Promise<(exec: Partial<ExecSpec>) => Promise<ExecProcess>> {
  const spec = box.spec(['sleep', '600'], { id: 'main' });
  await box.runtime.create({ ...spec, process: { ...spec.process!, env: ['GREETING=hello'] } });
  await box.runtime.start('main');
  return (exec) => box.runtime.exec('main', { ...PLAIN, args: ['true'], ...exec });
}

async function outcome(process: ExecProcess): Promise<[string, string, number]> {
  return await Promise.all([text(process.stdout), text(process.stderr), process.exited]);
}

test('output, errors and exit code come back, in the container with its environment', async () => {
  await using box = new RuntimeFixture();
  const exec = await running(box);
  const script = 'echo $GREETING; hostname; echo bad > /dev/stderr; cat; exit 7';
  const [out, err, code] = await outcome(await exec({ args: ['sh', '-c', script] }));
  assert.deepEqual([out.split('\n')[0], err, code], ['hello', 'bad\n', 7]);
});

test('input is passed on, and its end', async () => {
  await using box = new RuntimeFixture();
  const exec = await running(box);
  const process = await exec({ args: ['wc', '-c'], stdin: true });
  const body = Buffer.alloc(3 << 20, 'x');
  process.stdin!.end(body);
  const [out, , code] = await outcome(process);
  assert.deepEqual([out.trim(), code], [String(body.length), 0]);
});

test('more output than anybody buffers arrives whole, also from a process that has ended', async () => {
  await using box = new RuntimeFixture();
  const exec = await running(box);
  const [out, , code] = await outcome(await exec({ args: ['sh', '-c', 'yes | head -c 5000000'] }));
  assert.deepEqual([out.length, code], [5_000_000, 0]);
});

test('a terminal has the size that it is given, and one output', async () => {
  await using box = new RuntimeFixture();
  const exec = await running(box);
  const process = await exec({ args: ['sh'], terminal: true, stdin: true });
  process.resize({ width: 101, height: 33 });
  process.stdin!.write('tty; stty size; echo error >&2; exit 3\n');
  const [out, err, code] = await outcome(process);
  assert.match(out, /\/dev\/pts\/0/);
  assert.match(out, /33 101/);
  assert.match(out, /^error/m);
  assert.deepEqual([err, code], ['', 3]);
});

test('a process dies with whoever wanted it', async () => {
  await using box = new RuntimeFixture();
  const exec = await running(box);
  const count = async (): Promise<string> =>
    (await outcome(await exec({ args: ['sh', '-c', 'ps -o args | grep -c "[s]leep 4242"'] })))[0].trim();
  const process = await exec({ args: ['sleep', '4242'] });
  assert.equal(await count(), '1');
  process[Symbol.dispose]();
  await until('the process is gone', async () => (await count()) === '0');
});

test('a killed process has 128 and the signal; what cannot be run says why', async () => {
  await using box = new RuntimeFixture();
  const exec = await running(box);
  const [, , code] = await outcome(await exec({ args: ['sh', '-c', 'kill -9 $$'] }));
  assert.equal(code, 137);
  await assert.rejects(exec({ args: ['nowhere'] }), (error) => {
    assert.ok(isPlatformError(error, 'invalid'));
    assert.match(error.message, /exec: "nowhere": executable file not found in \$PATH/);
    return true;
  });
  await box.runtime.kill('main', 9);
  await box.runtime.wait('main');
  await assert.rejects(exec({}), (error) => isPlatformError(error, 'conflict'));
});

async function attachable(
  box: RuntimeFixture,
  args: readonly string[],
  stdio: { readonly terminal?: boolean; readonly input?: 'keep' | 'once' },
): Promise<void> {
  const spec = box.spec(args, { id: 'main' });
  await box.runtime.create({ ...spec, stdio: { type: 'cri-log', path: box.log('main'), ...stdio } });
}

test('whoever is attached sees the output, and so does the log; input ends with the first of them', async () => {
  await using box = new RuntimeFixture();
  await attachable(box, ['sh', '-c', 'echo ready; cat; echo over >&2; exit 4'], { input: 'once' });
  using first = await box.runtime.attach('main', { stdin: true });
  using second = await box.runtime.attach('main', { stdin: false });
  await box.runtime.start('main');
  assert.equal(second.stdin, undefined);
  first.stdin!.end(Buffer.alloc(300_000, 'abcdefg\n'));
  const seen = await Promise.all(
    [first.stdout, first.stderr!, second.stdout, second.stderr!].map((one) => text(one)),
  );
  assert.deepEqual(
    seen.map((one) => one.length),
    [300_006, 5, 300_006, 5],
  );
  assert.equal((await box.runtime.wait('main')).exitCode, 4);
  assert.equal(streamOf(box.logText('main'), 'stdout'), seen[0]);
});

test('input that is kept outlives those who are attached', async () => {
  await using box = new RuntimeFixture();
  await attachable(box, ['sh', '-c', 'read a; read b; echo $a-$b'], { input: 'keep' });
  await box.runtime.start('main');
  for (const word of ['one', 'two']) {
    using attached = await box.runtime.attach('main', { stdin: true });
    attached.stdin!.end(`${word}\n`);
    await new Promise((resolve) => attached.stdin!.once('close', resolve));
  }
  await box.runtime.wait('main');
  assert.equal(streamOf(box.logText('main'), 'stdout'), 'one-two\n');
});

test('a container with a terminal: its size, its keys, its log', async () => {
  await using box = new RuntimeFixture();
  await attachable(box, ['sh'], { terminal: true, input: 'keep' });
  await box.runtime.start('main');
  using attached = await box.runtime.attach('main', { stdin: true });
  let seen = '';
  attached.stdout.on('data', (part: Buffer) => (seen += part.toString()));
  attached.resize({ width: 99, height: 31 });
  // The sleep says that it is the one in the foreground: before that, the key would find the shell.
  attached.stdin!.write(`tty; stty size; sh -c 'echo be"gun"; exec sleep 600'\n`);
  await until('the size', () => /31 99[^]*begun/.test(seen));
  attached.stdin!.write('\x03');
  attached.stdin!.write('echo still $((40 + 2)); exit 5\n');
  assert.equal((await box.runtime.wait('main')).exitCode, 5);
  assert.match(seen, /\/dev\/pts\/0/);
  await until('the rest', () => /still 42/.test(seen));
  assert.match(box.logText('main'), / stdout F still 42/);
});
