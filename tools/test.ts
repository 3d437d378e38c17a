/**
 * Runs the tests: `node tools/test.ts [unit|integration|conformance|FILE…]`. A skipped or todo test is a failure unless
 * test/allowed-skips.json names it with its reason.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const root = join(import.meta.dirname, '..');
process.chdir(root);

const SETS: Record<string, readonly string[]> = {
  unit: ['src/**/*.test.ts', 'tools/**/*.test.ts', 'test/gates/*.test.ts'],
  integration: ['test/native/*.test.ts', 'test/integration/*.test.ts'],
  conformance: ['test/conformance/*.test.ts'],
  regression: ['test/regression/*.test.ts'],
};

const wanted = process.argv.slice(2);
const patterns =
  wanted.length === 0 ? Object.values(SETS).flat() : wanted.flatMap((name) => SETS[name] ?? [name]);
const files = globSync([...patterns])
  .toSorted()
  .map((file) => join(root, file));
const allowedFile = join(root, 'test/allowed-skips.json');
const allowed = existsSync(allowedFile)
  ? (JSON.parse(readFileSync(allowedFile, 'utf8')) as Record<string, string>)
  : {};

let failed = files.length === 0;
const stream = run({
  files,
  concurrency: 2,
  timeout: 180_000,
  execArgv: ['--disable-warning=ExperimentalWarning'],
});
stream.on('test:fail', () => {
  failed = true;
});
stream.on('test:pass', ({ name, skip, todo }) => {
  if ((skip === undefined && todo === undefined) || name in allowed) return;
  failed = true;
  process.stderr.write(`skipped without an entry in test/allowed-skips.json: ${name}\n`);
});
stream.compose(new spec()).pipe(process.stdout);
stream.on('end', () => {
  process.exitCode = failed ? 1 : 0;
});
