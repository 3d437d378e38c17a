/** The daemon's end of shim.sock: text lines, version 1 (docs/flows/container-start.md). */
import { closeSync, constants, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { PlatformError, type ErrorCode } from '../../base/errors.ts';
import type { ExitFacts } from './state-folder.ts';

/** Oldest and newest version of the protocol that we speak. */
const VERSIONS = { oldest: 1, newest: 1 } as const;

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
  ENOTSUP: 'unsupported',
  ESTALE: 'conflict',
  EALREADY: 'conflict',
  EINVAL: 'invalid',
  ENOENT: 'invalid',
  unknown: 'unsupported',
};

export function codeOfErrno(errno: string): ErrorCode {
  return CODES[errno] ?? 'internal';
}

/** What an answer line means. */
export type Answer =
  | { readonly kind: 'hello'; readonly version: number }
  | { readonly kind: 'ok'; readonly verb: string; readonly rest: string }
  | { readonly kind: 'error'; readonly verb: string; readonly error: PlatformError }
  | { readonly kind: 'exit'; readonly exit: ExitFacts };

export function parseAnswer(line: string): Answer {
  const [kind = '', first = '', ...rest] = line.split(' ');
  switch (kind) {
    case 'hello':
      return { kind, version: Number(first) };
    case 'ok':
      return { kind, verb: first, rest: rest.join(' ') };
    case 'exit': {
      const [signal, finishedAt, oomKilled] = rest.map(Number);
      const exit = {
        exitCode: Number(first),
        signal: signal ?? 0,
        finishedAt: finishedAt ?? 0,
        oomKilled: oomKilled === 1,
      };
      return { kind, exit };
    }
    case 'error': {
      const errno = rest[0] ?? '';
      const exitCode = first === 'start' ? Number(rest[1]) : 0;
      const message = rest.slice(first === 'start' ? 2 : 1).join(' ');
      const text = errno === 'unknown' ? `the container's shim does not know "${first}"` : message;
      const details = { errno, verb: first, ...(exitCode > 0 ? { exitCode } : {}) };
      return { kind, verb: first, error: new PlatformError(codeOfErrno(errno), text, { details }) };
    }
    default:
      throw new PlatformError('unsupported', `the container's shim said "${line}"`);
  }
}

/** How much a socket's path may be long (sockaddr_un), without the NUL. */
const SOCKET_PATH_MAX = 107;

interface Pending {
  readonly verb: string;
  readonly resolve: (rest: string) => void;
  readonly reject: (error: unknown) => void;
}

export class ShimConnection implements Disposable {
  readonly #socket: Socket;
  readonly #pending: Pending[] = [];
  readonly #hello = Promise.withResolvers<void>();
  readonly #exit = Promise.withResolvers<ExitFacts | undefined>();
  #buffer = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#hello.promise.catch(() => {});
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', () => {});
    socket.on('close', () => this.#closed(new PlatformError('unavailable', 'the shim has ended')));
  }

  /** `undefined` when no shim listens at `path`: it has ended. */
  static async open(path: string): Promise<ShimConnection | undefined> {
    for (;;) {
      const socket = await dial(path);
      if (socket === 'gone') return undefined;
      if (socket === 'busy') {
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const connection = new ShimConnection(socket);
      try {
        await connection.#hello.promise;
        return connection;
      } catch (error) {
        connection[Symbol.dispose]();
        if (error instanceof PlatformError && error.code === 'unavailable') return undefined;
        throw error;
      }
    }
  }

  /** Resolves with what follows `ok <verb>`; `unavailable` when the shim ends before it has answered. */
  request(verb: string, argument = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new PlatformError('unavailable', 'the shim has ended'));
      this.#pending.push({ verb, resolve, reject });
      this.#socket.write(argument === '' ? `${verb}\n` : `${verb} ${argument}\n`);
    });
  }

  /** How the container ended, after `request('wait')`; `undefined` when the connection ended without a word of it. */
  get ended(): Promise<ExitFacts | undefined> {
    return this.#exit.promise;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#buffer += text;
    const lines = this.#buffer.split('\n');
    this.#buffer = lines.pop() ?? '';
    try {
      for (const line of lines) this.#answer(parseAnswer(line));
    } catch (error) {
      this.#closed(error);
      this.#socket.destroy();
    }
  }

  #answer(answer: Answer): void {
    if (answer.kind === 'hello') {
      if (answer.version >= VERSIONS.oldest && answer.version <= VERSIONS.newest)
        return this.#hello.resolve();
      const text = `the container's shim speaks version ${answer.version}, we ${VERSIONS.oldest} to ${VERSIONS.newest}`;
      return this.#hello.reject(new PlatformError('unsupported', text));
    }
    if (answer.kind === 'exit') return this.#exit.resolve(answer.exit);
    if (answer.kind === 'error' && answer.verb === 'hello') return this.#hello.reject(answer.error);
    const asked = this.#pending.findIndex((each) => each.verb === answer.verb);
    const [pending] = asked < 0 ? [] : this.#pending.splice(asked, 1);
    if (answer.kind === 'ok') pending?.resolve(answer.rest);
    else pending?.reject(answer.error);
  }

  #closed(error: unknown): void {
    this.#hello.reject(error);
    this.#exit.resolve(undefined);
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }
}

export function dial(path: string): Promise<Socket | 'gone' | 'busy'> {
  // A folder's descriptor stands in for a name that is too long for a socket's address.
  let folder = -1;
  let address = path;
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    try {
      folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
    } catch {
      return Promise.resolve('gone');
    }
    address = `/proc/self/fd/${folder}/shim.sock`;
  }
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    const close = (): void => {
      if (folder >= 0) closeSync(folder);
    };
    socket.once('connect', () => {
      close();
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      close();
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'ENOTDIR'].includes(error.code ?? ''))
        return resolve('gone');
      if (error.code === 'EAGAIN') return resolve('busy');
      reject(new PlatformError('unavailable', `connect to ${path}: ${error.code}`, { cause: error }));
    });
  });
}
