import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { systemClock } from '../../../base/clock.ts';
import type { JsonValue } from '../../api/json.ts';
import { Documents, inSlices, jsonSteps, type Steps } from './document.ts';

const bytesOf = (text: string) => async (): Promise<Uint8Array> => Buffer.from(text);

test('writes JSON as JSON.stringify does', async () => {
  const values: JsonValue[] = [
    {},
    [],
    null,
    'é"\n',
    { a: undefined, b: [1, [], {}, [{ c: { d: [{ e: 1 }] } }]], f: { g: {} } },
    { 'key "x"': { y: [null, true, 'z'] } },
  ];
  const documents = new Documents(systemClock);
  for (const [i, value] of values.entries()) {
    const { bytes, hash } = await documents.get(String(i), [], () => inSlices(jsonSteps(value), systemClock));
    assert.equal(Buffer.from(bytes).toString(), JSON.stringify(value));
    assert.equal(hash, createHash('sha512').update(JSON.stringify(value)).digest('hex'));
  }
});

test('is made once for all who ask, in slices, and again after a failure', async () => {
  let now = 0;
  const clock = { ...systemClock, monotonic: () => now++ };
  const documents = new Documents(clock);
  let made = 0;
  let turns = 0;
  const steps = function* (): Steps<Uint8Array> {
    made++;
    for (let i = 0; i < 10; i++) yield;
    return Buffer.from('x');
  };
  const make = (): Promise<Uint8Array> => inSlices(steps(), clock);
  const count = (): void => {
    turns++;
    if (turns < 1000) setImmediate(count);
  };
  setImmediate(count);
  const [one, two] = await Promise.all([documents.get('a', [], make), documents.get('a', [], make)]);
  assert.equal(one, two);
  assert.equal(made, 1);
  assert(turns >= 5, `the loop had ${turns} turns meanwhile`);
  turns = 1000;
  const fail = (): never => {
    throw new Error('not now');
  };
  await assert.rejects(documents.get('b', [], fail), /not now/);
  await documents.get('b', [], make);
  assert.equal(made, 2);
});

test('stays for as long as what it is made of, and is wanted', async () => {
  const documents = new Documents(systemClock);
  const [one, other] = [{}, {}];
  const first = await documents.get('a', [one, other], bytesOf('1'));
  assert.equal(await documents.get('a', [one, other], bytesOf('2')), first);
  for (const parts of [[one], [other, one], [one, {}], []]) {
    const next = await documents.get('a', parts, bytesOf(`${parts.length}`));
    assert.notEqual(next, first);
    assert.equal(await documents.get('a', parts, bytesOf('3')), next);
  }
  const kept = await documents.get('b', [], bytesOf('1'));
  const last = await documents.get('a', [], bytesOf('3'));
  documents.keepOnly((id) => id === 'b');
  assert.equal(await documents.get('b', [], bytesOf('3')), kept);
  assert.notEqual(await documents.get('a', [], bytesOf('3')), last);
});

test('one that is late, or fails, is for those who asked for it alone', async () => {
  const documents = new Documents(systemClock);
  const [slow, broken] = [Promise.withResolvers<Uint8Array>(), Promise.withResolvers<Uint8Array>()];
  const late = documents.get('a', [1], () => slow.promise);
  const failing = documents.get('a', [2], () => broken.promise);
  const newest = await documents.get('a', [3], bytesOf('newest'));
  slow.resolve(Buffer.from('late'));
  assert.equal(Buffer.from((await late).bytes).toString(), 'late');
  broken.reject(new Error('not now'));
  await assert.rejects(failing, /not now/);
  assert.equal(await documents.get('a', [3], bytesOf('again')), newest);
});
