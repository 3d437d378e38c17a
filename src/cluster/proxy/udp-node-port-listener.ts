import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { listenError, Turns, type NodePortListener } from './node-port-listener.ts';

/** A client that has been silent for this long may get another endpoint; conntrack's default for a UDP stream is 120 s. */
const IDLE_MS = 120_000;
const MAX_CLIENTS = 4096;

interface Flow {
  readonly socket: Socket;
  usedAt: number;
}

/** Listens on UDP: a socket towards the endpoint for each client, forgotten when it falls silent. */
export async function listenUdp(
  address: { host: string; port: number },
  tools: { readonly clock: Clock; readonly log: Logger },
): Promise<NodePortListener> {
  const { clock, log } = tools;
  const turns = new Turns();
  const flows = new Map<string, Flow>();
  const server = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, address)));
    server.bind({ address: address.host, port: address.port, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  server.on('error', (error) => log.warn('node port listener', { port: address.port, error }));
  const drop = (key: string): void => {
    flows.get(key)?.socket.close();
    flows.delete(key);
  };
  const open = (key: string, client: RemoteInfo): Flow | undefined => {
    const [endpoint] = turns.order();
    if (endpoint === undefined || flows.size >= MAX_CLIENTS) return undefined;
    const socket = createSocket('udp4');
    const flow: Flow = { socket, usedAt: clock.monotonic() };
    flows.set(key, flow);
    socket.on('error', (error) => {
      log.debug('endpoint does not answer', { endpoint: `${endpoint.ip}:${endpoint.port}`, error });
      if (flows.get(key) === flow) drop(key);
    });
    socket.on('message', (data) => {
      flow.usedAt = clock.monotonic();
      server.send(data, client.port, client.address);
    });
    socket.connect(endpoint.port, endpoint.ip);
    return flow;
  };
  server.on('message', (data, client) => {
    const key = `${client.address}:${client.port}`;
    const flow = flows.get(key) ?? open(key, client);
    if (flow === undefined) return;
    flow.usedAt = clock.monotonic();
    send(flow.socket, data);
  });
  let timer = clock.after(IDLE_MS, sweep);
  function sweep(): void {
    const limit = clock.monotonic() - IDLE_MS;
    for (const [key, flow] of flows) if (flow.usedAt <= limit) drop(key);
    timer = clock.after(IDLE_MS, sweep);
  }
  return {
    port: server.address().port,
    update: (endpoints, sticky) => {
      turns.update(endpoints, sticky);
      // A datagram has no connection to keep: what goes to an endpoint that is gone would only be lost.
      const there = new Set(endpoints.map(({ ip, port }) => `${ip}:${port}`));
      for (const [key, { socket }] of flows) if (!there.has(remoteOf(socket))) drop(key);
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]();
      for (const key of flows.keys()) drop(key);
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** The first datagrams come before the socket is connected. */
function send(socket: Socket, data: Uint8Array): void {
  try {
    socket.remoteAddress();
    socket.send(data);
  } catch {
    socket.once('connect', () => socket.send(data));
  }
}

function remoteOf(socket: Socket): string {
  try {
    const { address, port } = socket.remoteAddress();
    return `${address}:${port}`;
  } catch {
    return '';
  }
}
