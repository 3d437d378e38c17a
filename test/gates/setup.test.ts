/** Set-up says in one line what a machine lacks when it may not install it itself. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');

test('missing packages are named in one line with the command that installs them', (t) => {
  const bin = mkdtempSync(join(tmpdir(), 'sampan-setup-'));
  t.after(() => rmSync(bin, { recursive: true, force: true }));
  // A PATH with what the script itself needs and nothing else; its user is not root.
  for (const program of ['dirname', 'uname', 'npm']) symlinkSync(`/usr/bin/${program}`, join(bin, program));
  writeFileSync(join(bin, 'id'), '#!/bin/sh\necho 1000\n');
  chmodSync(join(bin, 'id'), 0o755);
  const { status, stdout, stderr } = spawnSync('/bin/sh', [join(root, 'tools/setup.sh'), 'test'], {
    encoding: 'utf8',
    env: { PATH: bin },
  });
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /^setup: missing: gcc musl-tools .*skopeo.*; install them \(Debian: apt-get install gcc .*\) and run again\n$/,
  );
});
