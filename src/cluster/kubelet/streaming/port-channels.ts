/**
 * Port forwarding over WebSocket channels, as clients without SPDY do it: the channels 2n and 2n+1 are data and errors of
 * the query's nth port, and begin with the port's number (two bytes, little-endian).
 */
import type { Duplex } from 'node:stream';

import { WebSocketConnection } from '../../api/websocket.ts';

export const PORT_CHANNEL_PROTOCOLS: readonly string[] = [
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  '',
];

export interface PortChannels {
  readonly protocol: string;
  readonly ports: readonly number[];
  readonly dial: (port: number) => Promise<Duplex>;
  readonly error: (port: number, why: unknown) => string;
}

export function forwardChannels(connection: Duplex, { protocol, ports, dial, error }: PortChannels): void {
  const isText = protocol.includes('base64');
  const targets = ports.map(async (port) => await dial(port));
  const socket = new WebSocketConnection(connection, async (message) => {
    if (message.length === 0) return;
    const channel = isText ? message[0]! - 0x30 : message[0]!;
    const data = isText ? Buffer.from(message.toString('latin1', 1), 'base64') : message.subarray(1);
    // What is sent to an error channel, or to a port that could not be reached, is dropped.
    const target = channel % 2 === 0 ? await targets[channel / 2]?.catch(() => undefined) : undefined;
    if (target === undefined || !target.writable || target.write(data)) return;
    await new Promise<void>((resolve) => {
      target.once('drain', resolve);
      target.once('close', resolve);
    });
  });
  const send = (channel: number, data: Uint8Array): Promise<void> =>
    isText
      ? socket.send(
          Buffer.from(String.fromCharCode(0x30 + channel) + Buffer.from(data).toString('base64')),
          'text',
        )
      : socket.send(Buffer.concat([Buffer.from([channel]), data]));
  const serve = async (index: number): Promise<void> => {
    const port = ports[index]!;
    const number = Buffer.from([port & 0xff, port >> 8]);
    await send(2 * index, number);
    await send(2 * index + 1, number);
    try {
      const target = await targets[index]!;
      for await (const part of target) await send(2 * index, part as Buffer);
    } catch (why) {
      await send(2 * index + 1, Buffer.from(error(port, why)));
    }
  };
  const serveAll = async (): Promise<void> => {
    await Promise.all(ports.map((_port, index) => serve(index)));
    socket.close();
  };
  const letGo = async (): Promise<void> => {
    await socket.ended;
    for (const target of targets) (await target.catch(() => undefined))?.destroy();
  };
  void serveAll();
  void letGo();
}
