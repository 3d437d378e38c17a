import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
test('systemd is PID 1', () => {
  assert.equal(readFileSync('/proc/1/comm', 'utf8'), 'systemd\n');
});
test('cgroup', () => {
  console.log(
    process.env['SAMPAN_VM_CGROUP'],
    readFileSync('/sys/fs/cgroup' + process.env['SAMPAN_VM_CGROUP'] + '/cgroup.subtree_control', 'utf8'),
  );
});
