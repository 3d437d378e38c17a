import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom, uuid } from './random.ts';

test('chance comes once, whatever the sizes that it is asked for in', () => {
  const seen = new Set<string>();
  for (let i = 0; i < 2000; i++) {
    const size = [16, 32, 1500][i % 3]!;
    const bytes = systemRandom.bytes(size);
    assert.equal(bytes.length, size);
    assert.ok(bytes.some((byte) => byte !== 0));
    seen.add(Buffer.from(bytes).toString('hex', 0, 16));
  }
  assert.equal(seen.size, 2000);
});

test('what somebody does with his bytes changes nobody else', () => {
  const [first, second] = [systemRandom.bytes(16), systemRandom.bytes(16)];
  const before = Buffer.from(second).toString('hex');
  first.fill(255);
  assert.equal(Buffer.from(second).toString('hex'), before);
});

test('UUIDs say their version and variant', () => {
  assert.match(uuid(systemRandom), /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});
