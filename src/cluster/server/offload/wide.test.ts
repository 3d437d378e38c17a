import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWide } from './wide.ts';

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test('wide is what has many values, however long they are', () => {
  const data = (count: number, value: string): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, value]));
  assert.equal(isWide(json({ data: data(1100, 'a') }), 1000), true);
  assert.equal(isWide(json({ data: data(900, 'a') }), 1000), false);
  assert.equal(isWide(json({ data: data(3, 'a'.repeat(500_000)) }), 1000), false);
  assert.equal(isWide(Buffer.from('a: b\n'.repeat(2000)), 1000), true);
  assert.equal(isWide(Buffer.from('a: b\n'.repeat(500)), 1000), false);
  assert.equal(isWide(Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(8000)]), 1000), true);
  assert.equal(isWide(Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(2000)]), 1000), false);
});
