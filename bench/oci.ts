/**
 * The OCI runtime beside runc and crun, in turns, in one run: whole commands, many at once, exec, through Podman; then
 * our runtime in process, and what a running container costs in memory. As root; `node bench/oci.ts [ROUNDS]`.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OciHost } from '../test/fixtures/oci-host.ts';
import { IMAGE, Podman } from '../test/fixtures/oci-podman.ts';
import { RuntimeFixture } from '../test/fixtures/runtime-fixture.ts';
import { Bundles, RUNTIMES } from './oci-bundles.ts';

const ROUNDS = Number(process.argv[2] ?? 15);
const IDLE_MS = 30;
const WARM_UPS = 3;
const AT_ONCE = [1, 10, 100];

const names = Object.keys(RUNTIMES).filter((name) => existsSync(RUNTIMES[name]!));

const refused = new Map<string, string>();

/** Milliseconds by what was measured and by whom. */
const table = new Map<string, Map<string, number[]>>();

await measureCommands();
await measureCold();
await measurePodman();
await measureInProcess();
print();
await measureMemory();

function note(what: string, who: string, milliseconds: number): void {
  const row = table.get(what) ?? new Map<string, number[]>();
  table.set(what, row);
  row.set(who, [...(row.get(who) ?? []), milliseconds]);
}

/** Every runtime does it once a round, so that whatever else the machine does meets all of them. */
async function interleaved(
  what: string,
  work: (name: string, round: number) => Promise<number>,
): Promise<void> {
  for (let round = -WARM_UPS; round < ROUNDS; round++) {
    for (const name of names.filter((each) => !refused.has(`${what}: ${each}`))) {
      try {
        const took = await work(name, round);
        if (round >= 0) note(what, name, took);
      } catch (error) {
        // One that cannot do it here takes no part, and is named below the table.
        refused.set(`${what}: ${name}`, String(error));
      }
    }
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function measureCommands(): Promise<void> {
  await using host = await OciHost.make({ withoutUnified: true });
  const bench = new Bundles(host);
  await interleaved('run … true', (name) => timed(() => bench.runTrue(name)));
  for (const count of AT_ONCE.slice(1)) {
    for (let round = 0; round < (count > 10 ? 2 : 5); round++) {
      for (const name of names) {
        const all = Array.from({ length: count }, () => bench.prepare(name));
        note(
          `${count} × run at once`,
          name,
          await timed(() => Promise.all(all.map((each) => bench.run(name, each)))),
        );
      }
    }
  }
  for (const name of names) await bench.start(name);
  await interleaved('exec … true', (name) =>
    timed(() => bench.ok(name, 'exec', `long-${name}`, '/bin/true')),
  );
  for (const name of names) await bench.ok(name, 'delete', '--force', `long-${name}`);
}

/** What the first container after a boot pays: a host whose /run is empty has no process that is warm. */
async function measureCold(): Promise<void> {
  for (let round = 0; round < Math.min(ROUNDS, 5); round++) {
    await using host = await OciHost.make({ withoutUnified: true });
    const bench = new Bundles(host);
    for (const name of names) note('run … true, nothing warm', name, await timed(() => bench.runTrue(name)));
  }
}

async function measurePodman(): Promise<void> {
  const places = new Map<string, Podman>();
  await using stack = new AsyncDisposableStack();
  for (const name of names)
    places.set(name, stack.use(await Podman.make(RUNTIMES[name], { withoutUnified: true })));
  await interleaved('podman run --rm … true', (name) =>
    timed(async () => {
      // podman's own limit of processes is one of those that crun cannot set here.
      const { code, stderr } = await places.get(name)!.container('--rm', '--pids-limit', '-1', IMAGE, 'true');
      if (code !== 0) throw new Error(`${name}: ${stderr}`);
    }),
  );
}

async function measureInProcess(): Promise<void> {
  await using box = new RuntimeFixture({ spareShim: true });
  const specs = (count: number): ReturnType<RuntimeFixture['spec']>[] =>
    Array.from({ length: count }, (_, index) => {
      // Containers that run at once cannot share a writable layer.
      const [upperDir, workDir] = ['upper', 'work'].map((name) => join(box.dir, `${name}-${index}`));
      for (const folder of [upperDir!, workDir!]) mkdirSync(folder, { recursive: true });
      return box.spec(['/bin/true'], { root: { ...box.root, upperDir: upperDir!, workDir: workDir! } });
    });
  const whole = async (spec: ReturnType<RuntimeFixture['spec']>): Promise<void> => {
    await box.runtime.create(spec);
    await box.runtime.start(spec.id);
    await box.runtime.wait(spec.id);
    await box.runtime.delete(spec.id);
  };
  for (let round = -WARM_UPS; round < ROUNDS; round++) {
    const [spec] = specs(1);
    // One by one, as a daemon is asked: between two it has the time to get ready for the next.
    await delay(IDLE_MS);
    const begin = performance.now();
    await box.runtime.create(spec!);
    await box.runtime.start(spec!.id);
    const running = performance.now();
    await box.runtime.wait(spec!.id);
    await box.runtime.delete(spec!.id);
    if (round < 0) continue;
    note('config to exec', 'in process', running - begin);
    note('create, start, wait, delete', 'in process', performance.now() - begin);
  }
  for (const count of AT_ONCE.slice(1)) {
    for (let round = 0; round < (count > 10 ? 2 : 5); round++) {
      note(`${count} × that at once`, 'in process', await timed(() => Promise.all(specs(count).map(whole))));
    }
  }
}

/** What no other process shares: it goes when the container goes. */
async function measureMemory(): Promise<void> {
  await using box = new RuntimeFixture();
  const spec = box.spec(['/bin/sleep', '1000']);
  const { pid } = await box.runtime.create(spec);
  await box.runtime.start(spec.id);
  const [shim] = box.shims();
  const [init, parent] = [privateKilobytes(pid), privateKilobytes(shim!)];
  process.stdout.write(
    `\nprivate memory of a running container: init ${init} kB + shim ${parent} kB = ${init + parent} kB (budget ≤ 100 kB)\n`,
  );
}

function privateKilobytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return [...text.matchAll(/^Private_\w+:\s+(\d+)/gm)].reduce(
    (sum, [, kilobytes]) => sum + Number(kilobytes),
    0,
  );
}

function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}

function print(): void {
  const columns = [...names, 'in process'];
  const width = Math.max(...[...table.keys()].map((what) => what.length));
  const cell = (values: readonly number[] | undefined): string =>
    values === undefined
      ? ''
      : `${percentile(values, 0.5).toFixed(1)} (${percentile(values, 0.9).toFixed(1)})`;
  process.stdout.write(`milliseconds: p50 (p90) of ${ROUNDS} rounds, in turns\n`);
  process.stdout.write(`${''.padEnd(width)}  ${columns.map((name) => name.padStart(16)).join('')}\n`);
  for (const [what, row] of table) {
    const cells = columns.map((name) => cell(row.get(name)).padStart(16));
    process.stdout.write(`${what.padEnd(width)}  ${cells.join('')}\n`);
  }
  for (const [what, why] of refused) process.stdout.write(`${what}: ${why}\n`);
  const run = table.get('run … true');
  const own = percentile(run?.get('sampan-oci') ?? [], 0.5);
  const reference = percentile(run?.get('runc') ?? [], 0.5);
  const inside = percentile(table.get('config to exec')?.get('in process') ?? [], 0.5);
  const budgets: readonly (readonly [string, boolean])[] = [
    [
      `run: ${(own / reference).toFixed(2)} × runc, budget ≤ 2.5 × and ≤ 100 ms`,
      own <= 2.5 * reference && own <= 100,
    ],
    [
      `in process, from config to exec: ${(inside / reference).toFixed(2)} × runc run, budget ≤ 0.33 ×`,
      inside <= reference / 3,
    ],
    [
      `100 at once, budget ≤ 3000 ms`,
      percentile(table.get('100 × that at once')?.get('in process') ?? [], 0.5) <= 3000,
    ],
  ];
  process.stdout.write('\n');
  for (const [what, met] of budgets) process.stdout.write(`${met ? '✓' : '✗'} ${what}\n`);
}
