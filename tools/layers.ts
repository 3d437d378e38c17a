/**
 * The gate for two rules that the design lives on:
 *  - who may import whom (layers.json);
 *  - under cluster/, time and chance come from outside: no Date, timers, performance.now, AbortSignal.timeout, Math.random, randomUUID.
 *
 * `node tools/layers.ts FOLDER` prints each violation as file:line and exits 1 when there is one.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { stripTypeScriptTypes } from 'node:module';

const LAYERS = JSON.parse(readFileSync(join(import.meta.dirname, 'layers.json'), 'utf8')) as Record<
  string,
  string[]
>;

const AMBIENT =
  /\b(Date\s*[.(]|new\s+Date\b|setTimeout\b|setInterval\b|setImmediate\b|performance\s*\.\s*now|AbortSignal\s*\.\s*timeout|Math\s*\.\s*random|randomUUID\b|node:timers)/g;

/** `new Date(x)` and `Date.parse(x)` only format and read what was given: pure, so allowed. */
const PURE_DATE = /^(new\s+Date\s*\(\s*[^)\s]|Date\s*\.\s*(parse|UTC)\b)/;

export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export function checkLayers(root: string): Violation[] {
  return globSync('**/*.ts', { cwd: root })
    .toSorted()
    .flatMap((file) => checkFile(root, file));
}

function checkFile(root: string, file: string): Violation[] {
  const source = readFileSync(join(root, file), 'utf8');
  const room = roomOf(file);
  if (room === undefined) return [{ file, line: 1, message: 'stands in no room of tools/layers.json' }];
  const violations = importViolations({ root, file, source, room });
  if (room.startsWith('cluster/') && !file.endsWith('.test.ts') && !file.includes('/generated/')) {
    violations.push(...ambientViolations(file, source));
  }
  return violations;
}

function roomOf(file: string): string | undefined {
  return Object.keys(LAYERS)
    .filter((room) => room !== '//' && file.startsWith(`${room}/`))
    .toSorted((a, b) => b.length - a.length)[0];
}

function importViolations(at: { root: string; file: string; source: string; room: string }): Violation[] {
  const allowed = LAYERS[at.room] ?? [];
  const violations: Violation[] = [];
  for (const match of at.source.matchAll(
    /(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+)['"](\.{1,2}\/[^'"]+)['"]/g,
  )) {
    const target = relative(at.root, resolve(at.root, dirname(at.file), match[1]!));
    const room = roomOf(target);
    if (room === at.room || allowed.includes('*') || (room !== undefined && allowed.includes(room))) continue;
    // A test may use the test doubles and fixtures of test/.
    if (room === undefined && at.file.endsWith('.test.ts') && target.startsWith('../test/')) continue;
    const line = lineOf(at.source, match.index);
    violations.push({
      file: at.file,
      line,
      message: `${at.room} must not import ${room ?? target} (tools/layers.json)`,
    });
  }
  return violations;
}

function ambientViolations(file: string, source: string): Violation[] {
  const code = withoutCommentsAndStrings(source);
  return [...code.matchAll(AMBIENT)]
    .filter((match) => !PURE_DATE.test(code.slice(match.index, match.index + 40)))
    .map((match) => ({
      file,
      line: lineOf(code, match.index),
      message: `${match[0].trim()} under cluster/: take a Clock or Random instead`,
    }));
}

/** Blanks comments and string contents, keeping every position; template expressions stay code. */
function withoutCommentsAndStrings(source: string): string {
  const blank = (text: string): string => text.replaceAll(/[^\n]/g, ' ');
  return stripTypeScriptTypes(source, { mode: 'strip' }).replaceAll(
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g,
    blank,
  );
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

if (import.meta.main) {
  const root = resolve(process.argv[2] ?? 'src');
  const violations = checkLayers(root);
  for (const { file, line, message } of violations)
    process.stderr.write(`${join(root, file)}:${line}: ${message}\n`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
