/** Another API server, small and made for tests: it serves `wardle.example.com/v1alpha1` and writes down who asks. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../../../../base/clock.ts';
import type { JsonObject } from '../../../api/json.ts';
import { loadOrCreatePki, type Pki } from '../../pki.ts';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly groups: readonly string[];
  /** Common name of the certificate, when its authority is the one that is believed. */
  readonly by: string | undefined;
  readonly body: string;
}

export type Answer = (message: IncomingMessage, response: ServerResponse) => void;

const FLUNDER = { kind: 'Flunder', verbs: ['create', 'delete', 'get', 'list', 'watch'] };

export class TestBackend implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly own: Pki;
  /** The certificates of the server that asks. */
  readonly asking: Pki;
  /** By path; what is not here is 404. */
  readonly answers = new Map<string, Answer>();
  onUpgrade: (message: IncomingMessage, socket: Duplex) => void = (_message, socket) => socket.destroy();
  readonly #dir: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  private constructor(dir: string, own: Pki, asking: Pki) {
    this.#dir = dir;
    this.own = own;
    this.asking = asking;
    this.answerJson('/apis/wardle.example.com/v1alpha1', {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: 'wardle.example.com/v1alpha1',
      resources: [
        { name: 'flunders', singularName: 'flunder', namespaced: true, shortNames: ['fl'], ...FLUNDER },
        { name: 'flunders/status', singularName: '', namespaced: true, ...FLUNDER },
      ],
    });
  }

  static async open(): Promise<TestBackend> {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-backend-'));
    const [own, asking] = await Promise.all([
      loadOrCreatePki({ dir: join(dir, 'own'), clock: systemClock, names: ['sample-api.default.svc'] }),
      loadOrCreatePki({ dir: join(dir, 'asking'), clock: systemClock, names: [] }),
    ]);
    const backend = new TestBackend(dir, own, asking);
    await backend.start();
    return backend;
  }

  get port(): number {
    return this.#port;
  }

  answerJson(path: string, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
    this.answers.set(path, (_message, response) => {
      response.writeHead(200, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(value));
    });
  }

  /** On the port that it had before, when it had one. */
  async start(): Promise<void> {
    const { own, asking } = this;
    const server = createServer({
      key: own.server.key,
      cert: own.server.cert,
      ca: asking.frontProxyCa.cert,
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.on('secureConnection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (message, response) => {
      const parts: Buffer[] = [];
      message.on('data', (part: Buffer) => parts.push(part));
      message.on('end', () => {
        this.#note(message, Buffer.concat(parts).toString('utf8'));
        const answer = this.answers.get((message.url ?? '').split('?')[0]!);
        if (answer !== undefined) return answer(message, response);
        response.writeHead(404, { 'content-type': 'text/plain' });
        response.end('404 page not found\n');
      });
    });
    server.on('upgrade', (message: IncomingMessage, socket: Duplex) => {
      this.#note(message, '');
      this.onUpgrade(message, socket);
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  #note(message: IncomingMessage, body: string): void {
    const socket = message.socket as TLSSocket;
    const [name] = [socket.getPeerCertificate().subject?.CN ?? []].flat();
    this.seen.push({
      method: message.method ?? '',
      url: message.url ?? '',
      headers: message.headers,
      groups: message.headersDistinct['x-remote-group'] ?? [],
      by: socket.authorized ? name : undefined,
      body,
    });
  }

  /** What came in below a path, without the questions about what is served. */
  asked(path: string): readonly Seen[] {
    return this.seen.filter(({ url }) => url.startsWith(path) && url.length > path.length);
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** A service that leads here. */
  service(): JsonObject {
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'sample-api' },
      spec: { type: 'ExternalName', externalName: 'localhost' },
    };
  }

  apiService(spec: JsonObject = {}): JsonObject {
    return {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1alpha1.wardle.example.com' },
      spec: {
        group: 'wardle.example.com',
        version: 'v1alpha1',
        service: { namespace: 'default', name: 'sample-api', port: this.port },
        caBundle: Buffer.from(this.own.ca.cert).toString('base64'),
        groupPriorityMinimum: 2000,
        versionPriority: 200,
        ...spec,
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#dir, { recursive: true });
  }
}
