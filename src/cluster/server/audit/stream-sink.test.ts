import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { silentLogger } from '../../../base/log.ts';
import type { AuditEvent } from './audit.ts';
import { streamSink } from './stream-sink.ts';

const MEGABYTE = 1024 * 1024;
const event = (bytes: number): AuditEvent => ({
  stage: 'ResponseComplete',
  line: Buffer.alloc(bytes, 'x'),
});

test('requests wait while nobody reads, and what waits is written before the sink ends', async () => {
  const stream = new PassThrough();
  const sink = streamSink(stream, silentLogger);
  for (let i = 0; i < 16; i++) assert.equal(sink.record(event(MEGABYTE)), undefined);
  const held = [sink.record(event(MEGABYTE)), sink.record(event(MEGABYTE))];
  assert.ok(held.every((each) => each instanceof Promise));
  let read = 0;
  stream.on('data', (part: Buffer) => (read += part.length));
  await Promise.all(held);
  assert.equal(sink.record(event(3)), undefined);
  stream.pause();
  void sink.record(event(MEGABYTE));
  const ended = sink[Symbol.asyncDispose]();
  stream.resume();
  await ended;
  await new Promise(setImmediate);
  assert.equal(read, 19 * MEGABYTE + 3);
});

test('when nobody can read any more that is told, and no request waits for it', async () => {
  const told: string[] = [];
  const stream = new PassThrough();
  const sink = streamSink(stream, { ...silentLogger, error: (text) => void told.push(text) });
  for (let i = 0; i < 17; i++) void sink.record(event(MEGABYTE));
  const held = sink.record(event(MEGABYTE));
  const closed = new Promise((resolve) => stream.once('close', resolve));
  stream.destroy(new Error('EPIPE'));
  await Promise.all([held, closed]);
  assert.equal(sink.record(event(1)), undefined);
  await sink[Symbol.asyncDispose]();
  assert.deepEqual(told, ['cannot write the audit log']);
});
