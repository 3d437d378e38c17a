import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeInSlices } from './encode-in-slices.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { parseShared } from './parse-in-slices.ts';

test('what is written in slices is what JSON.stringify writes', async () => {
  const strange = JSON.parse(
    '{"__proto__":{"a":1},"10":1,"2":[],"":{},"é\\"\\n":"\\ud83d\\ude00"}',
  ) as JsonValue;
  const values: JsonValue[] = [
    null,
    true,
    0,
    -1.5e30,
    '',
    [],
    {},
    [[], {}, null],
    strange,
    { gone: undefined, b: [1] },
    { a: { gone: undefined, list: Array.from({ length: 50 }, () => strange) } },
    { first: undefined, many: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, [[i]]])) },
    Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? [] : {})),
  ];
  for (const value of [...values, values]) {
    assert.equal(String(await encodeInSlices(value)), JSON.stringify(value));
  }
});

test('a list that was read before is written as it was read', async () => {
  const env = Array.from({ length: 3000 }, (_, i) => ({ name: `é${i}`, value: '"' }));
  const spaced = `{"spec":{"c":[{"env":${JSON.stringify(env).replaceAll(',', ', ')}}]}}`;
  const read = (await parseShared(spaced, {
    without: ['metadata', 'managedFields'],
    inOneGo: 1000,
  })) as JsonObject;
  assert.deepEqual(read, { spec: { c: [{ env }] } });
  assert.equal(String(await encodeInSlices({ ...read, status: {} })), `${spaced.slice(0, -1)},"status":{}}`);
});

test('others have a turn while a wide object is written', async () => {
  const wide = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`key-${i}`, { n: i }]));
  let turns = 0;
  let over = false;
  const turn = (): void => {
    turns++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  const written = await encodeInSlices(wide);
  over = true;
  assert.equal(String(written), JSON.stringify(wide));
  assert.ok(turns >= 10, `${turns} turns`);
});
