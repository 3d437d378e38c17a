/**
 * Runs the validation programs of opencontainers/runtime-tools against OCI runtimes and prints a table:
 *   node tools/oci-validation.ts SUITE [--runtime PATH]… [--only NAME]… [--verbose]
 * SUITE is the folder of the suite as it builds itself; nothing is written into it. Each program runs in mount and process
 * namespaces of its own with an empty /run, so that whatever it or the runtime leaves behind goes with them. Needs root.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const TIMEOUT_SECONDS = 60;
/** What the suite itself or a runtime without a cgroup path in its configuration names cgroups. */
const SUITE_CGROUPS = ['testdir', 'cgrouptest', '????????-????-????-????-????????????'];

interface Outcome {
  readonly passed: boolean;
  readonly assertions: number;
  /** What failed: assertions by their description, else the exit code with the last line of the errors. */
  readonly failures: readonly string[];
  readonly seconds: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runtime: { type: 'string', multiple: true },
    only: { type: 'string', multiple: true },
    verbose: { type: 'boolean', default: false },
  },
});
const [suite] = positionals;
if (suite === undefined) {
  process.stderr.write('usage: node tools/oci-validation.ts SUITE [--runtime PATH]… [--only NAME]…\n');
  process.exit(2);
}
const folder = resolve(suite);
const own = join(import.meta.dirname, '../bin/sampan-oci');
const runtimes = (values.runtime ?? ['/usr/sbin/runc', own]).map((path) => resolve(path));

const work = mkdtempSync(join(tmpdir(), 'oci-validation-'));
// Containers in a user namespace of their own must reach their root through this folder.
chmodSync(work, 0o755);
try {
  const programs = programsIn(folder).filter((name) => values.only?.includes(name) ?? true);
  const results = new Map<string, Map<string, Outcome>>();
  for (const runtime of runtimes) results.set(runtime, await runAll(programs, runtime));
  print(programs, results);
} finally {
  removeCgroups();
  rmSync(work, { recursive: true, force: true });
}

/** The built programs, sorted by name. */
function programsIn(folder: string): string[] {
  const programs = globSync('validation/*/*.t', { cwd: folder }).map((path) => basename(path, '.t'));
  if (programs.length === 0 || !existsSync(join(folder, 'runtimetest')))
    throw new Error(`${folder} has no runtimetest or no validation/NAME/NAME.t: build the suite there first`);
  return programs.toSorted();
}

/** A few at once, since most of their time is sleep; those about cgroups one by one, since they share one cgroup's name. */
async function runAll(programs: readonly string[], runtime: string): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const shared = programs.filter((name) => name.startsWith('linux_cgroups_') || name.startsWith('delete_'));
  const rest = programs.filter((name) => !shared.includes(name));
  const worker = async (queue: string[]): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      outcomes.set(name, await runOne(name, runtime));
    }
  };
  await Promise.all([worker(shared), ...Array.from({ length: availableParallelism() }, () => worker(rest))]);
  return outcomes;
}

function runOne(name: string, runtime: string): Promise<Outcome> {
  const temporary = join(work, `tmp-${name}`);
  mkdirSync(temporary, { recursive: true });
  chmodSync(temporary, 0o755);
  const inside = 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$0"';
  const namespaces = [
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ];
  const limit = ['--signal=KILL', String(TIMEOUT_SECONDS)];
  const program = join(folder, 'validation', name, `${name}.t`);
  return new Promise((done, fail) => {
    const start = performance.now();
    const child = spawn('timeout', [...limit, 'unshare', ...namespaces, 'sh', '-c', inside, program], {
      cwd: folder,
      env: { PATH: process.env['PATH'], RUNTIME: runtime, TMPDIR: temporary, HOME: temporary },
    });
    child.stdin.end();
    let output = '';
    let errors = '';
    child.stdout.on('data', (data) => (output += String(data)));
    child.stderr.on('data', (data) => (errors += String(data)));
    child.on('error', fail);
    child.on('close', (code, signal) => {
      const outcome = judge(output, errors, code ?? signal ?? 'unknown');
      if (values.verbose) process.stderr.write(`--- ${name} with ${runtime}\n${output}${errors}`);
      done({ ...outcome, seconds: (performance.now() - start) / 1000 });
    });
  });
}

/** A program passes when it ends well and no assertion failed; one without assertions says so by its exit code alone. */
function judge(output: string, errors: string, code: number | string): Omit<Outcome, 'seconds'> {
  const failed = [...output.matchAll(/^not ok \d+ - (.*)$/gm)].map(([, what]) => what!);
  const assertions = [...output.matchAll(/^(?:not )?ok \d+/gm)].length;
  const last = errors.trimEnd().split('\n').at(-1) ?? '';
  const failures = code === 0 ? failed : [...failed, `exit ${code}: ${last}`];
  return { passed: failures.length === 0, assertions, failures };
}

function print(
  programs: readonly string[],
  results: ReadonlyMap<string, ReadonlyMap<string, Outcome>>,
): void {
  const width = Math.max(...programs.map((name) => name.length));
  const column = Math.max(...runtimes.map((path) => path.length), 16);
  const cell = (outcome: Outcome | undefined): string =>
    `${outcome?.passed ? 'ok' : 'not ok'} (${outcome?.assertions}, ${outcome?.seconds.toFixed(1)} s)`.padEnd(
      column,
    );
  const lines = [`${'program'.padEnd(width)}  ${runtimes.map((path) => path.padEnd(column)).join('  ')}`];
  for (const name of programs) {
    const outcomes = runtimes.map((runtime) => results.get(runtime)?.get(name));
    lines.push(`${name.padEnd(width)}  ${outcomes.map(cell).join('  ')}`);
    for (const [index, outcome] of outcomes.entries()) {
      for (const failure of (outcome?.failures ?? []).slice(0, 4)) {
        const which = runtimes.length > 1 ? `${runtimes[index]}: ` : '';
        lines.push(`${' '.repeat(4)}${which}${failure.slice(0, 220)}`);
      }
    }
  }
  for (const runtime of runtimes) {
    const passed = [...results.get(runtime)!.values()].filter((outcome) => outcome.passed).length;
    lines.push(`${runtime}: ${passed} of ${programs.length}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Their processes are gone with their namespace; the empty cgroups are not. */
function removeCgroups(): void {
  const places = ['/sys/fs/cgroup', '/sys/fs/cgroup/*', ...ownCgroups()];
  for (const pattern of places.flatMap((place) => SUITE_CGROUPS.map((name) => `${place}/${name}`))) {
    for (const folder of globSync([`${pattern}/**/`, `${pattern}/`]).toSorted(
      (a, b) => b.length - a.length,
    )) {
      try {
        rmdirSync(folder);
      } catch {
        // Somebody else's by the same name, with processes in it, or gone already.
      }
    }
  }
}

/** A relative path of a container is below the cgroup of whoever runs it. */
function ownCgroups(): string[] {
  const lines = execFileSync('cat', ['/proc/self/cgroup'], { encoding: 'utf8' }).trim().split('\n');
  return lines.flatMap((line) => {
    const [, controller = '', path = ''] = line.split(':');
    const mount = `/sys/fs/cgroup/${controller.replace('name=', '') || 'unified'}`;
    return path === '/' || !existsSync(join(mount, path)) ? [] : [join(mount, path)];
  });
}
