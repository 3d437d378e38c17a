/** Logs over a WebSocket: each piece a message, as browsers and dashboards read them. */
import { errorMessage } from '../../../base/errors.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { settle } from './settle.ts';
import { acceptWebSocket, WebSocketConnection } from '../../api/websocket.ts';

/** Of kube-apiserver's readers; bytes are what is meant when nothing is said. */
const BASE64 = 'base64.binary.k8s.io';
const PROTOCOLS = ['', 'binary.k8s.io', BASE64];

/** Throws `invalid` for a handshake that is none. */
export function answerLogs(
  headers: Readonly<Record<string, string>>,
  logs: AsyncIterable<Uint8Array>,
): ApiResponse {
  const handshake = acceptWebSocket(headers, PROTOCOLS);
  return {
    status: 101,
    headers: handshake.headers,
    body: new Uint8Array(0),
    tunnel: (connection) => {
      const socket = new WebSocketConnection(connection, () => {});
      void settle(sendAll(socket, logs, handshake.protocol === BASE64), (error) =>
        error === undefined ? socket.close() : socket.close(1011, errorMessage(error)),
      );
    },
  };
}

async function sendAll(
  socket: WebSocketConnection,
  logs: AsyncIterable<Uint8Array>,
  asText: boolean,
): Promise<void> {
  const pieces = logs[Symbol.asyncIterator]();
  // A reader that goes ends what it followed.
  const gone = socket.ended.then(() => undefined);
  try {
    for (;;) {
      const piece = await Promise.race([pieces.next(), gone]);
      if (piece === undefined || piece.done === true) return;
      if (asText) await socket.send(Buffer.from(Buffer.from(piece.value).toString('base64')), 'text');
      else await socket.send(piece.value);
    }
  } finally {
    await pieces.return?.();
  }
}
