/**
 * The instructions that TypeScript compiles and those that `native/` executes are the same ones: every opcode of
 * `instructions.ts` is dispatched somewhere in C, and C dispatches nothing else.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');

/** The keys of the interface, which is flat: one line begins each. */
function declared(source: string): string[] {
  const body = /export interface Instructions \{(.*?)^\}/ms.exec(source)?.[1] ?? '';
  return [...body.matchAll(/^ {2}'?([a-z-]+)'?:\s/gm)].map(([, name]) => name!);
}

/** What C compares an instruction's opcode with: rows of dispatch tables, and single comparisons. */
function dispatched(source: string): string[] {
  const tables = [...source.matchAll(/const char \*opcode;.*?\} table\[\] = \{(.*?)\};/gs)].flatMap(
    ([, rows]) => [...rows!.matchAll(/\{"([a-z-]+)",/g)].map(([, name]) => name!),
  );
  const single = [...source.matchAll(/strcmp\((?:\w+->|\w+\.)?opcode, "([a-z-]+)"\)/g)].map(
    ([, name]) => name!,
  );
  return [...tables, ...single];
}

test('the compiler and the executor know the same instructions', () => {
  const known = declared(readFileSync(join(root, 'src/container/runtime/program/instructions.ts'), 'utf8'));
  const files = globSync('native/*.c', { cwd: root });
  const executed = new Set(files.flatMap((file) => dispatched(readFileSync(join(root, file), 'utf8'))));
  assert.ok(known.length > 60 && known.includes('hook-state') && known.includes('exec'), known.join(' '));
  assert.deepEqual(
    known.filter((opcode) => !executed.has(opcode)),
    [],
    'declared in instructions.ts, executed nowhere in native/',
  );
  assert.deepEqual(
    [...executed].filter((opcode) => !known.includes(opcode)),
    [],
    'executed in native/, declared nowhere in instructions.ts',
  );
});

test('a difference would be seen', () => {
  const interfaceText =
    "export interface Instructions {\n  /** x */\n  fly: [];\n  'no-fly': [a: string];\n}\n";
  assert.deepEqual(declared(interfaceText), ['fly', 'no-fly']);
  const table =
    'static const struct {\n\tconst char *opcode;\n\tint (*run)(void);\n} table[] = {\n\t{"fly", do_fly},\n\t{"swim", do_swim},\n};\n';
  assert.deepEqual(dispatched(table), ['fly', 'swim']);
  assert.deepEqual(dispatched('strcmp(in->opcode, "sink") == 0 || strcmp(opcode, "dive") == 0'), [
    'sink',
    'dive',
  ]);
});
