import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workerUrl } from './worker-url.ts';

test('a worker is found beside the sources and in a bundle', () => {
  assert.equal(workerUrl('a-worker', 'file:///s/a.ts').pathname, '/s/a-worker.ts');
  assert.equal(workerUrl('a-worker', 'file:///dist/sampan.js').pathname, '/dist/a-worker.js');
  assert.equal(workerUrl('a-worker', 'file:///dist/chunks/up-ABC.js').pathname, '/dist/a-worker.js');
});
