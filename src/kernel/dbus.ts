/** A D-Bus connection: calls and signals, to a bus or to one peer. */
import { createConnection, type Socket } from 'node:net';
import { PlatformError, type ErrorCode } from '../base/errors.ts';
import { failpoint } from '../base/failpoint.ts';
import {
  encodeMessage,
  ERROR,
  METHOD_CALL,
  METHOD_RETURN,
  SIGNAL,
  splitMessages,
  type DbusMessage,
  type DbusValue,
} from './dbus-codec.ts';

export { variant, type DbusMessage, type DbusValue, type Variant } from './dbus-codec.ts';

export interface DbusCall {
  /** Absent on a connection to one peer. */
  readonly destination?: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly DbusValue[];
}

export interface DbusOptions {
  /** False on a connection to one peer, such as systemd's private socket: there is nobody to greet. Default true. */
  readonly bus?: boolean;
  /** Milliseconds that connecting and each call may take. */
  readonly timeout?: number;
}

const DEFAULT_TIMEOUT_MS = 25_000;

/** Error names to codes; by their last part, since services use each other's. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  AccessDenied: 'forbidden',
  InteractiveAuthorizationRequired: 'forbidden',
  AuthFailed: 'unauthenticated',
  InvalidArgs: 'invalid',
  NoSuchUnit: 'not-found',
  NotLoaded: 'not-found',
  UnknownObject: 'not-found',
  UnitExists: 'already-exists',
  UnknownMethod: 'unsupported',
  UnknownInterface: 'unsupported',
  UnknownProperty: 'unsupported',
  PropertyReadOnly: 'unsupported',
  NotSupported: 'unsupported',
  ServiceUnknown: 'unavailable',
  NameHasNoOwner: 'unavailable',
  LimitsExceeded: 'exhausted',
  NoReply: 'timeout',
  Timeout: 'timeout',
};

type Waiting = PromiseWithResolvers<readonly DbusValue[]>;

export class DbusConnection implements Disposable {
  readonly #socket: Socket;
  readonly #timeout: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(signal: DbusMessage) => void>();
  #serial = 0;
  #rest: Buffer = Buffer.alloc(0);
  #failure: PlatformError | undefined;

  private constructor(socket: Socket, timeout: number) {
    this.#socket = socket;
    this.#timeout = timeout;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(`connection failed: ${error.message}`, error));
    socket.on('close', () => this.#fail('connection was closed'));
  }

  /**
   * @param address as in DBUS_SESSION_BUS_ADDRESS; the first of several that answers is taken. `unavailable` when none does
   */
  static async connect(address: string, options: DbusOptions = {}): Promise<DbusConnection> {
    const { bus = true, timeout = DEFAULT_TIMEOUT_MS } = options;
    failpoint('kernel.dbus.connect');
    let failure: unknown;
    for (const path of socketPaths(address)) {
      try {
        const socket = await authenticate(path, timeout);
        using undo = new DisposableStack();
        const connection = undo.use(new DbusConnection(socket, timeout));
        if (bus) await connection.call({ ...BUS, member: 'Hello' });
        undo.move();
        return connection;
      } catch (error) {
        failure = error;
      }
    }
    throw new PlatformError('unavailable', `dbus: nobody answers at ${address}`, { cause: failure });
  }

  async call(call: DbusCall): Promise<readonly DbusValue[]> {
    failpoint('kernel.dbus.call');
    if (this.#failure !== undefined) throw this.#failure;
    const serial = ++this.#serial;
    const answer: Waiting = Promise.withResolvers();
    this.#waiting.set(serial, answer);
    const timer = setTimeout(() => {
      answer.reject(new PlatformError('timeout', `dbus: no answer to ${call.member} in ${this.#timeout} ms`));
    }, this.#timeout);
    try {
      this.#socket.write(encodeMessage({ ...call, type: METHOD_CALL, serial }));
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(serial);
    }
  }

  /** Asks the bus for signals: `type='signal',member='JobRemoved'`. */
  async addMatch(rule: string): Promise<void> {
    await this.call({ ...BUS, member: 'AddMatch', signature: 's', body: [rule] });
  }

  /** Every signal that comes in from now on, those before the answer to a later call included. */
  onSignal(listener: (signal: DbusMessage) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#fail('connection was closed');
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let messages: DbusMessage[];
    try {
      ({ messages, rest: this.#rest } = splitMessages(Buffer.concat([this.#rest, chunk])));
    } catch (error) {
      this.#fail('cannot understand what came in', error);
      this.#socket.destroy();
      return;
    }
    for (const message of messages) this.#dispatch(message);
  }

  #dispatch(message: DbusMessage): void {
    const { type, replySerial, body = [] } = message;
    if (type === SIGNAL) for (const listener of this.#listeners) listener(message);
    // A peer that asks us something has the wrong one: nothing here is an object.
    const waiting = replySerial === undefined ? undefined : this.#waiting.get(replySerial);
    if (type === METHOD_RETURN) waiting?.resolve(body);
    else if (type === ERROR) waiting?.reject(dbusError(message));
  }

  #fail(why: string, cause?: unknown): void {
    this.#failure ??= new PlatformError('unavailable', `dbus: ${why}`, { cause });
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;

function dbusError({ errorName = 'an error without a name', body = [] }: DbusMessage): PlatformError {
  const text = typeof body[0] === 'string' ? `: ${body[0]}` : '';
  const code = CODES[errorName.slice(errorName.lastIndexOf('.') + 1)] ?? 'internal';
  return new PlatformError(code, `dbus: ${errorName}${text}`, { details: { dbus: errorName } });
}

/** `unix:path=/run/dbus/system_bus_socket,guid=…;unix:abstract=…` as paths for connect(2); others are passed over. */
export function socketPaths(address: string): string[] {
  return address.split(';').flatMap((each) => {
    const [transport, rest = ''] = each.split(/:(.*)/s);
    if (transport !== 'unix') return [];
    const values = new Map(
      rest.split(',').map((pair) => {
        const [key = '', value = ''] = pair.split('=');
        return [key, decodeURIComponent(value)] as const;
      }),
    );
    const [path, abstract] = [values.get('path'), values.get('abstract')];
    if (path !== undefined) return [path];
    return abstract === undefined ? [] : [`\0${abstract}`];
  });
}

/**
 * EXTERNAL: the other side looks at the socket's credentials. We do not say who we are, because inside a user namespace our
 * number is not the one that it sees.
 *
 *     us                                 them
 *     NUL AUTH EXTERNAL, DATA, BEGIN ->
 *                                    <- DATA, OK <guid>     (or REJECTED <ways>)
 *     messages                      <-> messages
 *
 * BEGIN does not wait for OK: systemd (252) forgets a message that it reads together with BEGIN until another comes in, and
 * this way there is none that it could.
 */
async function authenticate(path: string, timeout: number): Promise<Socket> {
  const socket = createConnection({ path });
  const done = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => done.reject(new PlatformError('timeout', `dbus: ${path} does not answer`)),
    timeout,
  );
  let text = '';
  const onData = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
    for (const line of text.split('\r\n').slice(0, -1)) {
      if (line.startsWith('OK ')) done.resolve();
      else if (line.startsWith('REJECTED') || line.startsWith('ERROR'))
        done.reject(new PlatformError('unauthenticated', `dbus: ${path} does not let us in: ${line}`));
    }
  };
  const onError = (error: Error): void => done.reject(error);
  const onClose = (): void => done.reject(new PlatformError('unavailable', `dbus: ${path} hung up`));
  socket.on('data', onData).once('error', onError).once('close', onClose);
  socket.write('\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n');
  try {
    await done.promise;
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.off('data', onData).off('error', onError).off('close', onClose);
  }
}
