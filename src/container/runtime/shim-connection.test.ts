import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPlatformError } from '../../base/errors.ts';
import { parseAnswer, ShimConnection } from './shim-connection.ts';
import { creationError } from './shim-process.ts';
import { parseExit } from './state-folder.ts';

/** A shim that says `hello`, and to each line what `answer` makes of it. */
async function fakeShim(
  hello: string,
  answer: (line: string) => string,
): Promise<AsyncDisposable & { path: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sp-'));
  const path = join(folder, 'shim.sock');
  const server: Server = createServer((socket) => {
    socket.write(hello);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const line of String(data).split('\n').filter(Boolean)) socket.write(answer(line));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
}

test('answers find their requests, the exit its waiter', async () => {
  await using shim = await fakeShim('hello 1\n', (line) =>
    line === 'wait'
      ? 'ok wait\nexit 137 9 1234 1\n'
      : line === 'signal 15'
        ? 'ok signal\n'
        : 'error start EALREADY 0 already started\n',
  );
  using connection = (await ShimConnection.open(shim.path))!;
  const start = assert.rejects(connection.request('start'), (error) => isPlatformError(error, 'conflict'));
  assert.equal(await connection.request('signal', '15'), '');
  await start;
  await connection.request('wait');
  assert.deepEqual(await connection.ended, { exitCode: 137, signal: 9, finishedAt: 1234, oomKilled: true });
});

test('an older shim without a request says so; one of a version that we do not know is refused', async () => {
  await using old = await fakeShim('hello 1\n', (line) => `error ${line} unknown\n`);
  using connection = (await ShimConnection.open(old.path))!;
  await assert.rejects(connection.request('checkpoint'), (error) => isPlatformError(error, 'unsupported'));
  await using future = await fakeShim('hello 99\n', () => '');
  await assert.rejects(ShimConnection.open(future.path), /speaks version 99/);
});

test('nobody listening is no connection', async () => {
  assert.equal(await ShimConnection.open(`/nowhere/${'x'.repeat(120)}/shim.sock`), undefined);
  assert.equal(await ShimConnection.open('/nowhere/shim.sock'), undefined);
});

test('lines', () => {
  const answer = parseAnswer('error start ENOENT 127 exec: "x": executable file not found in $PATH');
  assert.ok(answer.kind === 'error');
  assert.equal(answer.error.message, 'exec: "x": executable file not found in $PATH');
  assert.equal(answer.error.details['exitCode'], 127);
  assert.throws(() => parseAnswer('garbage'), /said "garbage"/);
  const error = creationError('c', 'error 12 bind ENOENT 0 bind mount source /x: No such file or directory');
  assert.equal(error.message, 'container c: step 12 (bind): bind mount source /x: No such file or directory');
  assert.deepEqual(error.details, { step: 12, opcode: 'bind', errno: 'ENOENT' });
  assert.equal(creationError('c', '').code, 'internal');
  assert.deepEqual(parseExit('exitCode 3\nsignal 0\nfinishedAt 5\noomKilled 0\nfuture 1\n'), {
    exitCode: 3,
    signal: 0,
    finishedAt: 5,
    oomKilled: false,
  });
});
