/** Device rules as an eBPF program for cgroup v2. */
import { closeSync, constants, openSync } from 'node:fs';
import { BpfAssembler } from '../../../kernel/bpf.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { ALL_ACCESS, type CheckedRule, type DeviceType } from './device-rules.ts';

const CONTEXT = 1;
const TYPE = 2;
/** Bits asked for that no rule has decided yet. */
const OPEN_ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;
const SCRATCH = 6;
/** BPF_DEVCG_DEV_* */
const TYPE_NUMBER: Readonly<Record<DeviceType, number>> = { b: 1, c: 2 };

/**
 * The program looks at the rules from the last to the first: a rule for the device decides those of the accesses asked
 * for that are still open. A denied one ends it with 0, the last allowed one with 1; what no rule decides is denied.
 * Nothing may stand after a rule for everything, since the verifier refuses code that cannot be reached.
 */
export function compileDeviceProgram(rules: readonly CheckedRule[]): Uint8Array {
  // struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor
  const code = new BpfAssembler()
    .load32(TYPE, CONTEXT, 0)
    .copy(OPEN_ACCESS, TYPE)
    .and(TYPE, 0xffff)
    .shiftRight(OPEN_ACCESS, 16)
    .load32(MAJOR, CONTEXT, 4)
    .load32(MINOR, CONTEXT, 8);
  const decide = (allow: boolean): void => void code.move(0, allow ? 1 : 0).exit();
  for (const [index, { allow, device }] of rules.entries().toArray().toReversed()) {
    if (device === undefined) {
      decide(allow);
      return code.assemble();
    }
    const { type, major, minor, access } = device;
    const next = `before ${index}`;
    code.jumpUnlessEqual(TYPE, TYPE_NUMBER[type], next);
    if (major !== undefined) code.jumpUnlessEqual(MAJOR, major, next);
    if (minor !== undefined) code.jumpUnlessEqual(MINOR, minor, next);
    if (access !== ALL_ACCESS) {
      if (allow) code.and(OPEN_ACCESS, ALL_ACCESS & ~access).jumpUnlessEqual(OPEN_ACCESS, 0, next);
      else code.copy(SCRATCH, OPEN_ACCESS).and(SCRATCH, access).jumpIfEqual(SCRATCH, 0, next);
    }
    decide(allow);
    code.label(next);
  }
  decide(false);
  return code.assemble();
}

/**
 * Puts the rules into force on a v2 cgroup. What is attached to it already goes: one program is replaced in one
 * step, several (systemd's is one) are detached after ours is in, so that at no time more is allowed than before or after.
 */
export function attachDeviceRules(kernel: Kernel, folder: string, rules: readonly CheckedRule[]): void {
  using stack = new DisposableStack();
  const keep = (fd: number): number => {
    stack.defer(() => kernel.close(fd));
    return fd;
  };
  const cgroup = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  stack.defer(() => closeSync(cgroup));
  const program = keep(kernel.loadDeviceProgram(compileDeviceProgram(rules)));
  const old = kernel.devicePrograms(cgroup).flatMap((id) => kernel.openProgram(id) ?? []);
  old.forEach(keep);
  const [only, ...more] = old;
  if (only !== undefined && more.length === 0) {
    kernel.attachDeviceProgram({ cgroup, program, replace: only });
    return;
  }
  kernel.attachDeviceProgram({ cgroup, program });
  for (const each of old) kernel.detachDeviceProgram(cgroup, each);
}
