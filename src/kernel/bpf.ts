/**
 * eBPF as far as cgroups need it: an assembler for straight programs with forward jumps, and bpf(2) for programs that
 * decide about devices (BPF_PROG_TYPE_CGROUP_DEVICE, Linux 4.15; replacement 5.6).
 */
import { constants } from 'node:os';
import { PlatformError } from '../base/errors.ts';
import { failpoint } from '../base/failpoint.ts';
import { address, syscall, syscallError, trySyscall } from './syscall.ts';

export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** Operation codes (include/uapi/linux/bpf.h): class | operation | source. */
export const BPF = {
  /** dst = *(u32 *)(src + off) */
  LOAD32: 0x61,
  /** 64-bit arithmetic with an immediate. */
  MOVE: 0xb7,
  AND: 0x57,
  SHIFT_RIGHT: 0x77,
  /** dst = src */
  COPY: 0xbf,
  JUMP_EQUAL: 0x15,
  JUMP_NOT_EQUAL: 0x55,
  EXIT: 0x95,
} as const;

interface Instruction {
  readonly operation: number;
  readonly to: Register;
  readonly from: Register;
  readonly offset: number;
  readonly immediate: number;
  /** The jump's target instead of an offset. */
  readonly label?: string;
}

const INSTRUCTION_BYTES = 8;

/** Collects instructions; jumps name labels, which stand anywhere after them. */
export class BpfAssembler {
  readonly #instructions: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  load32(to: Register, from: Register, offset: number): this {
    return this.#add({ operation: BPF.LOAD32, to, from, offset });
  }

  move(to: Register, immediate: number): this {
    return this.#add({ operation: BPF.MOVE, to, immediate });
  }

  copy(to: Register, from: Register): this {
    return this.#add({ operation: BPF.COPY, to, from });
  }

  and(to: Register, immediate: number): this {
    return this.#add({ operation: BPF.AND, to, immediate });
  }

  shiftRight(to: Register, bits: number): this {
    return this.#add({ operation: BPF.SHIFT_RIGHT, to, immediate: bits });
  }

  jumpIfEqual(register: Register, immediate: number, label: string): this {
    return this.#add({ operation: BPF.JUMP_EQUAL, to: register, immediate, label });
  }

  jumpUnlessEqual(register: Register, immediate: number, label: string): this {
    return this.#add({ operation: BPF.JUMP_NOT_EQUAL, to: register, immediate, label });
  }

  exit(): this {
    return this.#add({ operation: BPF.EXIT });
  }

  label(name: string): this {
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  /** struct bpf_insn after struct bpf_insn, little-endian, as both of our architectures are. */
  assemble(): Uint8Array {
    const bytes = Buffer.alloc(this.#instructions.length * INSTRUCTION_BYTES);
    for (const [index, each] of this.#instructions.entries()) {
      const at = index * INSTRUCTION_BYTES;
      bytes.writeUInt8(each.operation, at);
      bytes.writeUInt8((each.from << 4) | each.to, at + 1);
      bytes.writeInt16LE(each.label === undefined ? each.offset : this.#distance(index, each.label), at + 2);
      bytes.writeInt32LE(each.immediate, at + 4);
    }
    return bytes;
  }

  #distance(index: number, label: string): number {
    const target = this.#labels.get(label);
    // The verifier of old kernels refuses loops, and nothing here needs one.
    if (target === undefined || target <= index) throw new Error(`bpf: no label ${label} after its jump`);
    return target - index - 1;
  }

  #add(instruction: Partial<Instruction> & { operation: number }): this {
    this.#instructions.push({ to: 0, from: 0, offset: 0, immediate: 0, ...instruction });
    return this;
  }
}

const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_DETACH = 9;
const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_PROG_QUERY = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;
const BPF_F_REPLACE = 4;
/** What the kernel lets one cgroup have (BPF_CGROUP_MAX_PROGS). */
const MAX_PROGRAMS = 64;
const VERIFIER_LOG_BYTES = 65_536;
/** The verifier gives up with EAGAIN when a signal comes (4.20). */
const MAX_INTERRUPTIONS = 30;

/** Loads a device program; its descriptor. The verifier's words are in the error. */
export function loadDeviceProgram(instructions: Uint8Array): number {
  failpoint('kernel.bpf.load');
  const license = Buffer.from('Apache-2.0\0');
  const log = Buffer.alloc(VERIFIER_LOG_BYTES);
  const load = (withLog: boolean): number => {
    const attributes = Buffer.alloc(48);
    attributes.writeUInt32LE(BPF_PROG_TYPE_CGROUP_DEVICE, 0);
    attributes.writeUInt32LE(instructions.length / INSTRUCTION_BYTES, 4);
    attributes.writeBigUInt64LE(address(instructions), 8);
    attributes.writeBigUInt64LE(address(license), 16);
    if (withLog) {
      attributes.writeUInt32LE(1, 24);
      attributes.writeUInt32LE(log.length, 28);
      attributes.writeBigUInt64LE(address(log), 32);
    }
    for (let interrupted = 0; ; interrupted++) {
      const result = trySyscall('bpf', BPF_PROG_LOAD, attributes, attributes.length);
      if (result !== -constants.errno.EAGAIN || interrupted === MAX_INTERRUPTIONS) return result;
    }
  };
  const fd = load(false);
  if (fd >= 0) return fd;
  const again = load(true);
  if (again >= 0) return again;
  const words = log.toString('latin1', 0, log.indexOf(0)).trim();
  throw syscallError('bpf', -fd, {
    detail: `load a device program${words === '' ? '' : `: ${words.split('\n').slice(-3).join('; ')}`}`,
  });
}

export interface Attachment {
  /** Descriptor of the cgroup's folder (v2). */
  readonly cgroup: number;
  readonly program: number;
  /** This program's place is taken, in one step. */
  readonly replace?: number;
}

/** Attaches beside what others have attached: access needs the consent of all. */
export function attachDeviceProgram({ cgroup, program, replace }: Attachment): void {
  failpoint('kernel.bpf.attach');
  const attributes = attachAttributes(cgroup, program);
  attributes.writeUInt32LE(BPF_F_ALLOW_MULTI | (replace === undefined ? 0 : BPF_F_REPLACE), 12);
  attributes.writeUInt32LE(replace ?? 0, 16);
  syscall('bpf', BPF_PROG_ATTACH, attributes, attributes.length);
}

export function detachDeviceProgram(cgroup: number, program: number): void {
  failpoint('kernel.bpf.detach');
  const attributes = attachAttributes(cgroup, program);
  syscall('bpf', BPF_PROG_DETACH, attributes, attributes.length);
}

/** Ids of the programs attached to this very cgroup, not to those above it. */
export function devicePrograms(cgroup: number): number[] {
  const ids = new Uint32Array(MAX_PROGRAMS);
  // As long as the whole of the kernel's structure: 6.17 writes its last field, whatever length it is told.
  const attributes = Buffer.alloc(64);
  attributes.writeUInt32LE(cgroup, 0);
  attributes.writeUInt32LE(BPF_CGROUP_DEVICE, 4);
  attributes.writeBigUInt64LE(address(new Uint8Array(ids.buffer)), 16);
  attributes.writeUInt32LE(ids.length, 24);
  syscall('bpf', BPF_PROG_QUERY, attributes, attributes.length);
  return [...ids.subarray(0, attributes.readUInt32LE(24))];
}

/** A descriptor of the program with this id; `undefined` when it is gone. */
export function openProgram(id: number): number | undefined {
  const attributes = Buffer.alloc(16);
  attributes.writeUInt32LE(id, 0);
  try {
    return syscall('bpf', BPF_PROG_GET_FD_BY_ID, attributes, attributes.length);
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'not-found') return undefined;
    throw error;
  }
}

function attachAttributes(cgroup: number, program: number): Buffer {
  const attributes = Buffer.alloc(24);
  attributes.writeUInt32LE(cgroup, 0);
  attributes.writeUInt32LE(program, 4);
  attributes.writeUInt32LE(BPF_CGROUP_DEVICE, 8);
  return attributes;
}
