/** A watch over WebSocket, which is how browsers have it: each event is a message. */
import type { ApiResponse } from '../../api/transport.ts';
import { acceptWebSocket, offeredProtocols, WebSocketConnection } from '../../api/websocket.ts';

/** One of the protocols may be the client's token; of the others the first is agreed on, whatever it is. */
const TOKEN = 'base64url.bearer.authorization.k8s.io.';
const LENGTH_BYTES = 4;

/** `open` gives the events in the form that a plain watch sends, whole ones in each chunk. Throws for what is no handshake. */
export function overWebSocket(
  headers: Readonly<Record<string, string>>,
  format: 'json' | 'protobuf',
  open: () => AsyncIterable<Uint8Array>,
): ApiResponse {
  const protocols = offeredProtocols(headers).filter((name) => !name.startsWith(TOKEN));
  const handshake = acceptWebSocket(headers, ['', ...protocols]);
  const iterator = open()[Symbol.asyncIterator]();
  return {
    status: 101,
    headers: handshake.headers,
    body: new Uint8Array(0),
    tunnel: (connection) => {
      // What a client says is of no interest; that it goes is.
      const socket = new WebSocketConnection(connection, () => {});
      void socket.ended.then(() => iterator.return?.());
      send(socket, iterator, format).catch(() => connection.destroy());
    },
  };
}

async function send(
  socket: WebSocketConnection,
  iterator: AsyncIterator<Uint8Array>,
  format: 'json' | 'protobuf',
): Promise<void> {
  const [split, kind] = format === 'json' ? ([lines, 'text'] as const) : ([delimited, 'binary'] as const);
  for (;;) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    for (const message of split(value)) await socket.send(message, kind);
  }
  socket.close();
}

function* lines(chunk: Uint8Array): Generator<Uint8Array> {
  for (let from = 0; from < chunk.length;) {
    const end = chunk.indexOf(0x0a, from) + 1 || chunk.length;
    yield chunk.subarray(from, end);
    from = end;
  }
}

/** Each has its length before it, as four bytes, which WebSocket says itself. */
function* delimited(chunk: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (let from = 0; from < chunk.length;) {
    const start = from + LENGTH_BYTES;
    from = start + view.getUint32(from);
    yield chunk.subarray(start, from);
  }
}
