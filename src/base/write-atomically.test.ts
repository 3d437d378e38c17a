import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeAtomically } from './write-atomically.ts';

test('a file is replaced as a whole, for its owner alone, and only by something else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'write-'));
  try {
    const path = join(folder, 'new/file');
    const state = (): unknown => {
      const { ino, mode } = statSync(path);
      return [ino, (mode & 0o777).toString(8), readFileSync(path, 'utf8')];
    };
    writeAtomically(path, 'one');
    const first = state() as [number, string, string];
    assert.deepEqual(first.slice(1), ['600', 'one']);
    writeAtomically(path, 'one');
    assert.deepEqual(state(), first, 'the same file');
    chmodSync(path, 0o644);
    writeAtomically(path, 'one');
    assert.deepEqual((state() as unknown[]).slice(1), ['600', 'one']);
    writeAtomically(path, 'two', { volatile: true });
    assert.deepEqual((state() as unknown[]).slice(1), ['600', 'two']);
    assert.deepEqual(readdirSync(join(folder, 'new')), ['file']);
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    writeAtomically(join(folder, 'pipe'), 'three');
    assert.equal(readFileSync(join(folder, 'pipe'), 'utf8'), 'three');
    assert.throws(() => writeAtomically(join(path, 'below'), 'x'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
