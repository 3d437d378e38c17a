/** What one event costs the server for each of many watchers, beside a process that encodes and writes it for each of them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { benchPod, Driver, type Target, type Watchers } from './apiserver-load.ts';
import { cpuSecondsOf, Server } from './apiserver-process.ts';

const WATCHED = '/api/v1/namespaces/bench/pods';
/** Where nobody watches. What a watcher of another namespace costs is on both sides, and so taken off. */
const ALONE = '/api/v1/namespaces/bench-alone/pods';
/** Objects that are made before anything is measured, so that everything is compiled. */
const WARM_UP = 3000;
/** Turns before the first that counts. */
const UNCOUNTED = 3;
/** Creations that are under way at once. */
const AT_ONCE = 8;

interface Measured extends Target {
  cpuSeconds(): number;
}

export interface FanOut {
  /** Median of the turns, in microseconds of CPU for one event to one watcher, without what the creations cost by themselves. */
  readonly ours: number;
  readonly bare: number;
  /** Median of what the one is of the other in the same turn. */
  readonly ratio: number;
  /** Events per second that have reached watchers of the server. */
  readonly rate: number;
  /** Of a creation, in milliseconds. */
  readonly p99: number;
}

export interface FanOutLoad {
  readonly watchers: number;
  /** Of one turn. */
  readonly events: number;
  readonly turns: number;
}

/**
 * In short turns, with the same objects: what a neighbour does to the machine meanwhile is done to all four sides. A creation
 * costs the server as much as some hundred events, and that varies by more than all of them between two seconds.
 */
export async function measureFanOut({ watchers, events, turns }: FanOutLoad): Promise<FanOut> {
  await using server = new Server();
  await server.start();
  using driver = new Driver(server);
  for (const name of ['bench', 'bench-alone']) await driver.namespace(name);
  await using bare = await BareServer.start(server.dataDir);
  using other = new Driver(bare);
  let made = 0;
  const pods = (count: number): unknown[] =>
    Array.from({ length: count }, () => benchPod(`watched-${made++}`));
  const stored: unknown[] = [];
  const create = async (path: string, pod: unknown): Promise<void> => {
    stored.push(JSON.parse((await driver.call('POST', path, pod)).toString('utf8')));
  };
  const pass = async (path: string, pod: unknown): Promise<void> =>
    void (await other.call('POST', path, pod));
  for (const path of [WATCHED, ALONE]) {
    await work(pods(WARM_UP), (pod) => create(path, pod));
    await work(stored.splice(0), (pod) => pass(path, pod));
  }
  using ours = await watching(driver, watchers);
  using theirs = await watching(other, watchers);
  const took: number[] = [];
  let seconds = 0;
  const costs: { readonly ours: number; readonly bare: number }[] = [];
  for (let turn = -UNCOUNTED; turn < turns; turn++) {
    const watched = await slice(
      { target: server, objects: pods(events), open: ours, seen: watchers },
      (pod) => create(WATCHED, pod),
    );
    const alone = await slice({ target: server, objects: pods(events) }, (pod) => create(ALONE, pod));
    const [some, others] = [stored.splice(0, events), stored.splice(0)];
    const passed = await slice({ target: bare, objects: some, open: theirs, seen: watchers }, (pod) =>
      pass(WATCHED, pod),
    );
    const passedAlone = await slice({ target: bare, objects: others }, (pod) => pass(ALONE, pod));
    if (turn < 0) continue;
    const each = (told: Slice, untold: Slice): number =>
      ((told.cpu - untold.cpu) * 1e6) / (watchers * events);
    costs.push({ ours: each(watched, alone), bare: each(passed, passedAlone) });
    took.push(...watched.took);
    seconds += watched.seconds;
  }
  return {
    ours: median(costs.map((cost) => cost.ours)),
    bare: median(costs.map((cost) => cost.bare)),
    ratio: median(costs.map((cost) => cost.ours / cost.bare)),
    rate: (watchers * events * turns) / seconds,
    p99: took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)]!,
  };
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)]!;
}

/** Watchers from now on, when the opening of their connections is over. */
async function watching(driver: Driver, count: number): Promise<Watchers> {
  const { metadata } = JSON.parse((await driver.call('GET', `${WATCHED}?limit=1`)).toString('utf8')) as {
    metadata: { resourceVersion: string };
  };
  const open = await driver.watchers(`${WATCHED}?watch=1&resourceVersion=${metadata.resourceVersion}`, count);
  await delay(500);
  return open;
}

interface Slice {
  /** In seconds. */
  readonly cpu: number;
  readonly seconds: number;
  /** Of each creation, in milliseconds. */
  readonly took: readonly number[];
}

/** Until `seen` watchers of `open` have been told of all objects. */
async function slice(
  about: {
    readonly target: Measured;
    readonly objects: readonly unknown[];
    readonly open?: Watchers;
    readonly seen?: number;
  },
  create: (object: unknown) => Promise<void>,
): Promise<Slice> {
  const { target, objects, open, seen = 0 } = about;
  const come = (): number => open?.seen() ?? 0;
  const wanted = come() + seen * objects.length;
  const [begin, cpu] = [performance.now(), target.cpuSeconds()];
  const took = await work(objects, create);
  for (const end = begin + 60_000; come() < wanted; await delay(1)) {
    if (performance.now() > end) throw new Error(`${come()} of ${wanted} events have come`);
  }
  return { cpu: target.cpuSeconds() - cpu, seconds: (performance.now() - begin) / 1000, took };
}

/** Returns how long each took, in milliseconds. */
async function work(
  objects: readonly unknown[],
  create: (object: unknown) => Promise<void>,
): Promise<number[]> {
  const waiting = objects.values();
  const took: number[] = [];
  const some = async (): Promise<void> => {
    for (const object of waiting) {
      const start = performance.now();
      await create(object);
      took.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
  return took;
}

class BareServer implements Measured, AsyncDisposable {
  readonly token = 'none';
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** With the keys of the server whose data folder this is. */
  static async start(dataDir: string): Promise<BareServer> {
    const files = ['key', 'crt'].map((end) => join(dataDir, `pki/server.${end}`));
    const program = join(import.meta.dirname, 'bare-watch.ts');
    const child = spawn(process.execPath, [program, ...files], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [port] = (await once(child.stdout, 'data')) as [Buffer];
    return new BareServer(child, Number(String(port)));
  }

  cpuSeconds(): number {
    return cpuSecondsOf(this.#child.pid!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
