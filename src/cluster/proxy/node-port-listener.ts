/**
 * A NodePort on 127.0.0.1. The kernel drops packets from a loopback address that leave the host, so no DNAT can bring
 * them to a pod; a listener in this process copies between two sockets instead.
 */
import { connect, createServer, type Socket } from 'node:net';
import type { Logger } from '../../base/log.ts';
import { PlatformError } from '../../base/errors.ts';
import type { ServiceEndpoint } from '../../kernel/service-rules-contract.ts';

export interface NodePortListener extends AsyncDisposable {
  /** For connections from now on; those that are open stay where they are. */
  update(endpoints: readonly ServiceEndpoint[], sticky: boolean): void;
  /** The port that it listens on. */
  readonly port: number;
}

/** Whose turn it is. With `sticky`, the same one as long as it is there: all clients have the same address. */
export class Turns {
  #endpoints: readonly ServiceEndpoint[] = [];
  #sticky = false;
  #next = 0;

  update(endpoints: readonly ServiceEndpoint[], sticky: boolean): void {
    this.#endpoints = endpoints;
    this.#sticky = sticky;
  }

  /** All endpoints, in the order in which to try them. */
  order(): ServiceEndpoint[] {
    const { length } = this.#endpoints;
    if (length === 0) return [];
    const first = this.#next % length;
    if (!this.#sticky) this.#next = first + 1;
    return [...this.#endpoints.slice(first), ...this.#endpoints.slice(0, first)];
  }
}

/** Listens on TCP. `already-exists` when the port is in use; other failures are `unavailable`. */
export async function listenTcp(
  address: { host: string; port: number },
  log: Logger,
): Promise<NodePortListener> {
  const turns = new Turns();
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    open.add(client);
    client.on('close', () => open.delete(client));
    serve(client, turns.order(), log);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, address)));
    server.listen({ ...address, exclusive: true }, resolve);
  });
  server.on('error', (error) => log.warn('node port listener', { port: address.port, error }));
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === 'object' ? bound.port : address.port,
    update: (endpoints, sticky) => turns.update(endpoints, sticky),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

export function listenError(
  error: NodeJS.ErrnoException,
  address: { host: string; port: number },
): PlatformError {
  const where = `${address.host}:${address.port}`;
  if (error.code === 'EADDRINUSE') {
    return new PlatformError('already-exists', `port ${where} is in use by another program`, {
      cause: error,
    });
  }
  return new PlatformError('unavailable', `listen on ${where}: ${error.message}`, { cause: error });
}

/** Connects to the first endpoint that answers, then copies both ways; the end of one direction leaves the other open. */
function serve(client: Socket, order: readonly ServiceEndpoint[], log: Logger): void {
  const [endpoint, ...others] = order;
  client.on('error', () => client.destroy());
  if (endpoint === undefined) {
    client.resetAndDestroy();
    return;
  }
  const upstream = connect({ host: endpoint.ip, port: endpoint.port, allowHalfOpen: true, noDelay: true });
  const onClientClose = (): void => void upstream.destroy();
  client.once('close', onClientClose);
  upstream.once('error', (error) => {
    client.removeListener('close', onClientClose);
    upstream.destroy();
    log.debug('endpoint does not answer', { endpoint: `${endpoint.ip}:${endpoint.port}`, error });
    // Nothing has been read of the client yet: another endpoint can still have it all.
    if (!client.destroyed) serve(client, others, log);
  });
  upstream.once('connect', () => {
    upstream.removeAllListeners('error');
    upstream.on('error', () => client.resetAndDestroy());
    upstream.on('close', () => client.destroy());
    // pipe() carries the end of each direction over and holds the faster side back.
    client.pipe(upstream);
    upstream.pipe(client);
  });
}
