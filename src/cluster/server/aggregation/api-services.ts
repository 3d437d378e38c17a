/** The APIServices as they are known at this moment, decoded once a change. */
import { isJsonObject, numberAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import type { CachedObject, ResourceCache } from '../cache/watch-cache.ts';
import type { Priority } from './priorities.ts';

export const REGISTRATION_GROUP = 'apiregistration.k8s.io';

/** Another server that answers for a group's version. */
export interface Backend {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** PEM; the system's authorities when empty. */
  readonly ca: string;
  readonly insecure: boolean;
}

export interface ApiService {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly priority: Priority;
  readonly available: boolean;
  /** Absent: it is served here. */
  readonly backend?: Backend;
}

/** An APIService that has a backend. */
export type RemoteService = ApiService & { readonly backend: Backend };

export function isRemote(service: ApiService | undefined): service is RemoteService {
  return service?.backend !== undefined;
}

export class ApiServices implements Disposable {
  readonly #cache: ResourceCache;
  readonly #services = new Map<string, ApiService>();
  readonly #listeners = new Set<(name: string) => void>();
  readonly #stack = new DisposableStack();
  #remotes = 0;
  #generation = 1;

  constructor({ cache, resources }: Pick<ServerParts, 'cache' | 'resources'>) {
    this.#cache = cache.resource(resources.get(REGISTRATION_GROUP, 'v1', 'apiservices').prefix);
    for (const object of this.#cache.list(this.#cache.prefix)) this.#take(object);
    this.#stack.use(
      this.#cache.subscribe(({ current, deleted }) => {
        const name = current.object.metadata.name ?? '';
        if (deleted) this.#services.delete(name);
        else this.#take(current);
        this.#generation++;
        this.#remotes = [...this.#services.values()].filter((service) => isRemote(service)).length;
        for (const listener of this.#listeners) listener(name);
      }),
    );
    this.#remotes = [...this.#services.values()].filter((service) => isRemote(service)).length;
  }

  #take({ object }: CachedObject): void {
    const service = serviceOf(object);
    this.#services.set(service.name, service);
  }

  /** Another number whenever one of them is another. */
  get generation(): number {
    return this.#generation;
  }

  get all(): readonly ApiService[] {
    return [...this.#services.values()];
  }

  get(name: string): ApiService | undefined {
    return this.#services.get(name);
  }

  /** What answers for the group's version instead of this server; asked for every request. */
  remote(group: string, version: string): RemoteService | undefined {
    // Its own group is never somebody else's: nobody could take it back.
    if (this.#remotes === 0 || group === REGISTRATION_GROUP) return undefined;
    const service = this.#services.get(`${version}.${group}`);
    return isRemote(service) ? service : undefined;
  }

  subscribe(listener: (name: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

function serviceOf(object: JsonObject): ApiService {
  const { spec } = object;
  const reference = isJsonObject(spec) ? spec['service'] : undefined;
  const available = objectsAt(object, 'status', 'conditions').find(({ type }) => type === 'Available');
  return {
    name: stringAt(object, 'metadata', 'name'),
    group: stringAt(spec, 'group'),
    version: stringAt(spec, 'version'),
    priority: {
      group: numberAt(spec, 'groupPriorityMinimum') ?? 0,
      version: numberAt(spec, 'versionPriority') ?? 0,
    },
    available: available?.['status'] === 'True',
    ...(isJsonObject(reference) && {
      backend: {
        namespace: stringAt(reference, 'namespace'),
        name: stringAt(reference, 'name'),
        port: numberAt(reference, 'port') ?? 443,
        ca: Buffer.from(stringAt(spec, 'caBundle'), 'base64').toString('utf8'),
        insecure: isJsonObject(spec) && spec['insecureSkipTLSVerify'] === true,
      },
    }),
  };
}
