/** A WebSocket whose binary messages are the bytes of another connection. */
import { Duplex } from 'node:stream';

import { WebSocketConnection } from '../../api/websocket.ts';
import { afterwards, settle } from './settle.ts';

export function webSocketTunnel(connection: Duplex): Duplex {
  let room: (() => void) | undefined;
  const inner = new Duplex({
    read() {
      room?.();
      room = undefined;
    },
    write(chunk: Buffer, _encoding, done) {
      void settle(socket.send(chunk), done);
    },
    final(done) {
      socket.close();
      done();
    },
    destroy(error, done) {
      room?.();
      socket.close();
      done(error);
    },
  });
  inner.on('error', () => {});
  const socket = new WebSocketConnection(connection, (message) => {
    if (inner.destroyed || inner.push(message)) return undefined;
    return new Promise<void>((resolve) => (room = resolve));
  });
  void afterwards(socket.ended, () => {
    if (!inner.destroyed) inner.push(null);
  });
  return inner;
}
