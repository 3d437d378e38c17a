/** Runs the plan's test files in the guest, each in a process of its own, and tells the host. Its end ends the machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type GuestEvent, type Plan, type PlannedFile, PORT, REPOSITORY } from './events.ts';

/** How a process says that a test in it failed. */
const FAILED = 'ended by exit code 1';
const PIPES_MS = 2000;

const here = import.meta.dirname;
const port = openPort();
const tell = (event: GuestEvent): void => {
  writeSync(port, `${JSON.stringify(event)}\n`);
};

const plan = JSON.parse(readFileSync(join(REPOSITORY, 'plan.json'), 'utf8')) as Plan;
tell({
  type: 'hello',
  kernel: release(),
  uptime: Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]),
});
const cgroup = takeCgroup();
const together = plan.files.filter(({ alone }) => !alone);
await Promise.all(Array.from({ length: plan.concurrency }, () => work(together)));
await work(plan.files.filter(({ alone }) => alone));
tell({ type: 'end' });

async function work(waiting: PlannedFile[]): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await runFile(next);
}

async function runFile({ file, timeout }: PlannedFile): Promise<void> {
  tell({ type: 'file-start', file });
  const began = performance.now();
  const argv = [
    '--disable-warning=ExperimentalWarning',
    `--import=${join(here, 'load-stripped.mjs')}`,
    `--import=${join(here, 'tell-starts.mjs')}`,
    `--test-reporter=${join(here, 'reporter.mjs')}`,
    '--test-reporter-destination=stderr',
    `--test-timeout=${plan.testTimeout}`,
    '--test-force-exit',
    join(REPOSITORY, file),
  ];
  const child = spawn(process.execPath, argv, {
    cwd: REPOSITORY,
    detached: true,
    env: { ...process.env, ...plan.env, SAMPAN_VM_CGROUP: cgroup },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  let ended = 0;
  let failed = 0;
  const events = createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
    const event = { ...(JSON.parse(line) as GuestEvent), file } as GuestEvent;
    if (event.type === 'test-end') {
      ended += 1;
      if (!event.passed) failed += 1;
    }
    tell(event);
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream!.setEncoding('utf8').on('data', (text: string) => tell({ type: 'output', file, text }));
  }
  const how = await endOf(child, timeout);
  events.close();
  const silent = ended === 0 ? 'no test in it' : undefined;
  const error = how === FAILED && failed > 0 ? undefined : (how ?? silent);
  const milliseconds = performance.now() - began;
  tell({ type: 'file-end', file, milliseconds, ...(error === undefined ? {} : { error }) });
}

/** What was wrong with the process's end; one that blocks does not hear its own timeout and is killed by ours. */
function endOf(child: ChildProcess, timeout: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let how: string | undefined;
    let timer = setTimeout(() => {
      how = `killed after ${timeout / 1000} s`;
      process.kill(-child.pid!, 'SIGKILL');
    }, timeout);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      if (code !== 0) how ??= signal === null ? `ended by exit code ${code}` : `ended by ${signal}`;
      // `close` waits for the pipes, and a process that a test left behind may hold them for ever.
      timer = setTimeout(() => resolve(how), PIPES_MS);
    });
    child.on('close', () => {
      clearTimeout(timer);
      resolve(how);
    });
  });
}

/**
 * This service's cgroup, ours to divide: we move to a leaf, since no process may be where controllers are handed on
 * (the rule of "no internal processes"), and hand on all of them.
 */
function takeCgroup(): string {
  const path = readFileSync('/proc/self/cgroup', 'utf8').trim().replace('0::', '');
  const folder = join('/sys/fs/cgroup', path);
  mkdirSync(join(folder, 'runner'));
  writeFileSync(join(folder, 'runner/cgroup.procs'), `${process.pid}`);
  const controllers = readFileSync(join(folder, 'cgroup.controllers'), 'utf8').trim().split(' ');
  writeFileSync(join(folder, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
  return path;
}

/** There is no udev to name it. */
function openPort(): number {
  const ports = '/sys/class/virtio-ports';
  const device = readdirSync(ports).find(
    (name) => readFileSync(join(ports, name, 'name'), 'utf8').trim() === PORT,
  );
  return openSync(join('/dev', device!), 'w');
}
