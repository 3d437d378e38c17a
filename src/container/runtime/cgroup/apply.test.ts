import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { PlatformError } from '../../../base/errors.ts';
import { armFailpoints } from '../../../base/failpoint.ts';
import { applyWrites, type ResourceFolders } from './apply.ts';
import { write, type ResourceWrite } from './resource-write.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sampan-apply-'));
});
afterEach(() => {
  armFailpoints('');
  rmSync(folder, { recursive: true });
});

const FOLDERS: ResourceFolders = {
  folderOf: (controller) => (controller === 'none' ? undefined : folder),
  explain: (controller) => `why ${controller} is missing`,
};

const file = (name: string, value: string): void => writeFileSync(join(folder, name), value);
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const to = (name: string, value: string, more: Partial<ResourceWrite> = {}): ResourceWrite => ({
  ...write(['x', name], value, `field.${name}`),
  ...more,
});

test('values are written in order to the files that are there', () => {
  file('a', '1');
  file('c', '1');
  applyWrites(
    [to('a', '2'), to('b', '2', { otherwise: to('c', '3') }), to('d', '4', { optional: true })],
    FOLDERS,
  );
  assert.deepEqual([read('a'), read('c'), existsSync(join(folder, 'd'))], ['2', '3', false]);
});

test('a file or a hierarchy that is missing is unsupported, and the field is named', () => {
  assert.throws(() => applyWrites([to('b', '2', { otherwise: to('c', '3') })], FOLDERS), {
    code: 'unsupported',
    message: `linux.resources.field.b: ${folder} has no b or c: why x is missing`,
  });
  assert.throws(() => applyWrites([write(['none', 'a'], 1, 'field.a')], FOLDERS), {
    code: 'unsupported',
    message: 'linux.resources.field.a: why none is missing',
  });
});

test('what was written before a failure is put back, last first', () => {
  file('a', 'old a');
  file('b', 'old b');
  assert.throws(() => applyWrites([to('a', 'new'), to('b', 'new'), to('c', 'new')], FOLDERS));
  assert.deepEqual([read('a'), read('b')], ['old a', 'old b']);
});

test('a file of several lines is not put back: it does not hold what writing it takes', () => {
  file('a', 'x 1\ny 2\n');
  assert.throws(() => applyWrites([to('a', 'x 3'), to('c', '')], FOLDERS));
  assert.equal(read('a'), 'x 3');
});

test('a value that the kernel forgets is unsupported', () => {
  file('a', '1');
  applyWrites([to('a', '2', { verify: true })], FOLDERS);
  // Reads nothing, whatever is written.
  symlinkSync('/dev/null', join(folder, 'b'));
  assert.throws(() => applyWrites([to('b', '2', { verify: true })], FOLDERS), {
    code: 'unsupported',
    message: /^linux\.resources\.field\.b: this kernel keeps nothing/,
  });
});

test('a limit below what is in use is refused before anything is written', () => {
  file('memory.current', '500\n');
  file('a', 'max');
  assert.throws(() => applyWrites([to('a', '400', { unlessUsed: 400 })], FOLDERS), {
    code: 'conflict',
    message: 'linux.resources.field.a: 400 is not above the 500 bytes in use',
  });
  assert.equal(read('a'), 'max');
  applyWrites([to('a', '501', { unlessUsed: 501 })], FOLDERS);
  assert.equal(read('a'), '501');
});

test('an error that is not the kernel’s is passed on', () => {
  file('a', '1');
  armFailpoints('kernel.cgroup.write=error');
  assert.throws(
    () => applyWrites([to('a', '2')], FOLDERS),
    (error) => {
      assert.ok(error instanceof PlatformError);
      assert.match(error.message, /failpoint/);
      return true;
    },
  );
});
