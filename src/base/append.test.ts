import assert from 'node:assert/strict';
import { test } from 'node:test';
import { append } from './append.ts';

test('a list is added, however long', () => {
  const target = [1];
  append(
    target,
    Array.from({ length: 500_000 }, (_, index) => index),
  );
  assert.equal(target.length, 500_001);
  assert.equal(target.at(-1), 499_999);
});
