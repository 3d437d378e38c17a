/** A working directory by way of a descriptor that was left open, and the descriptors themselves: CVE-2024-21626. */
import assert from 'node:assert/strict';
import { closeSync, constants, openSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { step } from '../../src/container/runtime/program/instructions.ts';
import { ProgramRunner } from '../fixtures/program-runner.ts';

/** Of the caller's, and not close-on-exec once it is inherited: what a careless caller leaves to its runtime. */
function hostFolder(): Disposable & { readonly fd: number } {
  const fd = openSync('/', constants.O_RDONLY | constants.O_DIRECTORY);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

test('no descriptor is a working directory', async () => {
  await using box = new ProgramRunner();
  using host = hostFolder();
  const ids = step('ids', '0', '0', 'set-groups');
  for (let fd = 3; fd < 12; fd++) {
    symlinkSync(`/proc/self/fd/${fd}`, join(box.root, `link${fd}`));
    for (const path of [`/proc/self/fd/${fd}`, `/link${fd}`]) {
      const identity = [step('cwd', path), ids];
      const { opcode } = await box.refusal({ identity, descriptors: [host.fd, host.fd] });
      assert.equal(opcode, 'cwd', path);
    }
  }
});

/** Every descriptor of PID 1 that is a file: its mount must be one of the container's. The hook's own state is none. */
const foreign = `
for fd in /proc/1/fd/*; do
  case $(readlink $fd) in /memfd:*) ;; /*)
    id=$(sed -n 's/^mnt_id:[[:space:]]*//p' /proc/1/fdinfo/\${fd##*/})
    grep -q "^$id " /proc/1/mountinfo || echo "$fd $(readlink $fd)"
  esac
done >&2
exit 1`;

test('init has no descriptor of the host’s when the container’s own programs run', async () => {
  await using box = new ProgramRunner();
  using host = hostFolder();
  const hook = (name: string): readonly ReturnType<typeof step>[] => [
    step('hook-state', '{"pid":', '}'),
    step('hook', name, '/bin/sh', '0', '3', 'sh', '-c', foreign, 'PATH=/bin'),
  ];
  const volume = box.folder('volume');
  const parent = [step('tree', '0', volume, 'rec', '0', '0', '0', '0', '0')];
  const inside = [
    step('attach', '0', '/vol'),
    step('mask', '/proc/keys', ''),
    step('mask', '/proc/acpi', ''),
  ];
  for (const options of [
    { parent, inside, identity: [step('ids', '0', '0', 'set-groups'), ...hook('after pivot')] },
    { parent, identity: [step('ids', '0', '0', 'set-groups'), ...hook('with a tree left')] },
  ]) {
    // The hook fails to say what it saw: nothing.
    const { message } = await box.refusal({ ...options, descriptors: [host.fd, host.fd] });
    assert.match(message, /hook \/bin\/sh: exit status 1$/);
  }
});
