/** Remote commands over SPDY: one stream each, told apart by their header `streamtype`. */
import type { Duplex } from 'node:stream';

import type { Clock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { plainStatus } from './channels.ts';
import { SizeReader, type RemoteSession, type StreamWishes } from './remote-session.ts';
import { SpdyConnection, type SpdyStream } from './spdy.ts';
import { afterwards } from './settle.ts';

/** Newest first. */
export const SPDY_COMMAND_PROTOCOLS: readonly string[] = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
];

/** How long a client may take to open its streams. */
const OPEN_MS = 30_000;

export interface SpdyHandshake {
  readonly protocol: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function isSpdyRequest(headers: Readonly<Record<string, string>>): boolean {
  return headers['upgrade']?.toLowerCase() === 'spdy/3.1';
}

/** Throws `forbidden` when there is none in common, as upstream answers it. */
export function acceptSpdy(
  headers: Readonly<Record<string, string>>,
  known: readonly string[],
): SpdyHandshake {
  const offered = (headers['x-stream-protocol-version'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  // A client that says nothing speaks the oldest.
  const protocol = offered.length === 0 ? known.at(-1) : offered.find((name) => known.includes(name));
  if (protocol === undefined) {
    throw new PlatformError(
      'forbidden',
      `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${known.join(' ')}]`,
    );
  }
  return {
    protocol,
    headers: {
      upgrade: 'SPDY/3.1',
      connection: 'Upgrade',
      ...(offered.length > 0 && { 'x-stream-protocol-version': protocol }),
    },
  };
}

/** Resolves when all streams are there; rejects with `timeout` or `unavailable`. */
export async function spdySession(
  connection: Duplex,
  {
    protocol,
    wishes,
    clock,
  }: { readonly protocol: string; readonly wishes: StreamWishes; readonly clock: Clock },
): Promise<RemoteSession> {
  const wanted = new Set(['error']);
  for (const name of ['stdin', 'stdout', 'stderr'] as const) if (wishes[name]) wanted.add(name);
  if (wishes.tty && /^v[34]\./.test(protocol)) wanted.add('resize');
  const streams = new Map<string, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const gone = new AbortController();
  const session = new SpdyConnection(connection, {
    onStream: (stream) => {
      const type = stream.headers.get('streamtype') ?? '';
      if (!wanted.has(type) || streams.has(type)) return false;
      streams.set(type, stream);
      if (streams.size === wanted.size) complete.resolve();
      return true;
    },
  });
  void afterwards(session.ended, () => {
    gone.abort();
    complete.reject(new PlatformError('unavailable', 'the client has gone'));
  });
  const timer = clock.after(OPEN_MS, () =>
    complete.reject(new PlatformError('timeout', 'timed out waiting for client to create streams')),
  );
  try {
    await complete.promise;
  } catch (error) {
    session.close();
    throw error;
  } finally {
    timer[Symbol.dispose]();
  }
  const sizes = new SizeReader();
  streams.get('resize')?.on('data', (bytes: Buffer) => sizes.push(bytes));
  const error = streams.get('error')!.resume();
  return {
    ...pick(streams),
    onResize: (take) => sizes.onResize(take),
    gone: gone.signal,
    async finish(status) {
      const text = protocol === 'v4.channel.k8s.io' ? JSON.stringify(status) : plainStatus(status);
      await new Promise<void>((resolve) => {
        error.once('close', resolve);
        error.end(text, () => resolve());
      });
      session.close();
    },
  };
}

function pick(streams: ReadonlyMap<string, SpdyStream>): Pick<RemoteSession, 'stdin' | 'stdout' | 'stderr'> {
  const [stdin, stdout, stderr] = ['stdin', 'stdout', 'stderr'].map((name) => streams.get(name));
  // What clients send the wrong way is not kept.
  stdout?.resume();
  stderr?.resume();
  return {
    ...(stdin !== undefined && { stdin }),
    ...(stdout !== undefined && { stdout }),
    ...(stderr !== undefined && { stderr }),
  };
}
