/** The other end of a connection from `sampan-oci`, as the verbs of the lifecycle see it. */
import type { Duplex } from 'node:stream';
import { type ErrorCode, PlatformError } from '../../../base/errors.ts';
import type { Instruction } from '../program/instructions.ts';
import { encodeProgram } from '../program/program-text.ts';
import { decodeFrontMessage, encodeBrainMessage, FrameReader } from './front-frames.ts';
import type { BrainMessage, FrontMessage, FrontRequest } from './front-protocol.ts';

/** What a program came to: init's pid (0 when none was made), or with `wait` as last instruction the exit code. */
export type Outcome =
  | { readonly type: 'done'; readonly pid: number }
  | { readonly type: 'exited'; readonly code: number };

export interface Front {
  readonly request: FrontRequest;
  /** Aborts when the caller has gone: what was begun on its behalf is undone then. */
  readonly lost: AbortSignal;
  /**
   * Executes in the caller's process. `answer` is called for every `ask`, and the front waits for it.
   * Throws a PlatformError whose details have `number`, `opcode`, `errno` and `exitCode` of what failed; `cancelled`
   * when the front has gone.
   */
  execute(
    program: readonly Instruction[],
    answer?: (topic: string, pid: number) => Promise<void>,
  ): Promise<Outcome>;
  /** A file as the caller sees it: its standard input, its descriptors. */
  read(path: string): Promise<Buffer>;
  print(fd: 1 | 2, text: string): void;
}

export class FrontConnection implements Front {
  readonly request: FrontRequest;
  readonly lost: AbortSignal;
  readonly #stream: Duplex;
  readonly #lost = new AbortController();
  readonly #inbox: FrontMessage[] = [];
  #waiting: PromiseWithResolvers<FrontMessage> | undefined;

  private constructor(stream: Duplex, request: FrontRequest) {
    this.#stream = stream;
    this.request = request;
    this.lost = this.#lost.signal;
  }

  /** Resolves when the request is there; `undefined` when the other side closes before it has said anything. */
  static accept(stream: Duplex): Promise<FrontConnection | undefined> {
    return new Promise((resolve, reject) => {
      const frames = new FrameReader();
      let connection: FrontConnection | undefined;
      const fail = (error: unknown): void => {
        stream.destroy();
        if (connection === undefined) reject(error);
        else connection.#close(error);
      };
      stream.on('data', (chunk: Buffer) => {
        try {
          for (const frame of frames.push(chunk)) {
            const message = decodeFrontMessage(frame);
            if (connection !== undefined) connection.#receive(message);
            else if (message.verb === 'request') {
              connection = new FrontConnection(stream, message.request);
              resolve(connection);
            } else throw new PlatformError('invalid', `the front began with ${message.verb}`);
          }
        } catch (error) {
          fail(error);
        }
      });
      // A front that was killed is an end like any other.
      stream.on('error', () => {});
      const ended = (): void => {
        if (connection === undefined) resolve(undefined);
        else connection.#close(gone());
      };
      stream.on('end', ended);
      stream.on('close', ended);
    });
  }

  async execute(
    program: readonly Instruction[],
    answer?: (topic: string, pid: number) => Promise<void>,
  ): Promise<Outcome> {
    this.#send({ verb: 'execute', program: encodeProgram(program) });
    for (;;) {
      const message = await this.#next();
      switch (message.verb) {
        case 'done':
          return { type: 'done', pid: message.pid };
        case 'exited':
          return { type: 'exited', code: message.code };
        case 'error':
          throw executionError(message);
        case 'ask':
          await answer?.(message.topic, message.pid);
          this.#send({ verb: 'continue' });
          break;
        default:
          throw new PlatformError('invalid', `the front answered execute with ${message.verb}`);
      }
    }
  }

  async read(path: string): Promise<Buffer> {
    this.#send({ verb: 'read', path });
    const message = await this.#next();
    if (message.verb !== 'content') {
      throw new PlatformError('invalid', `the front answered read with ${message.verb}`);
    }
    if (message.errno !== '' && message.errno !== '0') {
      throw new PlatformError(codeOfErrno(message.errno), `${path}: ${message.errno}`, {
        details: { errno: message.errno },
      });
    }
    return message.content;
  }

  print(fd: 1 | 2, text: string): void {
    this.#send({ verb: 'print', fd, text });
  }

  /** The last word: the front ends with this code. Resolves when it was sent, or cannot be. */
  exit(code: number): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.once('close', resolve);
      this.#stream.end(encodeBrainMessage({ verb: 'exit', code }), () => resolve());
    });
  }

  #send(message: BrainMessage): void {
    if (!this.#stream.writable) return;
    this.#stream.write(encodeBrainMessage(message));
  }

  #receive(message: FrontMessage): void {
    if (this.#waiting === undefined) this.#inbox.push(message);
    else this.#waiting.resolve(message);
    this.#waiting = undefined;
  }

  #next(): Promise<FrontMessage> {
    const message = this.#inbox.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.lost.aborted) return Promise.reject(this.lost.reason as Error);
    this.#waiting = Promise.withResolvers<FrontMessage>();
    return this.#waiting.promise;
  }

  #close(error: unknown): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#lost.abort(error);
  }
}

function gone(): PlatformError {
  return new PlatformError('cancelled', 'the caller has gone');
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  EPERM: 'forbidden',
  EACCES: 'forbidden',
  ENOSPC: 'exhausted',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  ENOMEM: 'exhausted',
  EAGAIN: 'exhausted',
  ENOSYS: 'unsupported',
  ENODEV: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  ESTALE: 'conflict',
  EALREADY: 'conflict',
  EINVAL: 'invalid',
  ENOENT: 'not-found',
};

export function codeOfErrno(errno: string): ErrorCode {
  return CODES[errno] ?? 'internal';
}

function executionError(message: FrontMessage & { readonly verb: 'error' }): PlatformError {
  const { number, opcode, errno, exitCode } = message;
  return new PlatformError(codeOfErrno(errno), message.message, {
    details: { number, opcode, errno, exitCode },
  });
}
