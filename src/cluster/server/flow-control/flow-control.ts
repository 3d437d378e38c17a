/**
 * API priority and fairness: each request takes seats of the priority level that its flow schema names, or waits for them
 * in its level's queues, or is told to come back (https://kubernetes.io/docs/concepts/cluster-administration/flow-control/).
 */
import { hash } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import { numberAt, stringAt } from '../../api/json.ts';
import { attributesOf, type Attributes } from '../authorization/authorizer.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { Handler, RequestContext, ServerParts } from '../context.ts';
import { tooManyRequests } from '../failure.ts';
import type { Counter, Metrics } from '../metrics/metrics.ts';
import { numberOf } from '../cache/list-options.ts';
import type { KubeObject } from '../object.ts';
import { isLongRunning } from '../request-info.ts';
import type { ResourceCache } from '../cache/watch-cache.ts';
import { flowSchemaOf, type FlowSchema } from './flow-schema.ts';
import { DEFAULT_IN_FLIGHT } from './max-in-flight.ts';
import { QueueSet, type Limits, type Refusal, type Release, type Ticket } from './queue-set.ts';

const GROUP = 'flowcontrol.apiserver.k8s.io';
/** Seats of all levels together: upstream's 400 requests that read and 200 that write. */
const TOTAL_SEATS = DEFAULT_IN_FLIGHT.reading + DEFAULT_IN_FLIGHT.writing;
/** How long a request waits in a queue. */
const WAIT_MS = 15_000;
/** Objects that a list may touch for one seat, and the most seats that it takes. */
const OBJECTS_PER_SEAT = 100;
const MAX_SEATS = 10;

interface Level {
  readonly name: string;
  readonly uid: string;
  /** Undefined: exempt from everything. */
  readonly queues: QueueSet | undefined;
}

interface Classified {
  readonly schema: FlowSchema | undefined;
  readonly level: Level;
}

/** What there is when someone has deleted what bootstrapping makes: nobody is to be locked out. */
const EXEMPT: KubeObject = {
  apiVersion: `${GROUP}/v1`,
  kind: 'PriorityLevelConfiguration',
  metadata: { name: 'exempt' },
  spec: { type: 'Exempt' },
};
const CATCH_ALL: KubeObject = {
  apiVersion: `${GROUP}/v1`,
  kind: 'PriorityLevelConfiguration',
  metadata: { name: 'catch-all' },
  spec: { type: 'Limited', limited: { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' } } },
};

export interface FlowControlOptions {
  readonly totalSeats?: number;
}

export class FlowControl implements Disposable {
  readonly #clock: Clock;
  readonly #total: number;
  readonly #schemaCache: ResourceCache;
  readonly #levelCache: ResourceCache;
  readonly #sets = new Map<string, QueueSet>();
  readonly #stack = new DisposableStack();
  #schemas: readonly FlowSchema[] | undefined;
  #levels: ReadonlyMap<string, Level> = new Map();
  readonly #dispatched: Counter;
  readonly #rejected: Counter;

  constructor({ cache, resources, clock }: ServerParts, metrics: Metrics, options: FlowControlOptions = {}) {
    this.#clock = clock;
    this.#total = options.totalSeats ?? TOTAL_SEATS;
    this.#schemaCache = cache.resource(resources.get(GROUP, 'v1', 'flowschemas').prefix);
    this.#levelCache = cache.resource(resources.get(GROUP, 'v1', 'prioritylevelconfigurations').prefix);
    const changed = (): void => void (this.#schemas = undefined);
    this.#stack.use(this.#schemaCache.subscribe(changed));
    this.#stack.use(this.#levelCache.subscribe(changed));
    const flow = ['priority_level', 'flow_schema'];
    this.#dispatched = metrics.counter(
      'apiserver_flowcontrol_dispatched_requests_total',
      'Requests that got their seats.',
      flow,
    );
    this.#rejected = metrics.counter(
      'apiserver_flowcontrol_rejected_requests_total',
      'Requests that were told to come back.',
      [...flow, 'reason'],
    );
    const each = (read: (set: QueueSet) => number) => () =>
      [...this.#sets].map(([name, set]): [string[], number] => [[name], read(set)]);
    metrics.gauge('apiserver_flowcontrol_nominal_limit_seats', 'Seats that there are.', {
      labels: ['priority_level'],
      read: each((set) => set.seats),
    });
    metrics.gauge('apiserver_flowcontrol_current_executing_seats', 'Seats that are taken.', {
      labels: ['priority_level'],
      read: each((set) => set.executing),
    });
    metrics.gauge('apiserver_flowcontrol_current_inqueue_requests', 'Requests that wait.', {
      labels: ['priority_level'],
      read: each((set) => set.waiting),
    });
  }

  #configure(): readonly FlowSchema[] {
    const levels = new Map<string, KubeObject>();
    for (const { object } of this.#levelCache.list(this.#levelCache.prefix))
      levels.set(object.metadata.name ?? '', object);
    for (const fallback of [EXEMPT, CATCH_ALL]) {
      if (!levels.has(fallback.metadata.name!)) levels.set(fallback.metadata.name!, fallback);
    }
    const sum = [...levels.values()].reduce((shares, level) => shares + sharesOf(level), 0);
    this.#levels = new Map(
      [...levels].map(([name, object]): [string, Level] => {
        const { uid = '' } = object.metadata;
        if (stringAt(object.spec, 'type') === 'Exempt') return [name, { name, uid, queues: undefined }];
        const limits = limitsOf(object, Math.ceil((this.#total * sharesOf(object)) / Math.max(1, sum)));
        const queues = this.#sets.get(name) ?? new QueueSet(limits);
        queues.configure(limits);
        this.#sets.set(name, queues);
        return [name, { name, uid, queues }];
      }),
    );
    for (const name of this.#sets.keys()) if (!levels.has(name)) this.#sets.delete(name);
    return this.#schemaCache
      .list(this.#schemaCache.prefix)
      .map(({ object }) => flowSchemaOf(object))
      .toSorted((a, b) => a.precedence - b.precedence || (a.name < b.name ? -1 : 1));
  }

  #classify(asked: Attributes): Classified {
    this.#schemas ??= this.#configure();
    for (const schema of this.#schemas) {
      // A schema whose level does not exist matches nothing.
      const level = this.#levels.get(schema.level);
      if (level !== undefined && schema.matches(asked)) return { schema, level };
    }
    return { schema: undefined, level: this.#levels.get('catch-all')! };
  }

  readonly handler: Handler = (context, next) => {
    // These last as long as the client likes: they would take the seats of those that come and go.
    if (isLongRunning(context.info) && context.info.verb !== 'watch') return next();
    const asked = attributesOf(context.user, context.info);
    const { schema, level } = this.#classify(asked);
    context.headers = withClassification(context.headers, schema, level);
    return level.queues === undefined
      ? next()
      : this.#inTurn(context, next, { asked, schema, level, queues: level.queues });
  };

  async #inTurn(
    context: RequestContext,
    next: () => Promise<ApiResponse>,
    { asked, schema, level, queues }: Classified & { readonly asked: Attributes; readonly queues: QueueSet },
  ): Promise<ApiResponse> {
    const about = [level.name, schema?.name ?? 'catch-all'];
    const flow = hashOf(`${about[1]}\0${schema?.distinguisher(asked) ?? ''}`);
    const ticket = queues.enter(flow, widthOf(context));
    const release = typeof ticket === 'object' ? await this.#seated(ticket, context) : ticket;
    if (typeof release !== 'function') {
      this.#rejected.add([...about, release]);
      throw tooManyRequests(1);
    }
    this.#dispatched.add(about);
    try {
      // A watch keeps its seat until it has been set up, not for as long as it lasts.
      return await next();
    } finally {
      release();
    }
  }

  async #seated(ticket: Ticket, context: RequestContext): Promise<Release | Refusal> {
    const given = Promise.withResolvers<Refusal>();
    using waiting = new DisposableStack();
    const leave = (why: Refusal): void => {
      if (ticket.leave()) given.resolve(why);
    };
    waiting.use(this.#clock.after(WAIT_MS, () => leave('time-out')));
    const gone = (): void => leave('cancelled');
    context.request.signal?.addEventListener('abort', gone, { once: true });
    waiting.defer(() => context.request.signal?.removeEventListener('abort', gone));
    return await Promise.race([ticket.seated, given.promise]);
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** Clients learn from the answer what they were taken for. */
function withClassification(
  headers: RequestContext['headers'],
  schema: FlowSchema | undefined,
  { uid }: Level,
): Record<string, string> {
  return {
    ...headers,
    'x-kubernetes-pf-flowschema-uid': schema?.uid ?? '',
    'x-kubernetes-pf-prioritylevel-uid': uid,
  };
}

function sharesOf({ spec }: KubeObject): number {
  if (stringAt(spec, 'type') === 'Exempt') return numberAt(spec, 'exempt', 'nominalConcurrencyShares') ?? 0;
  return numberAt(spec, 'limited', 'nominalConcurrencyShares') ?? 30;
}

function limitsOf({ spec }: KubeObject, seats: number): Limits {
  if (stringAt(spec, 'limited', 'limitResponse', 'type') !== 'Queue') {
    return { seats, queues: 0, handSize: 0, queueLength: 0 };
  }
  const queuing = (name: string): number | undefined =>
    numberAt(spec, 'limited', 'limitResponse', 'queuing', name);
  return {
    seats,
    queues: queuing('queues') ?? 64,
    handSize: queuing('handSize') ?? 8,
    queueLength: queuing('queueLengthLimit') ?? 50,
  };
}

/** A list takes seats by what it may go through. */
function widthOf({ info, server }: RequestContext): number {
  if (info.verb !== 'list') return 1;
  const resource = server.resources.find(info.group, info.version, info.resource);
  if (resource === undefined || resource.declaration.virtual) return 1;
  const stored = server.cache.resource(resource.prefix).size;
  const limit = /^\d{1,9}$/.test(info.query.get('limit') ?? '') ? (numberOf(info.query, 'limit') ?? 0) : 0;
  const touched = limit > 0 ? Math.min(limit, stored) : stored;
  return Math.min(MAX_SEATS, Math.max(1, Math.ceil(touched / OBJECTS_PER_SEAT)));
}

/** 48 bits: what a number divides exactly. */
function hashOf(text: string): number {
  return Number.parseInt(hash('sha256', text, 'hex').slice(0, 12), 16);
}
