/**
 * The streams of a container's own process, by way of its shim: `attach` on shim.sock, then frames both ways
 * (docs/flows/container-start.md): kind, four bytes of length (little-endian), payload.
 */
import type { Socket } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { PlatformError } from '../../base/errors.ts';
import type { ProcessStreams } from './runtime.ts';
import { dial, parseAnswer } from './shim-connection.ts';

export interface AttachedContainer extends ProcessStreams, Disposable {}

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const RESIZE = 4;
/** The shim sends no longer ones. */
const MAX_FRAME = 1 << 20;
const PIECE = 4096;

/** Undefined when no shim listens at `path`: it has ended. `unsupported` when it is older than this. */
export async function attachTo(
  path: string,
  { stdin }: { readonly stdin: boolean },
): Promise<AttachedContainer | undefined> {
  let socket = await dial(path);
  while (socket === 'busy') {
    await new Promise((resolve) => setImmediate(resolve));
    socket = await dial(path);
  }
  if (socket === 'gone') return undefined;
  socket.on('error', () => {});
  const source = new Source(socket);
  try {
    if ((await source.line()) === undefined) return undefined;
    socket.write(stdin ? 'attach stdin\n' : 'attach\n');
    const line = await source.line();
    if (line === undefined) return undefined;
    const answer = parseAnswer(line);
    if (answer.kind === 'error') throw answer.error;
    if (answer.kind !== 'ok') throw new PlatformError('unsupported', `the container's shim said "${line}"`);
    const words = answer.rest.split(' ');
    const terminal = words.includes('terminal');
    return attached(socket, source, { terminal, stdin: stdin && words.includes('stdin') });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function attached(
  socket: Socket,
  source: Source,
  { terminal, stdin }: { readonly terminal: boolean; readonly stdin: boolean },
): AttachedContainer {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const input = stdin
    ? new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          for (let at = 0; at < chunk.length; at += PIECE)
            socket.write(frame(STDIN, chunk.subarray(at, at + PIECE)));
          if (socket.writableNeedDrain) socket.once('drain', () => done());
          else done();
        },
        // A frame without a payload is the end of input.
        final: (done) => void socket.write(frame(STDIN, Buffer.alloc(0)), () => done()),
      })
    : undefined;
  input?.on('error', () => {});
  const outputs = new Map([
    [STDOUT, stdout],
    [STDERR, stderr],
  ]);
  void pump(source, outputs).finally(() => {
    stdout.end();
    stderr.end();
    input?.destroy();
    socket.destroy();
  });
  if (terminal) stderr.resume();
  return {
    ...(input !== undefined && { stdin: input }),
    stdout,
    ...(!terminal && { stderr }),
    resize: ({ width, height }) => {
      if (socket.writable) socket.write(frame(RESIZE, Buffer.from(`${height} ${width}`)));
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

async function pump(source: Source, outputs: ReadonlyMap<number, PassThrough>): Promise<void> {
  for (;;) {
    const head = await source.bytes(5);
    const size = head?.readUInt32LE(1) ?? 0;
    if (head === undefined || size > MAX_FRAME) return;
    const payload = await source.bytes(size);
    if (payload === undefined) return;
    const output = outputs.get(head[0]!);
    if (output === undefined || output.destroyed || output.write(payload)) continue;
    await new Promise<void>((resolve) => {
      output.once('drain', resolve);
      output.once('close', resolve);
    });
  }
}

function frame(kind: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head[0] = kind;
  head.writeUInt32LE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

class Source {
  readonly #iterator: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#iterator = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  }

  async #more(): Promise<boolean> {
    try {
      const next = await this.#iterator.next();
      if (next.done === true) return false;
      this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
      return true;
    } catch {
      return false;
    }
  }

  async bytes(size: number): Promise<Buffer | undefined> {
    while (this.#held.length < size) if (!(await this.#more())) return undefined;
    const taken = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(size);
    return taken;
  }

  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#held.indexOf(0x0a);
      if (end >= 0) return (await this.bytes(end + 1))!.toString('utf8', 0, end);
      if (this.#held.length > MAX_FRAME || !(await this.#more())) return undefined;
    }
  }
}
