/**
 * Remote commands over WebSocket: the first byte of each message says which stream the rest belongs to. Version 4 tells
 * the outcome as a Status, version 5 also the end of a stream (KEP-4006); base64 is for clients that have only text.
 */
import { PassThrough, Writable, type Duplex } from 'node:stream';

import type { Status } from '../../api/generated/meta-v1.ts';
import { SizeReader, type RemoteSession, type StreamWishes } from './remote-session.ts';
import { drained } from '../../../base/drained.ts';
import { WebSocketConnection } from '../../api/websocket.ts';
import { afterwards, settle } from './settle.ts';

export const REMOTE_COMMAND_PROTOCOLS: readonly string[] = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
  '',
];

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const RESIZE = 4;
const CLOSE = 255;

export function channelSession(connection: Duplex, protocol: string, wishes: StreamWishes): RemoteSession {
  const stdin = wishes.stdin ? new PassThrough() : undefined;
  const sizes = new SizeReader();
  const gone = new AbortController();
  const isText = protocol.includes('base64');
  const socket = new WebSocketConnection(connection, async (message) => {
    if (message.length === 0) return;
    const first = message[0]!;
    const channel = isText ? first - 0x30 : first;
    const rest = isText ? Buffer.from(message.toString('latin1', 1), 'base64') : message.subarray(1);
    if (channel === CLOSE && rest[0] === STDIN) stdin?.end();
    else if (channel === STDIN && stdin !== undefined && !stdin.writableEnded) {
      if (rest.length > 0 && !stdin.write(rest)) await drained(stdin);
    } else if (channel === RESIZE) sizes.push(rest);
  });
  const send = (channel: number, data: Uint8Array): Promise<void> => {
    if (isText) {
      const text = `${channel}${Buffer.from(data).toString('base64')}`;
      return socket.send(Buffer.from(text), 'text');
    }
    return socket.send(Buffer.concat([Buffer.from([channel]), data]));
  };
  void afterwards(socket.ended, () => {
    gone.abort();
    stdin?.end();
  });
  // An empty message on the first stream that is there tells the client that it is connected.
  void send(wishes.stdout ? STDOUT : wishes.stderr ? STDERR : ERROR, Buffer.alloc(0));
  return {
    ...(stdin !== undefined && { stdin }),
    ...(wishes.stdout && { stdout: outputTo((data) => send(STDOUT, data)) }),
    ...(wishes.stderr && { stderr: outputTo((data) => send(STDERR, data)) }),
    onResize: (take) => sizes.onResize(take),
    gone: gone.signal,
    async finish(status) {
      const text = /^v[45]\./.test(protocol) ? JSON.stringify(status) : plainStatus(status);
      if (text !== '') await send(ERROR, Buffer.from(text));
      socket.close();
    },
  };
}

/** Before version 4 there was only the text of what went wrong. */
export function plainStatus({ status, message }: Status): string {
  return status === 'Success' ? '' : (message ?? '');
}

function outputTo(send: (data: Buffer) => Promise<void>): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      void settle(send(chunk), done);
    },
  });
}
