import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitTables, type SyscallTables } from './syscalls-emit.ts';
import { addNewer } from './syscalls-newer.ts';

function tables(x64: readonly (readonly [string, number])[]): SyscallTables {
  return {
    x64: new Map(x64),
    x86: new Map([['read', 3]]),
    x32: new Map([['read', 0]]),
    arm64: new Map([['read', 63]]),
    arm: new Map([
      ['read', 3],
      ['set_tls', 983045],
    ]),
  };
}

test('a name is written once, its numbers by architecture', () => {
  const text = emitTables(
    tables([
      ['write', 1],
      ['read', 0],
    ]),
  );
  assert.match(text, /export const syscallNames =\n {2}'read write set_tls';/);
  const column = (arch: string): Int16Array => {
    const [, base64] = new RegExp(`${arch}:\\n\\s+'([^']*)'`).exec(text)!;
    return new Int16Array(new Uint8Array(Buffer.from(base64!, 'base64')).buffer);
  };
  assert.deepEqual([...column('x64')], [0, 1, -1]);
  assert.deepEqual([...column('x86')], [3, -1, -1]);
  assert.deepEqual([...column('arm64')], [63, -1, -1]);
  assert.match(text, /export const farNumbers = 'set_tls=983045';/);
});

test('newer calls are added, and what the headers know already must agree', () => {
  const some = tables([['read', 0]]);
  addNewer(some);
  assert.equal(some.x64.get('mseal'), 462);
  assert.equal(some.arm.get('mseal'), 462);
  assert.equal(some.x64.get('uretprobe'), 335);
  assert.equal(some.arm64.has('uretprobe'), false);
  assert.throws(() => addNewer(tables([['mseal', 461]])), /x64: mseal is 461, not 462/);
});
