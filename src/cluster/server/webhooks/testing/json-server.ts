/** Somebody's HTTPS program that speaks JSON, for tests: on this machine, with a certificate of its own. */
import { createServer, type Server } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { JsonObject } from '../../../api/json.ts';
import { certificate } from './webhook-server.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: JsonObject;
  /** CN of the client's certificate. */
  readonly client: string | undefined;
}

/** Undefined leaves the caller waiting for ever. */
export type Answer = (asked: Asked) => { readonly status?: number; readonly body: unknown } | undefined;

export class JsonServer implements AsyncDisposable {
  /** PEM. */
  readonly ca: string;
  readonly seen: Asked[] = [];
  readonly #server: Server;

  private constructor(server: Server, ca: string) {
    this.#server = server;
    this.ca = ca;
  }

  static async open(answer: Answer): Promise<JsonServer> {
    const { key, cert } = certificate();
    const server = createServer({ key, cert, ca: cert, requestCert: true, rejectUnauthorized: false });
    const made = new JsonServer(server, cert);
    server.on('request', (incoming, outgoing) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        const peer = (incoming.socket as TLSSocket).getPeerCertificate();
        const client = [peer.subject?.CN ?? []].flat()[0];
        const { method = '', url: path = '', headers } = incoming;
        const body = text === '' ? {} : (JSON.parse(text) as JsonObject);
        const asked = { method, path, headers, body, client };
        made.seen.push(asked);
        const answered = answer(asked);
        if (answered === undefined) return;
        outgoing.writeHead(answered.status ?? 200, { 'content-type': 'application/json' });
        outgoing.end(typeof answered.body === 'string' ? answered.body : JSON.stringify(answered.body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return made;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A kubeconfig whose current context is this server. */
  kubeconfig(path: string, user: JsonObject = {}, cluster: JsonObject = {}): Uint8Array {
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'remote',
          cluster: {
            server: `${this.url}${path}`,
            'certificate-authority-data': Buffer.from(this.ca).toString('base64'),
            ...cluster,
          },
        },
      ],
      users: [{ name: 'us', user }],
      contexts: [{ name: 'webhook', context: { cluster: 'remote', user: 'us' } }],
      'current-context': 'webhook',
    };
    return Buffer.from(JSON.stringify(config));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
