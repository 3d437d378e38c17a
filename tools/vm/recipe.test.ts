import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { codeNameIn, recipeOf } from './recipe.ts';

const DEBIAN = 'ID=debian\nVERSION_CODENAME=bookworm\n';

test('the code name is that of a Debian release, or there is none', () => {
  assert.equal(codeNameIn(DEBIAN), 'bookworm');
  assert.throws(() => codeNameIn('ID=ubuntu\nVERSION_CODENAME=noble\n'), /Debian/);
  assert.throws(() => codeNameIn('ID=debian\n'), /Debian/);
});

test('the key changes with an ingredient and with Node, not with what is laid beside the image', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sampan-recipe-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(import.meta.dirname, folder, { recursive: true });
  const key = (version = '26.0.0'): string => recipeOf(folder, version, DEBIAN).key;
  const before = key();
  assert.notEqual(key('26.0.1'), before);
  writeFileSync(join(folder, 'guest/run-tests.ts'), '');
  assert.equal(key(), before);
  writeFileSync(join(folder, 'rootfs/etc/motd'), 'hello');
  const after = key();
  assert.notEqual(after, before);
  rmSync(join(folder, 'rootfs/etc/systemd/user/basic.target.wants/delegated.service'));
  assert.notEqual(key(), after);
});
