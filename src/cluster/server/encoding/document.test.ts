import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { systemClock } from '../../../base/clock.ts';
import type { JsonValue } from '../../api/json.ts';
import { Documents, jsonSteps, type Steps } from './document.ts';

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
    const { bytes, hash } = await documents.get(String(i), () => jsonSteps(value));
    assert.equal(Buffer.from(bytes).toString(), JSON.stringify(value));
    assert.equal(hash, createHash('sha512').update(JSON.stringify(value)).digest('hex'));
  }
});

test('is made once for all who ask, in slices, and again after a failure', async () => {
  let now = 0;
  const documents = new Documents({ ...systemClock, monotonic: () => now++ });
  let made = 0;
  let turns = 0;
  const make = function* (): Steps<Uint8Array> {
    made++;
    for (let i = 0; i < 10; i++) yield;
    return Buffer.from('x');
  };
  const count = (): void => {
    turns++;
    if (turns < 1000) setImmediate(count);
  };
  setImmediate(count);
  const [one, two] = await Promise.all([documents.get('a', make), documents.get('a', make)]);
  assert.equal(one, two);
  assert.equal(made, 1);
  assert(turns >= 5, `the loop had ${turns} turns meanwhile`);
  turns = 1000;
  const fail = (): never => {
    throw new Error('not now');
  };
  await assert.rejects(documents.get('b', fail), /not now/);
  await documents.get('b', make);
  assert.equal(made, 2);
  documents.drop('a');
  await documents.get('a', make);
  assert.equal(made, 3);
});
