/** Runs a test file's body in a network namespace of its own: no test ever touches the machine's links and rules. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const INSIDE = 'SAMPAN_TEST_NAMESPACE';

/** Registers the tests when already inside; otherwise one test that runs `file` again inside, as a whole. */
export function inOwnNamespace(file: string, register: () => void): void {
  if (process.env[INSIDE] !== undefined) {
    register();
    return;
  }
  test('in a network namespace of its own', () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawnSync('unshare', ['--net', process.execPath, '--test-reporter=tap', file], {
      env: { ...env, [INSIDE]: '1' },
      encoding: 'utf8',
    });
    assert.equal(child.status, 0, `${child.stdout}\n${child.stderr}`);
  });
}

export async function eventually(what: string, condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!condition()) {
    assert.ok(Date.now() < end, `${what}: not within ${deadlineMs} ms`);
    await delay(5);
  }
}

/** A process that does nothing but hold a new network namespace. */
export class Sandbox implements AsyncDisposable {
  readonly #holder: ChildProcess;
  readonly #children: ChildProcess[] = [];

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async start(): Promise<Sandbox> {
    const sandbox = new Sandbox(spawn('unshare', ['--net', 'sleep', '1000'], { stdio: 'ignore' }));
    const ours = readlinkSync('/proc/self/ns/net');
    await eventually('sandbox has its namespace', () => readlinkSync(sandbox.netns) !== ours);
    return sandbox;
  }

  get netns(): string {
    return `/proc/${this.#holder.pid}/ns/net`;
  }

  /** Answers each connection to `port` with `name` and the client's address. */
  async serve(name: string, port: number): Promise<void> {
    const script = `require('node:net').createServer((s) => { s.on('error', () => {}); s.end('${name} ' + s.remoteAddress); })
      .listen(${port}, '0.0.0.0', () => console.log('ready'))`;
    const child = spawn('nsenter', [`--net=${this.netns}`, process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve);
      child.once('exit', (code) => reject(new Error(`server in sandbox ended with ${code}`)));
    });
  }

  /** What `count` connections from inside got: the answer's text, or the error's code. */
  connect(address: string, port: number, count = 1): string[] {
    return connectIn(['nsenter', `--net=${this.netns}`], { address, port, count });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#children, this.#holder]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
  }
}

/** As Sandbox.connect, from the namespace of the test itself: the "host". */
export function connect(address: string, port: number, count = 1): string[] {
  return connectIn([], { address, port, count });
}

function connectIn(
  prefix: string[],
  { address, port, count }: { address: string; port: number; count: number },
): string[] {
  const script = `(async () => {
    const results = [];
    for (let i = 0; i < ${count}; i++) results.push(await new Promise((resolve) => {
      let text = '';
      const socket = require('node:net').connect({ host: '${address}', port: ${port}, timeout: 4000 });
      socket.on('data', (data) => { text += data; });
      socket.on('end', () => resolve(text));
      socket.on('error', (error) => resolve(error.code));
      socket.on('timeout', () => { resolve('timeout'); socket.destroy(); });
    }));
    console.log(JSON.stringify(results));
  })()`;
  const [command = '', ...args] = [...prefix, process.execPath, '-e', script];
  const child = spawnSync(command, args, { encoding: 'utf8' });
  assert.equal(child.status, 0, child.stderr);
  return JSON.parse(child.stdout) as string[];
}
