/** An API server on a memory store, with time that stands still, for tests. */
import assert from 'node:assert/strict';
import { ManualClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/log.ts';
import { seededRandom } from '../../../base/random.ts';
import { frozen } from '../../api/json.ts';
import type { ApiRequest, ApiResponse, UserInfo } from '../../api/transport.ts';
import { openMemoryStore } from '../../store/memory.ts';
import type { Store } from '../../store/store.ts';
import { CachedObject } from '../cache/cached-object.ts';
import { createApiServer, type ApiServer, type ApiServerOptions } from '../api-server.ts';
import { wholeBody } from '../encoding/list-body.ts';
import type { KubeObject } from '../object.ts';

// Nobody changes what has been read from the store: where one does, its test fails.
// oxlint-disable-next-line typescript/unbound-method
const { decode, keepAs } = CachedObject.prototype;
CachedObject.prototype.decode = function frozenly(this: CachedObject): KubeObject {
  return frozen(decode.call(this));
};
// And what is kept decoded is what its bytes say.
CachedObject.prototype.keepAs = function checked(this: CachedObject, object: KubeObject): void {
  assert.deepStrictEqual(object, decode.call(this));
  keepAs.call(this, frozen(object));
};

export const ADMIN: UserInfo = { name: 'kubernetes-admin', groups: ['system:masters'] };

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The decoded JSON body; an object of any kind, list or Status. */
  readonly body: KubeObject & { message?: string; reason?: string; items?: KubeObject[]; code?: number };
}

export interface Frame {
  readonly type: string;
  readonly object: KubeObject & { code?: number; reason?: string; message?: string };
}

export class TestServer implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly server: ApiServer;

  private constructor(parts: { clock: ManualClock; store: Store; server: ApiServer }) {
    this.clock = parts.clock;
    this.store = parts.store;
    this.server = parts.server;
  }

  static async open(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
    const clock = new ManualClock();
    const store = options.store ?? (await openMemoryStore({ clock }));
    const random = seededRandom(1);
    const server = await createApiServer({
      clock,
      random,
      log: silentLogger,
      serviceCidr: '10.96.0.0/16',
      // Nobody makes the accounts that pods would need.
      admissionOptions: { disabled: ['ServiceAccount'] },
      ...options,
      store,
    });
    // What tests count and compare is theirs alone.
    await server.settled();
    return new TestServer({ clock, store, server });
  }

  async raw(method: ApiRequest['method'], url: string, more: Partial<ApiRequest> = {}): Promise<ApiResponse> {
    return await this.server.handle({ method, url, headers: {}, ...more }, ADMIN);
  }

  async call(
    method: ApiRequest['method'],
    url: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const bytes =
      body === undefined ? {} : { body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) };
    const response = await this.raw(method, url, { headers, ...bytes });
    const text = Buffer.from(await wholeBody(response.body)).toString('utf8');
    const { status, headers: answered } = response;
    // A path that is nobody's has an answer for people, or none.
    const isText = !text.startsWith('{');
    const parsed = (isText ? { metadata: {}, message: text } : JSON.parse(text)) as Answer['body'];
    return { status, headers: answered, body: parsed };
  }

  /** Creates and returns the object; throws when it is refused. */
  async create(url: string, object: unknown): Promise<KubeObject> {
    const { status, body } = await this.call('POST', url, object);
    if (status !== 201) throw new Error(`POST ${url}: ${status} ${body.message ?? ''}`);
    return body;
  }

  /** A watch whose frames are taken one by one; `stop` ends it. */
  async watch(url: string, headers: Readonly<Record<string, string>> = {}): Promise<FrameReader> {
    const stop = new AbortController();
    const response = await this.raw('GET', url, { headers, signal: stop.signal });
    return new FrameReader(response.body as AsyncIterable<Uint8Array>, stop);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }
}

export class FrameReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #stop: AbortController;
  #frames: Frame[] = [];

  constructor(stream: AsyncIterable<Uint8Array>, stop: AbortController) {
    this.#iterator = stream[Symbol.asyncIterator]();
    this.#stop = stop;
  }

  /** The next frame, undefined when the watch has ended. */
  async next(): Promise<Frame | undefined> {
    while (this.#frames.length === 0) {
      const { done, value } = await this.#iterator.next();
      if (done === true) return undefined;
      const lines = Buffer.from(value).toString('utf8').split('\n');
      this.#frames = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Frame);
    }
    return this.#frames.shift();
  }

  /** The next `count` frames as `TYPE name`. */
  async summary(count: number): Promise<string[]> {
    const seen: string[] = [];
    for (let i = 0; i < count; i++) {
      const frame = await this.next();
      if (frame === undefined) break;
      seen.push(`${frame.type} ${frame.object.metadata.name ?? ''}`.trim());
    }
    return seen;
  }

  stop(): void {
    this.#stop.abort();
  }
}

export function configMap(
  name: string,
  data: Record<string, string> = {},
  labels?: Record<string, string>,
): unknown {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...(labels && { labels }) }, data };
}

export function pod(name: string, spec: Record<string, unknown> = {}): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { containers: [{ name: 'main', image: 'busybox' }], ...spec },
  };
}

export function deployment(name: string, replicas = 1): unknown {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'main', image: 'busybox' }] },
      },
    },
  };
}
