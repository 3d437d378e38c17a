/** What one event costs the server for each of many watchers, beside a process that encodes and writes it for each of them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { benchPod, Driver, type Target } from './apiserver-load.ts';
import { cpuSecondsOf, Server } from './apiserver-process.ts';

const PODS = '/api/v1/namespaces/bench/pods';
const ROUNDS = 3;
/** Objects that are made before anything is measured, so that everything is compiled. */
const WARM_UP = 3000;
/** Creations that are under way at once. */
const AT_ONCE = 8;

interface Measured extends Target {
  cpuSeconds(): number;
}

export interface FanOut {
  /** Least of the rounds, in microseconds of CPU for one event to one watcher, without what the creations cost by themselves. */
  readonly ours: number;
  readonly bare: number;
  /** Events per second that have reached watchers, of the server's last round. */
  readonly rate: number;
  /** Of a creation, in milliseconds. */
  readonly p99: number;
}

interface Round {
  /** CPU. */
  readonly seconds: number;
  readonly rate: number;
  readonly p99: number;
}

/** In turns, with the same objects. */
export async function measureFanOut(watchers: number, events: number): Promise<FanOut> {
  await using server = new Server();
  await server.start();
  using driver = new Driver(server);
  await driver.namespace('bench');
  await using bare = await BareServer.start(server.dataDir);
  using other = new Driver(bare);
  const ours: { alone: Round; watched: Round }[] = [];
  const theirs: typeof ours = [];
  const make = async (pods: readonly unknown[], seen: number): Promise<void> => {
    const stored: unknown[] = [];
    const create = async (pod: unknown): Promise<void> => {
      stored.push(JSON.parse((await driver.call('POST', PODS, pod)).toString('utf8')));
    };
    const pass = async (pod: unknown): Promise<void> => void (await other.call('POST', PODS, pod));
    const half = pods.length / 2;
    const some = { target: server, driver, watchers: seen };
    const alone = await fanOut({ ...some, watchers: 0 }, pods.slice(0, half), create);
    ours.push({ alone, watched: await fanOut(some, pods.slice(half), create) });
    const same = { target: bare, driver: other, watchers: seen };
    const passed = await fanOut({ ...same, watchers: 0 }, stored.slice(0, half), pass);
    theirs.push({ alone: passed, watched: await fanOut(same, stored.slice(half), pass) });
  };
  let made = 0;
  const pods = (count: number): unknown[] =>
    Array.from({ length: count }, () => benchPod(`watched-${made++}`));
  // So that everything is compiled.
  await make(pods(WARM_UP), 1);
  ours.length = 0;
  theirs.length = 0;
  for (let i = 0; i < ROUNDS; i++) await make(pods(2 * events), watchers);
  const micros = (rounds: typeof ours): number => {
    const [alone, watched] = (['alone', 'watched'] as const).map((which) =>
      Math.min(...rounds.map((round) => round[which].seconds)),
    );
    return ((watched! - alone!) * 1e6) / (watchers * events);
  };
  const { rate, p99 } = ours.at(-1)!.watched;
  return { ours: micros(ours), bare: micros(theirs), rate, p99 };
}

async function fanOut(
  about: { readonly target: Measured; readonly driver: Driver; readonly watchers: number },
  objects: readonly unknown[],
  create: (object: unknown) => Promise<void>,
): Promise<Round> {
  const { target, driver, watchers } = about;
  const { metadata } = JSON.parse((await driver.call('GET', `${PODS}?limit=1`)).toString('utf8')) as {
    metadata: { resourceVersion: string };
  };
  using open = await driver.watchers(`${PODS}?watch=1&resourceVersion=${metadata.resourceVersion}`, watchers);
  // Connections and collections of garbage of the last round are over.
  await delay(500);
  const [begin, cpu] = [performance.now(), target.cpuSeconds()];
  const waiting = objects.values();
  const took: number[] = [];
  const work = async (): Promise<void> => {
    for (const object of waiting) {
      const start = performance.now();
      await create(object);
      took.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const wanted = watchers * objects.length;
  for (const end = performance.now() + 60_000; open.seen() < wanted; await delay(5)) {
    if (performance.now() > end) throw new Error(`${open.seen()} of ${wanted} events have come`);
  }
  const rate = (wanted * 1000) / (performance.now() - begin);
  const p99 = took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)]!;
  return { seconds: target.cpuSeconds() - cpu, rate, p99 };
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
