/** A server with `loop-probe.mjs` inside it, and what its loop was held for: for `loop-holds.ts` and its parts. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { Driver } from './apiserver-load.ts';
import { Server } from './apiserver-process.ts';

/** Of one try, in milliseconds. */
export interface Held {
  /** The longest turn, without collections of garbage. */
  readonly held: number;
  readonly withGarbage: number;
  /** What all of it took. */
  readonly took: number;
}

/** A request of which nothing but success is expected, and the body of its answer. */
export type Send = (
  method: string,
  path: string,
  how?: {
    readonly body?: string | Buffer;
    readonly type?: string;
    readonly accept?: string;
    readonly gzip?: boolean;
    /** Of requests without a body. */
    readonly http2?: boolean;
    /** 200 or 201 when absent. */
    readonly status?: number;
  },
) => Promise<Buffer>;

/** Longer than a server loads the rest of itself for (`warm-up.ts`), a part a turn: turns of its own, not of a request. */
export const WARM_MS = 18_000;

let opened = 0;

export class Probed implements AsyncDisposable {
  readonly driver: Driver;
  readonly #server: Server;
  readonly #probe: string;

  private constructor(server: Server, probe: string) {
    this.#server = server;
    this.#probe = probe;
    this.driver = new Driver(server);
  }

  /** A server of its own, started with these flags. */
  static async open(args: readonly string[]): Promise<Probed> {
    const probe = `/tmp/sampan-loop-probe-${process.pid}-${opened++}`;
    const options = `--import=${join(import.meta.dirname, 'loop-probe.mjs')}`;
    const server = new Server({ args, env: { NODE_OPTIONS: options, SAMPAN_LOOP_PROBE: probe } });
    await server.start();
    return new Probed(server, probe);
  }

  readonly send: Send = async (method, path, how = {}) => {
    const headers = {
      accept: how.accept ?? 'application/json',
      'content-type': how.type ?? 'application/json',
      'user-agent': 'bench',
      ...(how.gzip === true && { 'accept-encoding': 'gzip' }),
    };
    const answer = await (how.http2 === true
      ? this.driver.sendOverHttp2(method, path, { headers })
      : this.driver.send(method, path, { ...(how.body !== undefined && { body: how.body }), headers }));
    const wanted = how.status === undefined ? [200, 201] : [how.status];
    if (!wanted.includes(answer.status))
      throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString('utf8').slice(0, 300)}`);
    return answer.body;
  };

  async held(work: () => Promise<unknown>): Promise<Held> {
    await this.#ask('start');
    const begin = performance.now();
    await work();
    const took = performance.now() - begin;
    return { ...(await this.#ask('stop')), took };
  }

  #ask(command: string): Promise<Omit<Held, 'took'>> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#probe, () => socket.write(command));
      socket.once('data', (chunk) => {
        resolve(JSON.parse(String(chunk)) as Held);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.driver[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

/** No request may hold the loop for longer, in milliseconds, by the middle of all tries. */
const MAX_HELD_MS = 5;

/** What was measured, a line each, and who held the loop for too long. */
export class Rows {
  #count = 0;
  readonly #tooLong: string[] = [];
  readonly #tooLongWithGarbage: string[] = [];

  /** One line about all tries of something: the number of the try that held the loop longest stands behind what it held it for. */
  print(name: string, tries: readonly Held[]): void {
    const [held, withGarbage] = [spreadOf(tries, 'held'), spreadOf(tries, 'withGarbage')];
    this.#count++;
    if (held.middle > MAX_HELD_MS) this.#tooLong.push(name);
    if (withGarbage.middle > MAX_HELD_MS) this.#tooLongWithGarbage.push(name);
    const took = Math.min(...tries.map((one) => one.took));
    process.stdout.write(
      `${name.padEnd(48)} ${held.text.padEnd(21)} ${withGarbage.text.padEnd(21)} ${took.toFixed(0).padStart(6)}\n`,
    );
  }

  /** Who was too slow, with collections and without: the latter makes the benchmark fail. */
  judge(): void {
    const told = (names: readonly string[]): string => [names.length, ...names].join('\n  ');
    process.stdout.write(
      `of ${this.#count} rows above ${MAX_HELD_MS} ms: ${told(this.#tooLong)}\nwith collections: ${told(this.#tooLongWithGarbage)}\n`,
    );
    if (this.#tooLong.length > 0) process.exitCode = 1;
  }
}

function spreadOf(
  tries: readonly Held[],
  what: keyof Held,
): { readonly middle: number; readonly text: string } {
  const all = tries.map((one) => one[what]);
  const sorted = all.toSorted((a, b) => a - b);
  const [least, middle, most] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
  const spread = `${least.toFixed(1)} to ${most.toFixed(1)} #${all.indexOf(most) + 1}`;
  return { middle, text: `${middle.toFixed(1)} (${spread})` };
}
