/**
 * `/portForward`: connections to ports of a pod. Over SPDY, plain or inside a WebSocket (KEP-4006), each has a stream for
 * its data and one for what went wrong; over WebSocket channels each port of the query has two channels.
 */
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import type { Clock } from '../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { forwardChannels, PORT_CHANNEL_PROTOCOLS } from './port-channels.ts';
import { SpdyConnection, type SpdyStream } from './spdy.ts';
import { acceptSpdy, isSpdyRequest } from './spdy-session.ts';
import { acceptWebSocket, isWebSocketRequest } from '../../api/websocket.ts';
import { webSocketTunnel } from './websocket-tunnel.ts';
import { afterwards } from './settle.ts';

const PORT_FORWARD = 'portforward.k8s.io';
const TUNNELLED = `SPDY/3.1+${PORT_FORWARD}`;

/** How long the second stream of a connection may take to come after the first. */
const PAIR_MS = 30_000;

export interface PortForward {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly clock: Clock;
  /** For messages. */
  readonly pod: string;
  readonly uid: string;
  readonly dial: (port: number) => Promise<Duplex>;
}

export function answerPortForward(asked: PortForward): ApiResponse {
  const { headers, query } = asked;
  const switching = { status: 101, body: new Uint8Array(0) };
  if (isWebSocketRequest(headers)) {
    const known = [TUNNELLED, ...PORT_CHANNEL_PROTOCOLS];
    const { protocol, headers: fields } = acceptWebSocket(headers, known);
    if (protocol === TUNNELLED) {
      return {
        ...switching,
        headers: fields,
        tunnel: (connection) => serveSpdy(webSocketTunnel(connection), asked),
      };
    }
    const ports = (query.get('port') ?? '')
      .split(',')
      .filter((port) => port !== '')
      .map(portOf);
    if (ports.length === 0) throw new PlatformError('invalid', 'query parameter "port" is required');
    const error = (port: number, why: unknown): string => errorText(asked, port, why);
    return {
      ...switching,
      headers: fields,
      tunnel: (connection) => forwardChannels(connection, { protocol, ports, dial: asked.dial, error }),
    };
  }
  if (isSpdyRequest(headers)) {
    const { headers: fields } = acceptSpdy(headers, [PORT_FORWARD]);
    return { ...switching, headers: fields, tunnel: (connection) => serveSpdy(connection, asked) };
  }
  throw new PlatformError('invalid', 'Upgrade request required');
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new PlatformError('invalid', `port ${JSON.stringify(text)} must be > 0 and <= 65535`);
}

function errorText({ pod, uid }: PortForward, port: number, why: unknown): string {
  return `error forwarding port ${port} to pod ${pod}, uid ${uid}: ${errorMessage(why)}`;
}

interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
  readonly timer: Disposable;
}

function serveSpdy(connection: Duplex, asked: PortForward): void {
  const pairs = new Map<string, Pair>();
  const session = new SpdyConnection(connection, {
    onStream: (stream) => {
      const type = stream.headers.get('streamtype');
      const port = Number(stream.headers.get('port'));
      if (!Number.isInteger(port) || port < 1 || port > 65_535) return false;
      if (type !== 'error' && type !== 'data') return false;
      const id = requestOf(stream, type);
      const pair = pairs.get(id) ?? { timer: expire(id) };
      if (pair[type] !== undefined) return false;
      pair[type] = stream;
      pairs.set(id, pair);
      const { error, data } = pair;
      if (error === undefined || data === undefined) return true;
      pair.timer[Symbol.dispose]();
      pairs.delete(id);
      void forward(asked, { port, error, data });
      return true;
    },
  });
  const expire = (id: string): Disposable =>
    asked.clock.after(PAIR_MS, () => {
      const pair = pairs.get(id);
      pairs.delete(id);
      pair?.data?.destroy();
      pair?.error?.end(`timed out waiting for streams of request ${id}`);
    });
  void afterwards(session.ended, () => {
    for (const { timer } of pairs.values()) timer[Symbol.dispose]();
    session.close();
  });
}

/** Clients of old give no `requestid`: their error stream comes first, and the data stream's id is the next one. */
function requestOf(stream: SpdyStream, type: 'error' | 'data'): string {
  const given = stream.headers.get('requestid') ?? '';
  if (given !== '') return given;
  return String(type === 'error' ? stream.id : stream.id - 2);
}

async function forward(
  asked: PortForward,
  { port, error, data }: { readonly port: number; readonly error: SpdyStream; readonly data: SpdyStream },
): Promise<void> {
  // Clients send nothing on it.
  error.resume();
  try {
    const target = await asked.dial(port);
    const there = pipeline(data, target);
    there.catch(() => {});
    // Whoever was forwarded to has the last word: when it has ended there is nothing to send any more.
    await pipeline(target, data, { end: true });
    error.end();
    await there.catch(() => {});
    data.destroy();
  } catch (why) {
    if (!error.destroyed) error.end(errorText(asked, port, why));
    data.resume();
    data.destroy();
  }
}
