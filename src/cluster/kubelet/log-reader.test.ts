import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isPlatformError } from '../../base/errors.ts';
import { readCriLog, type ReadLogOptions } from './log-reader.ts';

async function logFile(t: TestContext, content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'log-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, '0.log');
  await writeFile(path, content);
  return path;
}

const line = (second: number, text: string, tag = 'F', stream = 'stdout'): string =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.123456789Z ${stream} ${tag} ${text}\n`;

async function read(path: string, options: ReadLogOptions = {}): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of readCriLog(path, options)) parts.push(part);
  return Buffer.concat(parts).toString();
}

test('joins pieces of a line, per stream', async (t) => {
  const path = await logFile(
    t,
    line(1, 'he', 'P') +
      line(1, 'ER', 'P', 'stderr') +
      line(1, 'llo') +
      line(1, 'R', 'F', 'stderr') +
      line(2, ''),
  );
  assert.equal(await read(path), 'hello\nERR\n\n');
});

test('skips what is not in the format', async (t) => {
  const path = await logFile(t, `garbage\n${line(1, 'good')}2026 torn`);
  assert.equal(await read(path), 'good\n');
});

test('timestamps, since and limit', async (t) => {
  const path = await logFile(t, line(1, 'one') + line(5, 'two') + line(9, 'three'));
  assert.equal(await read(path, { sinceMs: Date.UTC(2026, 0, 1, 0, 0, 5) }), 'two\nthree\n');
  assert.equal(
    await read(path, { timestamps: true, tailLines: 1 }),
    '2026-01-01T00:00:09.123456789Z three\n',
  );
  assert.equal(await read(path, { limitBytes: 6 }), 'one\ntw');
  assert.equal(await read(path, { limitBytes: 0 }), '');
});

test('the last lines, counted whole, also of a file of many chunks', async (t) => {
  const path = await logFile(t, line(1, 'one') + line(2, 'tw', 'P') + line(2, 'o') + line(3, 'three'));
  assert.equal(await read(path, { tailLines: 0 }), '');
  assert.equal(await read(path, { tailLines: 2 }), 'two\nthree\n');
  assert.equal(await read(path, { tailLines: 10 }), 'one\ntwo\nthree\n');
  const many = await logFile(t, Array.from({ length: 5000 }, (_, i) => line(1, `line ${i}`)).join(''));
  assert.equal(await read(many, { tailLines: 3 }), 'line 4997\nline 4998\nline 4999\n');
  assert.equal((await read(many, { tailLines: 3000 })).split('\n').length, 3001);
});

test('a missing file is not-found', async (t) => {
  const path = await logFile(t, '');
  await assert.rejects(read(`${path}.x`), (error) => isPlatformError(error, 'not-found'));
});

test('follows appends and a rotation until the writer has ended', { timeout: 10_000 }, async (t) => {
  const path = await logFile(t, line(1, 'one'));
  let ended = false;
  let wake: (() => void) | undefined;
  const options: ReadLogOptions = {
    follow: true,
    ended: () => ended,
    changed: (callback) => {
      wake = callback;
      return { [Symbol.dispose]: () => {} };
    },
  };
  const seen: string[] = [];
  const steps: Record<string, () => Promise<void>> = {
    'one\n': () => appendFile(path, line(2, 'two')),
    'two\n': async () => {
      await rename(path, `${path}.1`);
      await writeFile(path, line(3, 'three'));
    },
    'three\n': async () => {
      await appendFile(path, line(4, 'last'));
      ended = true;
      wake?.();
    },
  };
  for await (const part of readCriLog(path, options)) {
    const text = Buffer.from(part).toString();
    seen.push(text);
    await steps[text]?.();
  }
  assert.deepEqual(seen, ['one\n', 'two\n', 'three\n', 'last\n']);
});

test('following ends when the caller leaves', { timeout: 10_000 }, async (t) => {
  const path = await logFile(t, line(1, 'one'));
  const abort = new AbortController();
  for await (const part of readCriLog(path, { follow: true, signal: abort.signal })) {
    assert.equal(Buffer.from(part).toString(), 'one\n');
    setImmediate(() => abort.abort());
  }
});
