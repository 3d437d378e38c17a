/**
 * The native front with this process as its brain: it is started as if it had just been run anew from a sealed place,
 * with its connection as descriptor 3. `front-brain.test.ts` has the way there, through a brain that it starts.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  decodeFrontMessage,
  encodeBrainMessage,
  FrameReader,
} from '../../src/container/runtime/oci/front-frames.ts';
import type { BrainMessage, FrontMessage } from '../../src/container/runtime/oci/front-protocol.ts';
import {
  type Instruction,
  type NamespaceKind,
  step,
} from '../../src/container/runtime/program/instructions.ts';
import { encodeProgram } from '../../src/container/runtime/program/program-text.ts';
import { busyboxRoot } from '../fixtures/busybox-root.ts';
import { eventually } from '../fixtures/eventually.ts';

/** In the environment of every process of a fixture's, and so in its /proc. */
const MARK = 'SAMPAN_FRONT_TEST';
const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64';
const NATIVE = fileURLToPath(new URL('../../build/native', import.meta.url));

export const FRONT: string = join(NATIVE, 'sampan-oci');
export const SANITIZED_FRONT: string = join(NATIVE, 'sampan-oci-asan');
export const SANITIZER_ENVIRONMENT: Readonly<Record<string, string>> = {
  // Leaks cannot be looked for in a container: the checker needs ptrace.
  ASAN_OPTIONS: 'detect_leaks=0:exitcode=99',
  UBSAN_OPTIONS: 'print_stacktrace=1',
};

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** More descriptors of the caller's, from 3 on. */
  readonly descriptors?: readonly (number | 'pipe')[];
  /** What runs the front instead of this process, its words in front of the front's. */
  readonly prefix?: readonly string[];
  readonly uid?: number;
}

/** What differs between the containers of the tests. */
export interface ContainerOptions {
  readonly parent?: readonly Instruction[];
  readonly kinds?: readonly NamespaceKind[];
  /** Between clone and enter. */
  readonly made?: readonly Instruction[];
  /** Before pivot. */
  readonly inside?: readonly Instruction[];
  readonly identity?: readonly Instruction[];
  /** Between created and exec. */
  readonly late?: readonly Instruction[];
  readonly environment?: readonly string[];
}

export class FrontFixture implements AsyncDisposable {
  readonly dir: string;
  readonly root: string;
  /** Where a package has it, so that its files may be attacked, and a test's brain stands beside it. */
  readonly front: string;
  readonly #fronts: FrontProcess[] = [];
  readonly #environment: Readonly<Record<string, string>>;

  constructor(front: string = FRONT, environment: Readonly<Record<string, string>> = {}) {
    this.dir = mkdtempSync(join(tmpdir(), 'sampan-front-'));
    this.root = busyboxRoot(join(this.dir, 'rootfs')).lowerDirs[0]!;
    // An ordinary user could not make them.
    for (const name of ['proc', 'dev']) mkdirSync(join(this.root, name));
    const folder = join(this.dir, 'prebuilt', `linux-${ARCH}`);
    mkdirSync(folder, { recursive: true });
    this.front = join(folder, 'sampan-oci');
    this.#environment = environment;
    copyFileSync(front, this.front);
  }

  /** Below the fixture's folder, made. */
  folder(name: string): string {
    const path = join(this.dir, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  start(options: StartOptions = {}): FrontProcess {
    const { env = {}, descriptors = [], prefix = [] } = options;
    const words = [...prefix, this.front, 'test'];
    const child = spawn(words[0]!, words.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe', ...descriptors, 'pipe'],
      env: {
        PATH: process.env['PATH'],
        ...this.#environment,
        ...env,
        [MARK]: this.dir,
        SAMPAN_OCI_CONNECTION: String(3 + descriptors.length),
      },
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    });
    const front = new FrontProcess(child);
    this.#fronts.push(front);
    return front;
  }

  /** A container of its own namespaces that waits for its start on `<folder>/start.sock`. */
  container(folder: string, words: readonly string[], options: ContainerOptions = {}): Instruction[] {
    return [
      ...(options.parent ?? []),
      step('listen', folder),
      step('clone', ...(options.kinds ?? ['pid', 'mnt', 'uts', 'ipc', 'net'])),
      ...(options.made ?? []),
      step('enter'),
      step('propagation', 'rprivate'),
      step('root-bind', this.root),
      step('mount', 'proc', 'proc', '/proc', '0', ''),
      step('mount', 'tmpfs', 'tmpfs', '/dev', '0', 'mode=755'),
      step('device', '/dev/null', 'c', '666', '1', '3', '0', '0'),
      ...(options.inside ?? []),
      step('pivot'),
      ...this.process(words, options),
      step('created'),
      ...(options.late ?? []),
      step('exec'),
    ];
  }

  /** One process more in the container of another. */
  exec(pid: number, words: readonly string[], options: ContainerOptions = {}): Instruction[] {
    return [
      ...(options.parent ?? []),
      step('join-process', String(pid), startTimeOf(pid)),
      step('clone'),
      ...(options.made ?? []),
      step('enter'),
      ...(options.inside ?? []),
      ...this.process(words, options),
      step('exec'),
    ];
  }

  private process(words: readonly string[], options: ContainerOptions): Instruction[] {
    return [
      step('environment', 'PATH=/bin', `${MARK}=${this.dir}`, ...(options.environment ?? [])),
      step('arguments', ...words),
      step('cwd', '/'),
      ...(options.identity ?? [step('ids', '0', '0', 'set-groups')]),
      step('identity'),
      step('find-program'),
    ];
  }

  /** Says `start` on the socket; the answer is what came before the end of file: nothing when it runs. */
  async begin(folder: string): Promise<string> {
    await using socket = new Connection(connect(join(folder, 'start.sock')));
    socket.stream.write('start\n');
    return await socket.text();
  }

  /** Processes of this fixture's, in containers and on the way there. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => isAlive(pid) && environmentOf(pid).includes(`${MARK}=${this.dir}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const front of this.#fronts) await front[Symbol.asyncDispose]();
    try {
      await eventually('every process to end', () => this.processes().length === 0);
      assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(this.dir), 'a mount is left');
    } finally {
      rmSync(this.dir, { recursive: true, force: true });
    }
  }
}

export class FrontProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Nobody writes to its outputs any more, a container neither. */
  readonly closed: Promise<void>;
  readonly #connection: Socket;
  readonly #messages: FrontMessage[] = [];
  #waiting: ((message: FrontMessage | undefined) => void) | undefined;
  #closed = false;
  #output = { stdout: '', stderr: '' };

  constructor(child: ChildProcess) {
    this.child = child;
    this.#connection = child.stdio.at(-1) as Socket;
    const frames = new FrameReader();
    this.#connection.on('data', (chunk: Buffer) => {
      for (const frame of frames.push(chunk)) this.#push(decodeFrontMessage(frame));
    });
    this.#connection.on('error', () => {});
    this.#connection.on('close', () => this.#push(undefined));
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]!.on('data', (chunk: Buffer) => {
        this.#output = { ...this.#output, [name]: this.#output[name] + chunk.toString('latin1') };
      });
    }
    this.ended = new Promise((resolve) => {
      child.on('exit', (code, signal) => resolve({ code, signal }));
    });
    this.closed = new Promise((resolve) => {
      child.on('close', () => resolve());
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  get stdout(): string {
    return this.#output.stdout;
  }

  get stderr(): string {
    return this.#output.stderr;
  }

  #push(message: FrontMessage | undefined): void {
    if (message === undefined) this.#closed = true;
    else if (this.#waiting === undefined) this.#messages.push(message);
    this.#waiting?.(message);
    this.#waiting = undefined;
  }

  send(message: BrainMessage): void {
    this.#connection.write(encodeBrainMessage(message));
  }

  /** The next message; undefined when the front has gone. */
  async receive(): Promise<FrontMessage | undefined> {
    const message = this.#messages.shift();
    if (message !== undefined || this.#closed) return message;
    return await new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  async execute(program: readonly Instruction[]): Promise<FrontMessage | undefined> {
    this.send({ verb: 'execute', program: encodeProgram(program) });
    return await this.receive();
  }

  async executeRaw(program: Buffer): Promise<FrontMessage | undefined> {
    this.send({ verb: 'execute', program });
    return await this.receive();
  }

  sendRaw(bytes: Buffer): void {
    this.#connection.write(bytes);
  }

  /** Nothing more is said, but still listened. */
  finish(): void {
    this.#connection.end();
  }

  /** The pid of what it made; fails when it failed. */
  async make(program: readonly Instruction[]): Promise<number> {
    const message = await this.execute(program);
    assert.ok(message?.verb === 'done', `${JSON.stringify(message)} ${this.stderr}`);
    return message.pid;
  }

  /** Waits in the foreground; the exit code. */
  async wait(): Promise<number> {
    const message = await this.execute([step('wait')]);
    assert.ok(message?.verb === 'exited', `${JSON.stringify(message)} ${this.stderr}`);
    return message.code;
  }

  async exit(code: number): Promise<void> {
    this.send({ verb: 'exit', code });
    assert.deepEqual(await this.ended, { code, signal: null }, this.stderr);
  }

  /** As a brain does that dies. */
  hangUp(): void {
    this.#connection.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.ended;
    for (const stream of this.child.stdio) stream?.destroy();
  }
}

class Connection implements AsyncDisposable {
  readonly stream: Socket;

  constructor(stream: Socket) {
    this.stream = stream;
  }

  async text(): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stream.destroy();
  }
}

/** Field 22 of proc(5)'s stat, behind the name, which may contain anything. */
export function startTimeOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]!;
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}
