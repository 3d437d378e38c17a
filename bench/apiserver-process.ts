/** The API server as users have it, in a process and a data folder of its own, and what the process uses. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const ROOT = join(import.meta.dirname, '..');

// Whoever ends a benchmark ends what it has started: servers look after themselves when the process exits.
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1));

export class Server implements AsyncDisposable {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'sampan-bench-data-'));
  readonly #env: Readonly<Record<string, string>>;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #port = 0;

  constructor(
    options: { readonly env?: Readonly<Record<string, string>>; readonly args?: readonly string[] } = {},
  ) {
    process.on('exit', this.#end);
    this.#env = options.env ?? {};
    this.#args = options.args ?? [];
  }

  /** Milliseconds from starting the process to its first answer. */
  async start(): Promise<number> {
    const begin = performance.now();
    // A port of the kernel's choice, and the same one after a restart.
    const args = ['up', '--no-node', '--port', String(this.#port), '--data-dir', this.dataDir];
    this.#child = spawn(
      join(ROOT, 'bin/sampan'),
      [...args, '--kubeconfig', join(this.dataDir, 'kubeconfig'), ...this.#args],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...this.#env } },
    );
    const url = await new Promise<string>((resolve, reject) => {
      let log = '';
      this.#child!.stderr!.on('data', (chunk) => {
        log += String(chunk);
        const found = /ready url=(\S+)/.exec(log)?.[1];
        if (found !== undefined) resolve(found);
      });
      this.#child!.on('exit', (code) => reject(new Error(`sampan ended with ${code}: ${log}`)));
    });
    this.#port = Number(new URL(url).port);
    return performance.now() - begin;
  }

  readonly #end = (): void => {
    this.#child?.kill('SIGKILL');
    rmSync(this.dataDir, { recursive: true, force: true });
  };

  get port(): number {
    return this.#port;
  }

  get token(): string {
    return readFileSync(join(this.dataDir, 'token'), 'utf8').trim();
  }

  /** Proportional set size, in MB. */
  resident(): number {
    const text = readFileSync(`/proc/${this.#child!.pid}/smaps_rollup`, 'utf8');
    return (Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]) * 1024) / 1e6;
  }

  cpuSeconds(): number {
    return cpuSecondsOf(this.#child!.pid!);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.removeAllListeners('exit');
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await Promise.race([gone, delay(5000)]);
    child.kill('SIGKILL');
    this.#child = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#end();
    process.off('exit', this.#end);
  }
}

/** What all threads of a process have used, from schedstat: the fields of `stat` are in hundredths of a second. */
export function cpuSecondsOf(pid: number): number {
  const dir = `/proc/${pid}/task`;
  let nanos = 0;
  for (const task of readdirSync(dir))
    nanos += Number(readFileSync(`${dir}/${task}/schedstat`, 'utf8').split(' ')[0]);
  return nanos / 1e9;
}
