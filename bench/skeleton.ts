/**
 * The walking skeleton's budgets, measured on the bundle as a user has it, in a network namespace of its own.
 * Prints a table; the figures are for docs/performance.md, not a timed test.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { KUBECTL } from '../test/fixtures/kubectl.ts';
import { runProgram, SAMPAN, TestCluster } from '../test/fixtures/sampan.ts';
import { join } from 'node:path';
import { ROOT } from '../test/fixtures/sampan.ts';

const ROUNDS = 10;
const WARM_UPS = 2;

interface Row {
  readonly what: string;
  readonly budget: string;
  readonly figure: string;
  readonly met: boolean;
}

const rows: Row[] = [];

await using cluster = new TestCluster();
await cluster.packExample();
await runProgram([SAMPAN, 'image', 'from-host', '--data-dir', cluster.dataDir, 'tools', 'busybox']);

await measureRun();
await measureUp();
await measureIdle();
await measureKubectl();
print();

function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function repeat(work: () => Promise<unknown>): Promise<number[]> {
  for (let i = 0; i < WARM_UPS; i++) await work();
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) times.push(await timed(work));
  return times;
}

async function measureRun(): Promise<void> {
  const times = await repeat(async () => {
    const { code, stderr } = await cluster.sampan('run', 'tools', 'busybox', 'true');
    if (code !== 0) throw new Error(stderr);
  });
  const p50 = percentile(times, 0.5);
  add({
    what: 'sampan run … true, whole command, p50',
    budget: '≤ 150 ms',
    figure: `${p50.toFixed(0)} ms (p90 ${percentile(times, 0.9).toFixed(0)})`,
    met: p50 <= 150,
  });
}

/** From an installed tree with the image packed and certificates made: the second start, with nothing running. */
async function measureUp(): Promise<void> {
  await cluster.up();
  await cluster.ok(['apply', '-f', join(ROOT, 'examples/hello/hello.yaml')]);
  await cluster.sampan('down');
  const api: number[] = [];
  const answer: number[] = [];
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    const up = cluster.sampan('up', '--detach');
    await until(
      async () =>
        (
          await runProgram(['curl', '-sk', '--fail', 'https://127.0.0.1:6443/readyz'], {
            netns: cluster.netns.name,
          })
        ).code === 0,
    );
    api.push(performance.now() - start);
    await until(async () => (await cluster.curl('http://127.0.0.1:30080')).code === 0);
    answer.push(performance.now() - start);
    await up;
    if (i < 2) await cluster.sampan('down');
  }
  add({
    what: 'API ready after sampan up',
    budget: '≤ 1.0 s',
    figure: `${(percentile(api, 0.5) / 1000).toFixed(2)} s`,
    met: percentile(api, 0.5) <= 1000,
  });
  add({
    what: 'example answers after sampan up',
    budget: '≤ 3.0 s',
    figure: `${(percentile(answer, 0.5) / 1000).toFixed(2)} s`,
    met: percentile(answer, 0.5) <= 3000,
  });
}

async function until(probe: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await probe())) {
    if (performance.now() > end) throw new Error(`not within a minute\n${cluster.log()}`);
    await delay(5);
  }
}

/** Resident: the proportional set size of all Sampan processes, without the workload. */
async function measureIdle(): Promise<void> {
  const { daemon } = JSON.parse((await cluster.sampan('status', '-o', 'json')).stdout) as {
    daemon: { pid: number };
  };
  await delay(10_000);
  const before = cpuSeconds(daemon.pid);
  const seconds = 20;
  await delay(seconds * 1000);
  const busy = ((cpuSeconds(daemon.pid) - before) / seconds) * 100;
  const shims = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isShim(name));
  const resident = pss(String(daemon.pid)) + shims.reduce((sum, pid) => sum + pss(pid), 0);
  add({
    what: 'idle resident, daemon and shims',
    budget: '≤ 150 MB',
    figure: `${(resident / 1e6).toFixed(0)} MB (${shims.length} shims and inits)`,
    met: resident <= 150e6,
  });
  add({ what: 'idle, of one core', budget: '≤ 1 %', figure: `${busy.toFixed(2)} %`, met: busy <= 1 });
}

function isShim(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(cluster.instance.runDir);
  } catch {
    return false;
  }
}

function pss(pid: string): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  const ticks = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout);
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}

async function measureKubectl(): Promise<void> {
  const get = percentile(await repeat(() => cluster.ok(['get', 'pods'])), 0.5);
  const own = percentile(
    await repeat(() => runProgram([KUBECTL, 'version', '--client'], { netns: cluster.netns.name })),
    0.5,
  );
  add({
    what: "kubectl get pods beyond kubectl's own start, p50",
    budget: '≤ 80 ms',
    figure: `${(get - own).toFixed(0)} ms (${get.toFixed(0)} − ${own.toFixed(0)})`,
    met: get - own <= 80,
  });
}

function add(row: Row): void {
  rows.push(row);
}

function print(): void {
  const width = Math.max(...rows.map(({ what }) => what.length));
  for (const { what, budget, figure, met } of rows) {
    process.stdout.write(`${met ? '✓' : '✗'} ${what.padEnd(width)}  ${budget.padEnd(9)} ${figure}\n`);
  }
}
