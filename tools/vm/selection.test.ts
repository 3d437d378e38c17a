import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { manifest } from '../../test/vm/manifest.ts';
import { faultsIn, select } from './selection.ts';

const files = ['test/vm/long.test.ts', 'test/vm/quick.test.ts', 'test/vm/slow.test.ts'];
const known = {
  'quick.test.ts': { seconds: 2 },
  'slow.test.ts': { seconds: 90, leftOutOfCi: 'takes 90 s' },
  'long.test.ts': { seconds: 9 },
};

test('without CI all run, the longest first', () => {
  const { chosen, leftOut } = select({ files, wanted: [], ci: false, manifest: known });
  assert.deepEqual(chosen, ['test/vm/slow.test.ts', 'test/vm/long.test.ts', 'test/vm/quick.test.ts']);
  assert.deepEqual(leftOut, []);
});

test('CI leaves out what the manifest says, with its reason', () => {
  const { chosen, leftOut } = select({ files, wanted: [], ci: true, manifest: known });
  assert.deepEqual(chosen, ['test/vm/long.test.ts', 'test/vm/quick.test.ts']);
  assert.deepEqual(leftOut, [{ file: 'test/vm/slow.test.ts', why: 'takes 90 s' }]);
});

test('what is asked for by name runs, in CI too, and the rest is named', () => {
  const { chosen, leftOut } = select({ files, wanted: ['test/vm/slow.test.ts'], ci: true, manifest: known });
  assert.deepEqual(chosen, ['test/vm/slow.test.ts']);
  assert.deepEqual(
    leftOut.map(({ why }) => why),
    ['not asked for', 'not asked for'],
  );
});

test('a name that is no test file is an error', () => {
  assert.throws(
    () => select({ files, wanted: ['test/vm/nope.test.ts'], ci: false, manifest: known }),
    /no such test file: test\/vm\/nope\.test\.ts/,
  );
});

test('files without an entry, entries without a file and a set too long for CI are faults', () => {
  assert.deepEqual(
    faultsIn({ ...known, 'gone.test.ts': { seconds: 1 } }, [...files, 'test/vm/new.test.ts'], 11),
    ['new.test.ts has no entry', 'gone.test.ts does not exist', 'the CI set takes 12 s, more than 11 s'],
  );
});

test('the manifest is right, and the CI set leaves time for the image and the boot', () => {
  const here = globSync('test/vm/*.test.ts', { cwd: join(import.meta.dirname, '../..') });
  assert.deepEqual(faultsIn(manifest, here, 200), []);
});
