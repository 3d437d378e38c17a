/** `/exec` and `/attach`: agrees on a protocol, then joins the client's streams with a process'. */
import type { Duplex } from 'node:stream';

import type { Clock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import type { StreamingService } from '../../../container/cri/streaming.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { channelSession, REMOTE_COMMAND_PROTOCOLS } from './channels.ts';
import { attachRemote, runRemote } from './remote-command.ts';
import type { RemoteSession, StreamWishes } from './remote-session.ts';
import { acceptSpdy, isSpdyRequest, SPDY_COMMAND_PROTOCOLS, spdySession } from './spdy-session.ts';
import { acceptWebSocket, isWebSocketRequest } from '../../api/websocket.ts';

export interface RemoteCommand {
  readonly headers: Readonly<Record<string, string>>;
  /** `command`, `input`, `output`, `error`, `tty` as the API server passes them on. */
  readonly query: URLSearchParams;
  readonly clock: Clock;
  readonly verb: 'exec' | 'attach';
  readonly containerId: string;
  readonly streams: StreamingService;
}

/** The answer 101, whose connection carries the streams. Throws for requests that ask for nothing or in no known way. */
export function answerRemoteCommand(asked: RemoteCommand): ApiResponse {
  const { headers, query, clock, verb, containerId, streams } = asked;
  const wishes = wishesOf(query);
  const command = query.getAll('command');
  const serve = async (session: RemoteSession): Promise<void> => {
    const { stdin, stdout, stderr, tty } = wishes;
    const request = { containerId, stdin, stdout, stderr, tty };
    if (verb === 'attach') return await attachRemote(session, () => streams.attach(request));
    await runRemote(session, { command, start: () => streams.exec({ ...request, cmd: command }) });
  };
  const { fields, open } = protocolOf(headers, { wishes, clock });
  return {
    status: 101,
    headers: fields,
    body: new Uint8Array(0),
    tunnel: (connection) => {
      // A client that has gone, or did not keep to the protocol, has nobody to be told.
      open(connection)
        .then(serve)
        .catch(() => connection.destroy());
    },
  };
}

interface Agreed {
  readonly fields: Readonly<Record<string, string>>;
  readonly open: (connection: Duplex) => Promise<RemoteSession>;
}

function protocolOf(
  headers: Readonly<Record<string, string>>,
  { wishes, clock }: { readonly wishes: StreamWishes; readonly clock: Clock },
): Agreed {
  if (isWebSocketRequest(headers)) {
    const { protocol, headers: fields } = acceptWebSocket(headers, REMOTE_COMMAND_PROTOCOLS);
    return { fields, open: async (connection) => channelSession(connection, protocol, wishes) };
  }
  if (isSpdyRequest(headers)) {
    const { protocol, headers: fields } = acceptSpdy(headers, SPDY_COMMAND_PROTOCOLS);
    return { fields, open: (connection) => spdySession(connection, { protocol, wishes, clock }) };
  }
  throw new PlatformError('invalid', 'Upgrade request required');
}

function wishesOf(query: URLSearchParams): StreamWishes {
  const is = (name: string): boolean => query.get(name) === '1';
  const [stdin, stdout, stderr, tty] = [is('input'), is('output'), is('error'), is('tty')];
  if (!stdin && !stdout && !stderr) {
    throw new PlatformError('invalid', 'you must specify at least 1 of stdin, stdout, stderr');
  }
  // A terminal has one output.
  return { stdin, stdout, stderr: stderr && !tty, tty };
}
