import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlatformError } from '../../base/errors.ts';
import { candidates, formatReference, localReference } from './reference.ts';

const names = (reference: string): string[] => candidates(reference).map(formatReference);

test('a bare name is looked for here first, then under the name that Docker gives it', () => {
  assert.deepEqual(names('hello'), ['localhost/hello:latest', 'docker.io/library/hello:latest']);
  assert.deepEqual(names('team/hello:v1'), ['localhost/team/hello:v1', 'docker.io/team/hello:v1']);
});

test('a name with a registry means that registry only', () => {
  assert.deepEqual(names('localhost/hello'), ['localhost/hello:latest']);
  assert.deepEqual(names('docker.io/hello'), ['docker.io/library/hello:latest']);
  assert.deepEqual(names('index.docker.io/library/hello:x'), ['docker.io/library/hello:x']);
  assert.deepEqual(names('registry.example:5000/a/b'), ['registry.example:5000/a/b:latest']);
  assert.deepEqual(names('[::1]:5000/a'), ['[::1]:5000/a:latest']);
});

test('a digest is kept beside the tag', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  assert.equal(candidates(`localhost/a@${digest}`)[0]?.digest, digest);
  assert.throws(() => localReference(`a@${digest}`), /by a tag/);
});

for (const bad of [
  '',
  ':x',
  'Hello',
  'a//b',
  'a/',
  '-a',
  'a:',
  'a:b c',
  'a..b',
  '../a',
  'a@sha256:12',
  `a:${'x'.repeat(129)}`,
  'a'.repeat(256),
  'ho_st.x/a/B',
]) {
  test(`"${bad.slice(0, 20)}" is not a reference`, () => {
    assert.throws(
      () => candidates(bad),
      (error) => isPlatformError(error, 'invalid'),
    );
  });
}
