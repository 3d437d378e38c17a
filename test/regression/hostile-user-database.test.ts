/** What an image has for /etc/passwd and /etc/group is read by its own init, which must end all the same. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { step } from '../../src/container/runtime/program/instructions.ts';
import { ProgramRunner } from '../fixtures/program-runner.ts';

const make: Readonly<Record<string, (path: string) => void>> = {
  fifo: (path) => execFileSync('mkfifo', [path]),
  'device without an end': (path) => symlinkSync('/dev/zero', path),
  'file without a line': (path) => {
    writeFileSync(path, '');
    truncateSync(path, 2 ** 40);
  },
};

for (const [name, makeFile] of Object.entries(make)) {
  test(`users and groups in a ${name}`, { timeout: 20_000 }, async () => {
    await using box = new ProgramRunner();
    for (const file of ['passwd', 'group']) {
      rmSync(join(box.root, 'etc', file));
      makeFile(join(box.root, 'etc', file));
    }
    const inside = [step('device', '/dev/zero', 'c', '666', '1', '5', '0', '0')];
    // Not a shell, nor id: they read these files themselves.
    const status = ['cat', '/proc/self/status'];
    const { stdout } = await box.run(status, { inside, identity: [step('user', '7:8', '9')] });
    assert.match(stdout, /Uid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\n/);
    assert.match(stdout, /Groups:\t9 \n/);
    const { message } = await box.refusal({ inside, identity: [step('user', 'app')] });
    assert.match(message, /unable to find user app/);
  });
}
