import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seededRandom } from '../../../base/random.ts';
import { ByteSlabs } from './byte-slabs.ts';
import { CachedObject } from './cached-object.ts';

function objectOf(name: string, padding: number): CachedObject {
  const text = JSON.stringify({ kind: 'K', apiVersion: 'v1', metadata: { name }, data: 'x'.repeat(padding) });
  return new CachedObject(name, Buffer.from(text), 1);
}

const nameOf = (object: CachedObject): unknown => object.peek().metadata.name;

test('what is in a slab reads as before, also after it was released', () => {
  const slabs = new ByteSlabs();
  const objects = Array.from({ length: 1000 }, (_, i) => objectOf(`n${i}`, 1000));
  for (const object of objects) slabs.put(object);
  assert.deepEqual(
    objects.map(nameOf),
    objects.map(({ key }) => key),
  );
  for (const object of objects) slabs.release(object);
  for (let i = 0; i < 1000; i++) slabs.put(objectOf(`m${i}`, 1000));
  assert.deepEqual(
    objects.map(nameOf),
    objects.map(({ key }) => key),
  );
});

test('what is large keeps its own buffer', () => {
  const slabs = new ByteSlabs();
  const object = objectOf('large', 100_000);
  slabs.put(object);
  assert.equal(slabs.size, 0);
  slabs.release(object);
  assert.equal(nameOf(object), 'large');
});

test('however objects come and go, the slabs hold little that is not in use', () => {
  const slabs = new ByteSlabs();
  const random = seededRandom(7);
  const there: CachedObject[] = [];
  let live = 0;
  for (let i = 0; i < 30_000; i++) {
    const object = objectOf(`n${i}`, Math.floor(random.next() * 3000));
    slabs.put(object);
    live += object.length;
    there.push(object);
    if (there.length <= 5000) continue;
    const [gone] = there.splice(Math.floor(random.next() * there.length), 1);
    slabs.release(gone!);
    live -= gone!.length;
  }
  assert.ok(slabs.size < live * 1.4, `${slabs.size} bytes for ${live}`);
  assert.ok(there.every((object) => nameOf(object) === object.key));
  for (const object of there) slabs.release(object);
  assert.ok(slabs.size <= 256 * 1024, `${slabs.size} bytes for nothing`);
});
