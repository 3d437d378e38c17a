/** The requests of the API server's benchmark, sent by wrk over TLS, and watchers that only count. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';

export interface Target {
  readonly port: number;
  readonly token: string;
}

export interface Load {
  /** Answers per second, without refusals. */
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  /** The driver's own share of one core: above 0.7 the rate is a floor. */
  readonly busy: number;
  readonly refused: number;
}

/** As a scheduler would leave it, on a node that does not exist: nobody but the server works on it. */
export function benchPod(name: string, labels: Record<string, string> = {}, padding = 200): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { app: 'bench', shard: 's0', ...labels },
      annotations: { note: 'x'.repeat(padding) },
    },
    spec: {
      nodeName: 'no-such-node',
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      tolerations: [{ operator: 'Exists' }],
      containers: [
        {
          name: 'c',
          image: 'example/app:1',
          command: ['/app'],
          env: [{ name: 'A', value: 'b' }],
          resources: { requests: { cpu: '10m', memory: '10Mi' } },
          ports: [{ containerPort: 80 }],
        },
      ],
    },
  };
}

export class Driver implements Disposable {
  readonly #target: Target;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32, rejectUnauthorized: false });
  #session: ClientHttp2Session | undefined;
  readonly #dir = mkdtempSync(join(tmpdir(), 'sampan-bench-'));

  constructor(target: Target) {
    this.#target = target;
  }

  /** One request; throws for anything but success and, with `mayExist`, 409. */
  async call(method: string, path: string, body?: unknown, mayExist = false): Promise<Buffer> {
    const headers = { accept: 'application/json', 'content-type': 'application/json' };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const { status, body: answer } = await this.send(method, path, { headers, ...text });
    if (status < 300 || (mayExist && status === 409)) return answer;
    throw new Error(`${method} ${path}: ${status} ${answer.toString('utf8').slice(0, 200)}`);
  }

  /** One request and its whole answer, whatever it is. */
  send(
    method: string,
    path: string,
    {
      headers,
      body,
    }: { readonly headers: Readonly<Record<string, string>>; readonly body?: string | Buffer },
  ): Promise<{ readonly status: number; readonly body: Buffer }> {
    const { port, token } = this.#target;
    const options = { host: '127.0.0.1', port, path, method, agent: this.#agent };
    // Which Node leaves out of a DELETE.
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const sent = request(
        { ...options, headers: { authorization: `Bearer ${token}`, ...length, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
          );
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** As `send`, over HTTP/2 and with the windows that Go's clients open. */
  async sendOverHttp2(
    method: string,
    path: string,
    { headers }: { readonly headers: Readonly<Record<string, string>> },
  ): Promise<{ readonly status: number; readonly body: Buffer }> {
    const { port, token } = this.#target;
    this.#session ??= connectHttp2(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      settings: { initialWindowSize: 4 << 20 },
    }).on('connect', (session) => session.setLocalWindowSize(1 << 30));
    const authorization = `Bearer ${token}`;
    const stream = this.#session.request({ ...headers, authorization, ':method': method, ':path': path });
    let status = 0;
    stream.on('response', (fields) => (status = fields[':status'] ?? 0));
    const chunks: Buffer[] = [];
    for await (const chunk of stream.end()) chunks.push(chunk as Buffer);
    return { status, body: Buffer.concat(chunks) };
  }

  /** With its service account, which a controller would make a moment later: pods are refused without. */
  async namespace(name: string): Promise<void> {
    const namespaces = '/api/v1/namespaces';
    await this.call('POST', namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, true);
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
    await this.call('POST', `${namespaces}/${name}/serviceaccounts`, account, true);
  }

  /** `work` for 0 to count-1, at most 16 at once. */
  async each(count: number, work: (i: number) => Promise<unknown>): Promise<void> {
    let next = 0;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (next < count) await work(next++);
      }),
    );
  }

  /** `format` is a Lua statement that returns a request; `tid`, `i` and the headers `h` are in scope. */
  async wrk(
    format: string,
    options: { readonly connections: number; readonly seconds: number },
  ): Promise<Load> {
    const file = join(this.#dir, 'load.lua');
    writeFileSync(
      file,
      `local n = 0
function setup(thread) thread:set('tid', n) n = n + 1 end
function init() i = 0 h = {['accept'] = 'application/json', ['authorization'] = ${lua(`Bearer ${this.#target.token}`)}} end
function request() i = i + 1 ${format} end
function done(s, l) io.write(string.format('RESULT %d %d %d %f %f\\n',
  s.requests, s.duration, s.errors.status, l:percentile(50) / 1000, l:percentile(99) / 1000)) end
`,
    );
    const { connections, seconds } = options;
    const words = ['-t2', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '-s', file];
    const url = `https://127.0.0.1:${this.#target.port}/`;
    const text = await outputOf('/usr/bin/time', ['-f', 'CPU %U %S', 'wrk', ...words, url]);
    const figures = /RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)/.exec(text)?.slice(1).map(Number);
    if (figures === undefined) throw new Error(`wrk: ${text.slice(-400)}`);
    const [requests = 0, micros = 1, refused = 0, p50 = 0, p99 = 0] = figures;
    const [, user = '0', system = '0'] = /CPU ([\d.]+) ([\d.]+)/.exec(text) ?? [];
    const took = micros / 1e6;
    return {
      rate: (requests - refused) / took,
      p50,
      p99,
      refused,
      busy: (Number(user) + Number(system)) / took,
    };
  }

  /** Opens watchers that count events; resolves when all are being answered. */
  async watchers(path: string, count: number): Promise<Watchers> {
    const sockets: TLSSocket[] = [];
    let seen = 0;
    const { port, token } = this.#target;
    const open = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
        sockets.push(socket);
        socket.on('error', reject);
        socket.on('secureConnect', () => {
          socket.write(
            `GET ${path} HTTP/1.1\r\nhost: x\r\naccept: application/json\r\nauthorization: Bearer ${token}\r\n\r\n`,
          );
        });
        socket.once('data', () => resolve());
        socket.on('data', (chunk: Buffer) => {
          for (let at = chunk.indexOf('}}\n'); at >= 0; at = chunk.indexOf('}}\n', at + 1)) seen++;
        });
      });
    for (let i = 0; i < count; i += 50) {
      await Promise.all(Array.from({ length: Math.min(50, count - i) }, open));
    }
    return {
      seen: () => seen,
      [Symbol.dispose]: () => {
        for (const socket of sockets) socket.destroy();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
    this.#session?.destroy();
    rmSync(this.#dir, { recursive: true });
  }
}

export interface Watchers extends Disposable {
  readonly seen: () => number;
}

/** A Lua string that nothing in `text` can end. */
export function lua(text: string): string {
  return `[==[${text}]==]`;
}

function outputOf(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args);
    let text = '';
    child.stdout.on('data', (chunk) => (text += String(chunk)));
    child.stderr.on('data', (chunk) => (text += String(chunk)));
    child.on('error', reject);
    child.on('close', () => resolve(text));
  });
}
