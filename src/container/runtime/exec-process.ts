/** Starts `sampan-shim exec` (native/exec.c has the protocol) and follows the process that it makes. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import { PlatformError } from '../../base/errors.ts';
import type { ExecProcess } from './runtime.ts';
import { cannotStart, creationError } from './shim-process.ts';

export interface ExecOptions {
  readonly shimPath: string;
  readonly containerId: string;
  /** As program-text.ts encodes it. */
  readonly program: Buffer;
  readonly stdin: boolean;
  readonly environment: Readonly<Record<string, string>>;
}

/** Longer is no line of the shim's. */
const LINE_MAX = 4096;

/** Resolves when the process runs; errors say what could not be done, those of the command line as `invalid`. */
export async function startExec(options: ExecOptions): Promise<ExecProcess> {
  const { shimPath, containerId, program, stdin, environment } = options;
  const child = spawn(shimPath, ['exec'], {
    detached: true,
    env: environment,
    stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'],
  });
  const words = wordsOf(child, shimPath);
  const control = child.stdio[3] as Duplex;
  control.on('error', () => {});
  const head = Buffer.alloc(4);
  head.writeUInt32LE(program.length);
  control.write(Buffer.concat([head, program]));
  const first = await words.next();
  if (!first.startsWith('started ')) {
    control.destroy();
    throw creationError(containerId, first);
  }
  const stdout = child.stdout as Readable;
  const stderr = child.stderr as Readable;
  const stdinStream = child.stdin ?? undefined;
  // A process that reads no more of its input is no failure of ours.
  stdinStream?.on('error', () => {});
  const exited = exitOf(words.next(), [stdout, stderr]);
  exited.catch(() => {});
  return {
    ...(stdinStream !== undefined && { stdin: stdinStream }),
    stdout,
    stderr,
    exited,
    resize: ({ width, height }) => {
      if (control.writable) control.write(`resize ${height} ${width}\n`);
    },
    [Symbol.dispose]: () => {
      control.destroy();
      stdout.destroy();
      stderr.destroy();
    },
  };
}

async function exitOf(word: Promise<string>, outputs: readonly Readable[]): Promise<number> {
  const ends = outputs.map(
    (output) => new Promise<void>((resolve) => (output.closed ? resolve() : output.once('close', resolve))),
  );
  const match = /^exit (\d+) /.exec(await word);
  if (match === null) throw new PlatformError('unavailable', 'nobody saw how the process ended');
  await Promise.all(ends);
  return Number(match[1]);
}

/** What the shim says, a line at a time; empty once it has gone. */
function wordsOf(child: ChildProcess, shimPath: string): { next(): Promise<string> } {
  const control = child.stdio[3] as Duplex;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  child.once('error', (error) => failed.reject(cannotStart(shimPath, error)));
  const lines = linesOf(control);
  return {
    next: async () => (await Promise.race([lines.next(), failed.promise])).value ?? '',
  };
}

async function* linesOf(control: Duplex): AsyncGenerator<string, undefined> {
  let text = '';
  control.setEncoding('utf8');
  try {
    for await (const part of control.iterator({ destroyOnReturn: false })) {
      text += part as string;
      const parts = text.split('\n');
      text = parts.pop() ?? '';
      if (text.length > LINE_MAX) return undefined;
      yield* parts;
    }
  } catch {
    // It was closed: there is nothing more to hear.
  }
  return undefined;
}
