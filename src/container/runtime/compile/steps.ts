import { posix } from 'node:path';
import { type Instruction, type Opcode } from '../program/instructions.ts';
import { MAX_ARGS } from '../program/program-text.ts';

/** Splits what may be longer than one instruction holds; the parts add up. */
export function steps(
  opcode: Opcode & ('environment' | 'arguments' | 'cgroup'),
  args: readonly string[],
): Instruction[] {
  const parts: Instruction[] = [];
  for (let at = 0; at < args.length; at += MAX_ARGS)
    parts.push({ opcode, args: args.slice(at, at + MAX_ARGS) });
  return parts;
}

/** A path below the root as the executor wants it: absolute, without empty or dot parts. `..` does not lead out. */
export function clean(path: string): string {
  return posix.join('/', path).replace(/(?<=.)\/$/, '');
}
