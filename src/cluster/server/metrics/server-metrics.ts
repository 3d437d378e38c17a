/** What the API server counts about itself, under upstream's names. */
import { createHash } from 'node:crypto';
import type { ApiResponse } from '../../api/transport.ts';
import { ListBody } from '../encoding/list-body.ts';
import type { RequestContext, ServerParts } from '../context.ts';
import type { RequestInfo } from '../request-info.ts';
import {
  Metrics,
  type Counter,
  type CounterSeries,
  type Histogram,
  type HistogramSeries,
} from './metrics.ts';

const REQUEST = ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component'];
/** Of what is not counted by its outcome. */
const LASTING = REQUEST.filter((label) => label !== 'dry_run');
const SECONDS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

const VERBS: Readonly<Record<string, string>> = {
  get: 'GET',
  list: 'LIST',
  watch: 'WATCH',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
};

/** What is counted of one kind of request with one outcome. */
interface Outcome {
  readonly labels: readonly string[];
  readonly total: CounterSeries;
  seconds?: HistogramSeries;
  sizes?: HistogramSeries;
}

/** Others are looked up by their labels each time: clients choose what they ask for. */
const MAX_OUTCOMES = 1000;

export class ServerMetrics {
  readonly registry = new Metrics();
  readonly #total: Counter;
  readonly #seconds: Histogram;
  #reading = 0;
  #writing = 0;
  readonly #watching = new Map<string, { readonly labels: readonly string[]; count: number }>();
  readonly #sizes: Histogram;
  readonly #checks: Counter;
  readonly #health = new Map<string, readonly [labels: readonly string[], healthy: number]>();
  readonly #deprecated = new Map<string, readonly string[]>();
  readonly #outcomes = new Map<string, Outcome>();

  constructor() {
    const { registry } = this;
    this.#total = registry.counter('apiserver_request_total', 'Requests by verb, resource and HTTP status.', [
      ...REQUEST,
      'code',
    ]);
    this.#seconds = registry.histogram(
      'apiserver_request_duration_seconds',
      'Time to the answer, without watches.',
      { labels: REQUEST, buckets: SECONDS },
    );
    registry.gauge('apiserver_current_inflight_requests', 'Requests that are being answered.', {
      labels: ['request_kind'],
      read: () => [
        [['mutating'], this.#writing],
        [['readOnly'], this.#reading],
      ],
    });
    const watches = this.#watching;
    registry.gauge('apiserver_longrunning_requests', 'Watches that are open.', {
      labels: LASTING,
      *read() {
        for (const { labels, count } of watches.values()) yield [labels, count];
      },
    });
    this.#sizes = registry.histogram('apiserver_response_sizes', 'Bytes of answers to reads.', {
      labels: LASTING,
      buckets: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
    });
    const health = this.#health;
    registry.gauge('kubernetes_healthcheck', 'The last result of a health check.', {
      labels: ['type', 'name'],
      read: () => health.values(),
    });
    this.#checks = registry.counter('kubernetes_healthchecks_total', 'Results of health checks.', [
      'type',
      'name',
      'status',
    ]);
    const deprecated = this.#deprecated;
    registry.gauge('apiserver_requested_deprecated_apis', 'Deprecated APIs that somebody has asked for.', {
      labels: ['group', 'version', 'resource', 'subresource', 'removed_release'],
      *read() {
        for (const labels of deprecated.values()) yield [labels, 1];
      },
    });
  }

  /** Counts whether changes of a configuration file could be taken over. */
  reloads(of: 'authentication' | 'authorization'): (succeeded: boolean) => void {
    const counter = this.registry.counter(
      `apiserver_${of}_config_controller_automatic_reloads_total`,
      `Changes of the ${of} configuration, by whether they were taken over.`,
      ['status'],
    );
    return (succeeded) => counter.add([succeeded ? 'success' : 'failure']);
  }

  authenticationAttempts(): (result: string) => void {
    const counter = this.registry.counter(
      'authentication_attempts',
      'Requests by whether they were authenticated.',
      ['result'],
    );
    return (result) => counter.add([result]);
  }

  /** Tokens of issuers that a configuration names; which one is told by the digest of its URL, as upstream does. */
  tokensOfIssuers(): (issuer: string, succeeded: boolean, ms: number) => void {
    const histogram = this.registry.histogram(
      'apiserver_authentication_jwt_authenticator_latency_seconds',
      'Time to judge a token, by result and issuer.',
      {
        labels: ['result', 'jwt_issuer_hash'],
        buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      },
    );
    return (issuer, succeeded, ms) => {
      const hash = `sha256:${createHash('sha256').update(issuer).digest('hex')}`;
      histogram.observe([succeeded ? 'success' : 'failure', hash], ms / 1000);
    };
  }

  /** Numbers that are read from the server's parts at each scrape. */
  observe({ cache, resources }: ServerParts): void {
    const { registry } = this;
    const byPrefix = () => new Map([...cache.counts()].map((each) => [each.prefix, each]));
    const stored = function* (): Generator<readonly [string[], number]> {
      const counts = byPrefix();
      for (const { group, resource, prefix, conversion, declaration } of resources.all) {
        const count = counts.get(prefix);
        if (count === undefined || conversion !== undefined || declaration.virtual) continue;
        yield [[group, resource], count.objects];
      }
    };
    registry.gauge('apiserver_resource_objects', 'Stored objects.', {
      labels: ['group', 'resource'],
      read: stored,
    });
    registry.gauge('apiserver_storage_objects', 'Stored objects.', {
      labels: ['resource'],
      *read() {
        for (const [[group, resource], count] of stored()) {
          yield [[group === '' ? resource! : `${resource}.${group}`], count];
        }
      },
    });
    registry.gauge('apiserver_registered_watchers', 'Watchers of a resource.', {
      labels: ['group', 'version', 'kind'],
      *read() {
        const counts = byPrefix();
        for (const { group, version, kind, prefix } of resources.all) {
          const watchers = counts.get(prefix)?.watchers ?? 0;
          if (watchers > 0) yield [[group, version, kind], watchers];
        }
      },
    });
    registry.gauge('apiserver_storage_revision', 'Newest revision that the cache has.', {
      labels: [],
      read: () => [[[], cache.revision]],
    });
    registry.gauge('process_resident_memory_bytes', 'Resident memory.', {
      labels: [],
      read: () => [[[], process.memoryUsage.rss()]],
    });
    registry.gauge('process_cpu_seconds_total', 'Processor time.', {
      labels: [],
      type: 'counter',
      read: () => {
        const { user, system } = process.cpuUsage();
        return [[[], (user + system) / 1e6]];
      },
    });
  }

  /** A request has begun, and `answered` is to be called with its answer. */
  begin({ info }: RequestContext): void {
    if (isReading(info)) this.#reading++;
    else this.#writing++;
  }

  /** `ms` after it has begun; what it returns is to be sent. */
  answered({ info, server }: RequestContext, response: ApiResponse, ms: number): ApiResponse {
    const reads = isReading(info);
    if (reads) this.#reading--;
    else this.#writing--;
    const outcome = this.#outcome(info, response.status);
    outcome.total.add();
    this.#noteDeprecated(info, server);
    if (info.verb !== 'watch') {
      (outcome.seconds ??= this.#seconds.series(outcome.labels)).observe(ms / 1000);
      const size = reads ? sizeOf(response.body) : undefined;
      if (size !== undefined) (outcome.sizes ??= this.#sizes.series(lasting(outcome.labels))).observe(size);
      return response;
    }
    if (response.body instanceof Uint8Array) return response;
    return { ...response, body: this.#counted(response.body, lasting(outcome.labels)) };
  }

  #outcome(info: RequestInfo, status: number): Outcome {
    const { verb, group, version, resource, subresource } = info;
    const [scope, dryRun] = [scopeOf(info), dryRunOf(info)];
    const key = `${verb}\0${dryRun}\0${group}\0${version}\0${resource}\0${subresource}\0${scope}\0${status}`;
    let outcome = this.#outcomes.get(key);
    if (outcome === undefined) {
      const request = VERBS[verb] ?? 'OTHER';
      const labels = [request, dryRun, group, version, resource, subresource, scope, 'apiserver'];
      outcome = { labels, total: this.#total.series([...labels, String(status)]) };
      if (this.#outcomes.size < MAX_OUTCOMES) this.#outcomes.set(key, outcome);
    }
    return outcome;
  }

  /** Of `/healthz`, `/livez` and `/readyz`, each check by itself. */
  checked(type: string, name: string, healthy: boolean): void {
    this.#health.set(`${type}/${name}`, [[type, name], healthy ? 1 : 0]);
    this.#checks.add([type, name, healthy ? 'success' : 'error']);
  }

  #noteDeprecated(info: RequestInfo, { resources }: ServerParts): void {
    const { group, version, resource, subresource } = info;
    if (resources.find(group, version, resource)?.declaration.deprecation === undefined) return;
    const labels = [group, version, resource, subresource, ''];
    this.#deprecated.set(labels.join('/'), labels);
  }

  #counted(body: AsyncIterable<Uint8Array>, labels: readonly string[]): AsyncIterable<Uint8Array> {
    const iterator = body[Symbol.asyncIterator]();
    const key = labels.join('/');
    const open = this.#watching.get(key) ?? { labels, count: 0 };
    this.#watching.set(key, open);
    open.count++;
    let over = false;
    const end = (): void => {
      if (!over) open.count--;
      over = true;
    };
    const counted: AsyncIterableIterator<Uint8Array> = {
      next: async () => {
        const result = await iterator.next();
        if (result.done === true) end();
        return result;
      },
      return: async () => {
        end();
        return (await iterator.return?.()) ?? { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => counted,
    };
    return counted;
  }
}

/** Undefined where nobody knows before the end. */
function sizeOf(body: ApiResponse['body']): number | undefined {
  return body instanceof Uint8Array || body instanceof ListBody ? body.length : undefined;
}

function isReading({ verb }: RequestInfo): boolean {
  return verb === 'get' || verb === 'list' || verb === 'watch';
}

function lasting(labels: readonly string[]): readonly string[] {
  return labels.toSpliced(1, 1);
}

function scopeOf({ isResource, name, namespace }: RequestInfo): string {
  if (!isResource) return '';
  return name !== '' ? 'resource' : namespace !== '' ? 'namespace' : 'cluster';
}

function dryRunOf({ query }: RequestInfo): string {
  return query.size > 0 ? (query.get('dryRun') ?? '') : '';
}
