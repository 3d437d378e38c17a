import { PlatformError } from '../../../base/errors.ts';
import type { Instruction, Opcode } from './instructions.ts';

/** As many as native/shim.h's ARGS_MAX allows, rounded down. */
export const MAX_ARGS = 4000;

/** `opcode SP argc NUL` and each argument with its NUL: nothing to escape, nothing to parse. */
export function encodeProgram(instructions: readonly Instruction[]): Buffer {
  const strings = instructions.flatMap(({ opcode, args }) => {
    for (const arg of args) {
      if (arg.includes('\0'))
        throw new PlatformError('invalid', `${opcode}: an argument contains a NUL byte`);
    }
    if (args.length > MAX_ARGS)
      throw new PlatformError('invalid', `${opcode}: ${args.length} arguments, want at most ${MAX_ARGS}`);
    return [`${opcode} ${args.length}`, ...args];
  });
  return Buffer.from(strings.map((text) => `${text}\0`).join(''));
}

/** For `explain` and tests. `invalid` when it is not a program. */
export function decodeProgram(program: Uint8Array): Instruction[] {
  const strings = Buffer.from(program).toString().split('\0');
  if (strings.pop() !== '') throw new PlatformError('invalid', 'program: cut off');
  const instructions: Instruction[] = [];
  for (let at = 0; at < strings.length;) {
    const match = /^([a-z-]+) (\d+)$/.exec(strings[at]!);
    const args = strings.slice(at + 1, at + 1 + Number(match?.[2]));
    if (match === null || args.length !== Number(match[2])) {
      throw new PlatformError('invalid', `program: "${strings[at]}" is not an opcode and a count`);
    }
    instructions.push({ opcode: match[1]! as Opcode, args });
    at += 1 + args.length;
  }
  return instructions;
}
