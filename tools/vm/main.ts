/**
 * The VM lane: `node tools/vm/main.ts test [FILE…]` runs test/vm in a machine of its own, `… shell [COMMAND]` opens a shell
 * there. See the README beside this file.
 */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifest } from '../../test/vm/manifest.ts';
import { follow } from './follow.ts';
import type { Plan } from './guest/events.ts';
import { type Image, imageFor } from './image.ts';
import { Machine } from './machine.ts';
import { Report } from './report.ts';
import { entryOf, select } from './selection.ts';
import { makeWorkImage } from './work-image.ts';

const root = join(import.meta.dirname, '../..');
const ci = process.env['CI'] === 'true';
/** Seconds from power-on for the guest to get to its test runner; unloaded, it takes about five. */
const BOOT_DEADLINE = 120;
/** Seconds for all of it, the image included: CI has five minutes. */
const DEADLINE = Number(process.env['DEADLINE'] ?? (ci ? 290 : 1200));
const TEST_TIMEOUT_MS = 120_000;
const CONSOLE_LINES = 40;
/** Variables that tests in the machine see. */
const PASSED_ON = ['SAMPAN_OCI_RUNTIME'];

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function main([command, ...rest]: readonly string[]): Promise<number> {
  if (process.arch !== 'x64' || process.getuid?.() !== 0) {
    say('vm: the lane needs an x64 machine, and root to build its image');
    return 1;
  }
  if (command === 'shell') return await shell(rest.join(' '));
  if (command === 'test') return await test(rest);
  say('usage: node tools/vm/main.ts test [FILE…] | shell [COMMAND]');
  return 2;
}

async function test(wanted: readonly string[]): Promise<number> {
  const files = globSync('test/vm/*.test.ts', { cwd: root }).toSorted();
  const { chosen, leftOut } = select({ files, wanted, ci, manifest });
  const image = imageFor(root, say);
  using folder = scratch();
  const workImage = workImageIn(folder.path, planFor(chosen), '');
  const allowedSkips = JSON.parse(read('test/allowed-skips.json') ?? '{}') as Record<string, string>;
  const report = new Report(chosen, allowedSkips, () => performance.now());
  const onEvent = (line: string): void => {
    for (const text of report.acceptLine(line)) say(text);
  };
  const began = performance.now();
  await using machine = new Machine({
    ...{ image, workImage, folder: folder.path, unit: 'sampan-tests.service', onEvent },
  });
  const limits = { bootSeconds: BOOT_DEADLINE, seconds: DEADLINE, spentSeconds: performance.now() / 1000 };
  const trouble = await follow({ machine, report, ...limits });
  writeFileSync(join(root, '.cache/vm/console.log'), `${machine.console.join('\n')}\n`);
  if (trouble !== undefined) {
    say(`vm: ${trouble}`);
    for (const line of report.running()) say(`  running: ${line}`);
    say(`  the last ${CONSOLE_LINES} lines of its console (all of it is in .cache/vm/console.log):`);
    for (const line of machine.console.slice(-CONSOLE_LINES)) say(`  | ${line}`);
  }
  for (const [file, seconds] of report.seconds) say(`vm: ${seconds.toFixed(1).padStart(6)} s ${file}`);
  for (const file of report.unfinished) {
    for (const line of [`✖ ${file}: did not end`, ...report.outputOf(file)]) say(line);
  }
  say(`vm: ${((performance.now() - began) / 1000).toFixed(1)} s from power-on to power-off`);
  if (wanted.length === 0) for (const { file, why } of leftOut) say(`vm: left out ${file}: ${why}`);
  else say(`vm: left out ${leftOut.length} files that were not asked for`);
  const { passed, failed } = report.totals;
  say(`${passed} passed, ${failed} failed`);
  return trouble === undefined && failed === 0 && passed > 0 ? 0 : 1;
}

/** The console is this terminal; the end of the shell is the end of the machine. */
async function shell(command: string): Promise<number> {
  const image: Image = imageFor(root, say);
  using folder = scratch();
  const { columns = 80, rows = 24 } = process.stdout;
  const interactive = `echo 'The repository is in /work-under-test, read-only. exit ends the machine.'\nexec bash -l\n`;
  const script = `stty columns ${columns} rows ${rows}\n${command === '' ? interactive : command}\n`;
  const workImage = workImageIn(folder.path, planFor([]), script);
  await using machine = new Machine({
    ...{ image, workImage, folder: folder.path, unit: 'sampan-shell.service', interactive: true },
  });
  await machine.ended;
  return 0;
}

/** Two at a time, as there are two processors. */
function planFor(files: readonly string[]): Plan {
  const names = Object.keys(process.env).filter((name) => PASSED_ON.includes(name));
  const env = Object.fromEntries(names.map((name) => [name, process.env[name]!]));
  const planned = files.map((file) => {
    const { seconds, alone } = entryOf(file, manifest);
    return { file, timeout: timeoutOf(seconds), alone: alone ?? false };
  });
  return { files: planned, concurrency: 2, testTimeout: TEST_TIMEOUT_MS, env };
}

/** Of a whole file, in milliseconds: five times what it takes, for a machine that has other things to do. */
function timeoutOf(seconds: number): number {
  return Math.max(TEST_TIMEOUT_MS, seconds * 5000);
}

function workImageIn(folder: string, plan: Plan, script: string): string {
  const file = join(folder, 'work.img');
  const extra = process.env['EXTRA'];
  makeWorkImage(root, file, { plan, shell: script, ...(extra === undefined ? {} : { extra }) });
  return file;
}

function scratch(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'sampan-vm-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return undefined;
  }
}

process.exitCode = await main(process.argv.slice(2));
