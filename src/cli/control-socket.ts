/**
 * How commands ask a running daemon for what only it can do: a socket in the run folder, which nobody else may enter. One
 * request a connection, one line of JSON each way:
 *
 *   command                                   daemon
 *     |-- {"do":"backup","file":"/…"}\n ------->|
 *     |<-- {"ok":{…}}\n or {"failed":{…}}\n ----|
 */
import { rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { errorMessage, isPlatformError, PlatformError, type ErrorCode } from '../base/errors.ts';

type Facts = Readonly<Record<string, unknown>>;
export type ControlHandlers = Readonly<Record<string, (request: Facts) => Promise<Facts>>>;

interface Failed {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Nothing that is asked for is longer. */
const LONGEST_REQUEST = 64 * 1024;

const socketIn = (runDir: string): string => join(runDir, 'control.sock');

/** Serves until disposed. The caller owns the instance, so a socket that is there was left by a killed one. */
export async function serveControl(runDir: string, handlers: ControlHandlers): Promise<AsyncDisposable> {
  const path = socketIn(runDir);
  rmSync(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      const end = text.indexOf('\n');
      if (end === -1 && text.length <= LONGEST_REQUEST) return;
      socket.pause();
      void answer(text.slice(0, end === -1 ? 0 : end), handlers).then((line) => socket.end(`${line}\n`));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

async function answer(line: string, handlers: ControlHandlers): Promise<string> {
  try {
    const request = JSON.parse(line) as Facts;
    const name = request['do'];
    const handler = typeof name === 'string' && Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    if (handler === undefined) throw new PlatformError('unsupported', `the daemon cannot ${String(name)}`);
    return JSON.stringify({ ok: await handler(request) });
  } catch (error) {
    const known = isPlatformError(error) ? error : undefined;
    const failed: Failed = {
      code: known?.code ?? 'internal',
      message: errorMessage(error),
      hint: known?.hint,
    };
    return JSON.stringify({ failed });
  }
}

/** Asks the daemon of `runDir`; its errors come back as they were thrown there. */
export async function askDaemon(runDir: string, request: Facts & { readonly do: string }): Promise<Facts> {
  const socket = createConnection(socketIn(runDir));
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const line of createInterface({ input: socket })) {
      const { ok, failed } = JSON.parse(line) as { ok?: Facts; failed?: Failed };
      if (ok !== undefined) return ok;
      throw new PlatformError(failed?.code ?? 'internal', failed?.message ?? 'no reason given', {
        ...(failed?.hint !== undefined && { hint: failed.hint }),
      });
    }
  } catch (error) {
    if (isPlatformError(error)) throw error;
    throw new PlatformError('unavailable', `the daemon cannot be asked: ${errorMessage(error)}`, {
      cause: error,
    });
  } finally {
    socket.destroy();
  }
  throw new PlatformError('unavailable', 'the daemon ended before it answered', {
    hint: 'see its log, sampan.log in the data folder',
  });
}
