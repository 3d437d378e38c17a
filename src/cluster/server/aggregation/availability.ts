/**
 * The condition `Available` of APIServices that have a backend: kept by asking the backend for what it serves, again and
 * again, sooner while it does not answer.
 */
import { rfc3339 } from '../../../base/clock.ts';
import { errorMessage, isPlatformError, PlatformError } from '../../../base/errors.ts';
import { jsonEqual, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import { LOCAL } from '../strategies/api-services.ts';
import { isRemote, REGISTRATION_GROUP, type ApiService, type RemoteService } from './api-services.ts';
import { AGGREGATOR } from './ask.ts';
import { urlOf } from './connections.ts';
import { outgoingHeaders } from './identity.ts';
import type { Address, Obstacle } from './locate.ts';
import type { ProxyParts } from './proxy.ts';

const RECHECK_MS = 30_000;
const FIRST_RETRY_MS = 5;
const PATIENCE_MS = 5000;
/** Addresses of one service that are tried in one go. */
const TRIES = 5;

interface State {
  running: boolean;
  /** Something has changed since the check that is running began. */
  again: boolean;
  failures: number;
  timer?: Disposable;
}

export interface AvailabilityOptions extends ProxyParts {
  readonly server: ServerParts;
  /** Told after each check whether the backend answers. */
  readonly checked: (service: RemoteService, available: boolean) => Promise<void>;
}

export class Availability implements AsyncDisposable {
  readonly #options: AvailabilityOptions;
  readonly #states = new Map<string, State>();
  readonly #stack = new DisposableStack();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: AvailabilityOptions) {
    this.#options = options;
    const { services, locator } = options;
    this.#stack.use(services.subscribe((name) => this.#check(name)));
    this.#stack.use(
      locator.subscribe((changed) => {
        for (const service of services.all) {
          const { backend } = service;
          if (backend !== undefined && `${backend.namespace}/${backend.name}` === changed)
            this.#check(service.name);
        }
      }),
    );
    for (const { name } of services.all) this.#check(name);
  }

  #check(name: string): void {
    const service = this.#options.services.get(name);
    const state = this.#states.get(name) ?? { running: false, again: false, failures: 0 };
    if (service === undefined || (!isRemote(service) && service.available)) {
      state.timer?.[Symbol.dispose]();
      if (!state.running) this.#states.delete(name);
      return;
    }
    this.#states.set(name, state);
    if (state.running) state.again = true;
    else this.#start(name, state);
  }

  #start(name: string, state: State): void {
    if (this.#stop.signal.aborted) return;
    state.timer?.[Symbol.dispose]();
    state.running = true;
    state.again = false;
    const run = this.#run(name, state);
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }

  async #run(name: string, state: State): Promise<void> {
    const { services, server, checked } = this.#options;
    const service = services.get(name);
    try {
      if (service !== undefined) {
        const obstacle = isRemote(service) ? await this.#obstacle(service) : undefined;
        if (this.#stop.signal.aborted) return;
        await this.#write(service, obstacle);
        if (isRemote(service)) await checked(service, obstacle === undefined);
        state.failures = obstacle?.reason === 'FailedDiscoveryCheck' ? state.failures + 1 : 0;
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      state.failures++;
      server.log.warn('cannot keep the state of an APIService', { name, error: errorMessage(error) });
    } finally {
      state.running = false;
    }
    this.#later(name, state);
  }

  #later(name: string, state: State): void {
    const now = this.#options.services.get(name);
    if (now === undefined || !isRemote(now) || this.#stop.signal.aborted) {
      this.#states.delete(name);
      return;
    }
    // A failing backend is not asked more often because its condition changes.
    const wait =
      state.failures === 0 ? RECHECK_MS : Math.min(RECHECK_MS, FIRST_RETRY_MS * 2 ** (state.failures - 1));
    if (state.again && state.failures === 0) return this.#start(name, state);
    state.timer = this.#options.server.clock.after(state.again ? Math.min(wait, 1000) : wait, () =>
      this.#start(name, state),
    );
  }

  /** What stands between us and the backend, undefined when it answers. */
  async #obstacle(service: RemoteService): Promise<Obstacle | undefined> {
    const { locator, server } = this.#options;
    const known = locator.obstacle(service.backend);
    if (known !== undefined) return known;
    let failure = '';
    try {
      const all = locator.addresses(service.backend);
      const first = Math.floor(server.random.next() * all.length);
      const some = all.map((_, i) => all[(first + i) % all.length]!).slice(0, TRIES);
      await Promise.any(some.map((address) => this.#ask(service, address)));
      return undefined;
    } catch (error) {
      failure = errorMessage(error instanceof AggregateError ? error.errors.at(-1) : error);
    }
    return { reason: 'FailedDiscoveryCheck', message: failure };
  }

  async #ask(service: RemoteService, address: Address): Promise<void> {
    const { connections, server } = this.#options;
    const { group, version, backend } = service;
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const url = urlOf(address, path);
    const missing = `failing or missing response from ${url}`;
    const patience = new AbortController();
    using timer = new DisposableStack();
    timer.use(server.clock.after(PATIENCE_MS, () => patience.abort()));
    let status: number;
    try {
      const answer = await connections.send({
        address,
        backend,
        unverified: true,
        method: 'GET',
        url: path,
        headers: outgoingHeaders({ accept: 'application/json' }, AGGREGATOR),
        signal: AbortSignal.any([patience.signal, this.#stop.signal]),
      });
      status = answer.status;
      if (!(answer.body instanceof Uint8Array)) for await (const _ of answer.body) continue;
    } catch (error) {
      const late = 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
      const why = patience.signal.aborted ? late : errorMessage(error);
      throw new PlatformError('unavailable', `${missing}: Get "${url}": ${why}`, { cause: error });
    }
    if (status >= 200 && status < 300) return;
    throw new PlatformError('unavailable', `${missing}: bad status from ${url}: ${status}`);
  }

  async #write(service: ApiService, obstacle: Obstacle | undefined): Promise<void> {
    const { server } = this.#options;
    const passed = isRemote(service) ? { reason: 'Passed', message: 'all checks passed' } : LOCAL;
    const now = rfc3339(server.clock.now());
    const resource = server.resources.get(REGISTRATION_GROUP, 'v1', 'apiservices');
    try {
      await server.registry.modify(
        resource,
        { namespace: '', name: service.name },
        {
          change: (object) => {
            // It has been pointed elsewhere meanwhile: that is another check's business.
            if ((object.spec?.['service'] === undefined) === isRemote(service)) return { type: 'keep' };
            const next = withAvailable(object, { ...(obstacle ?? passed), met: obstacle === undefined, now });
            return jsonEqual(next.status, object.status) ? { type: 'keep' } : { type: 'put', object: next };
          },
        },
      );
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#stack.dispose();
    for (const { timer } of this.#states.values()) timer?.[Symbol.dispose]();
    await Promise.all(this.#running);
  }
}

interface Verdict extends Obstacle {
  readonly met: boolean;
  readonly now: string;
}

/** The other conditions are somebody else's. */
function withAvailable(object: KubeObject, { met, now, reason, message }: Verdict): KubeObject {
  const conditions = objectsAt(object, 'status', 'conditions');
  const status = met ? 'True' : 'False';
  const at = conditions.findIndex(({ type }) => type === 'Available');
  const old = conditions[at];
  const since = stringAt(old, 'lastTransitionTime');
  const lastTransitionTime = old?.['status'] === status && since !== '' ? since : now;
  const condition: JsonObject = { lastTransitionTime, message, reason, status, type: 'Available' };
  const next = at === -1 ? [...conditions, condition] : conditions.with(at, condition);
  return { ...object, status: { ...object.status, conditions: next } };
}
