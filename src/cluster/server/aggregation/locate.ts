/** From a service to the addresses behind it. */
import { PlatformError } from '../../../base/errors.ts';
import { listAt, objectsAt, stringAt, textOf, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import { keyOf } from '../resource-table.ts';
import type { ResourceCache } from '../cache/watch-cache.ts';
import type { Backend } from './api-services.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Why nothing can be reached: reason and message of the condition `Available`. */
export interface Obstacle {
  readonly reason: string;
  readonly message: string;
}

interface Found {
  /** Of services and of slices when this was found out. */
  readonly changes: readonly [number, number];
  readonly addresses: readonly Address[];
}

export class Locator {
  readonly #services: ResourceCache;
  readonly #slices: ResourceCache;
  readonly #parts: ServerParts;
  readonly #found = new Map<string, Found>();

  constructor(parts: ServerParts) {
    const { cache, resources } = parts;
    this.#parts = parts;
    this.#services = cache.resource(resources.get('', 'v1', 'services').prefix);
    this.#slices = cache.resource(resources.get('discovery.k8s.io', 'v1', 'endpointslices').prefix);
  }

  /** Calls back with `namespace/name` of a service when it or what is behind it changes. */
  subscribe(listener: (service: string) => void): Disposable {
    const stack = new DisposableStack();
    stack.use(
      this.#services.subscribe(({ current: { key } }) => listener(key.slice(this.#services.prefix.length))),
    );
    stack.use(
      this.#slices.subscribe(({ current }) => {
        const { prefix } = this.#slices;
        const namespace = current.key.slice(prefix.length, current.key.indexOf('/', prefix.length));
        listener(`${namespace}/${textOf(current.at(['metadata', 'labels', SERVICE_NAME]))}`);
      }),
    );
    return stack;
  }

  /** Those that can be tried, at least one. Throws `unavailable`. */
  addresses(backend: Backend): readonly Address[] {
    const id = `${backend.namespace}/${backend.name}:${backend.port}`;
    const changes = [this.#services.lastChange, this.#slices.lastChange] as const;
    const known = this.#found.get(id);
    if (known?.changes[0] === changes[0] && known.changes[1] === changes[1]) return known.addresses;
    this.#found.delete(id);
    const addresses = this.#resolve(backend);
    this.#found.set(id, { changes, addresses });
    return addresses;
  }

  /** One of them. Throws `unavailable`. */
  pick(backend: Backend): Address {
    const addresses = this.addresses(backend);
    return addresses[Math.floor(this.#parts.random.next() * addresses.length)]!;
  }

  /** What is known to be missing before anything is tried. */
  obstacle({ namespace, name, port }: Backend): Obstacle | undefined {
    const service = this.#service(namespace, name);
    if (service === undefined) {
      return { reason: 'ServiceNotFound', message: `service/${name} in "${namespace}" is not present` };
    }
    if (typeOf(service) !== 'ClusterIP') return undefined;
    const found = portOf(service, port);
    if (found === undefined) {
      const message = `service/${name} in "${namespace}" is not listening on port ${port}`;
      return { reason: 'ServicePortError', message };
    }
    const slices = this.#slicesOf(namespace, name);
    if (slices.length === 0) {
      const message = `cannot find endpointslices for service/${name} in "${namespace}"`;
      return { reason: 'EndpointsNotFound', message };
    }
    const portName = stringAt(found, 'name');
    if (slices.some((slice) => addressesOf(slice, portName).length > 0)) return undefined;
    const message = `endpointslices for service/${name} in "${namespace}" have no addresses with port name "${portName}"`;
    return { reason: 'MissingEndpoints', message };
  }

  #resolve({ namespace, name, port }: Backend): readonly Address[] {
    const service = this.#service(namespace, name);
    if (service === undefined) throw unavailable(`service "${name}" not found`);
    if (typeOf(service) === 'ExternalName')
      return [{ host: stringAt(service, 'spec', 'externalName'), port }];
    const found = portOf(service, port);
    if (found === undefined) throw unavailable(`no service port ${port} found for service "${name}"`);
    // The pods themselves: a packet table that is a moment behind does not matter, nor a service without an address.
    const direct = this.#slicesOf(namespace, name).flatMap((slice) =>
      addressesOf(slice, stringAt(found, 'name')),
    );
    if (direct.length > 0) return direct;
    const host = stringAt(service, 'spec', 'clusterIP');
    if (host === '' || host === 'None') throw unavailable(`no endpoints available for service "${name}"`);
    return [{ host, port }];
  }

  #service(namespace: string, name: string): KubeObject | undefined {
    const resource = this.#parts.resources.get('', 'v1', 'services');
    return this.#services.get(keyOf(resource, namespace, name))?.object;
  }

  #slicesOf(namespace: string, name: string): readonly KubeObject[] {
    return this.#slices
      .list(`${this.#slices.prefix}${namespace}/`)
      .map((slice) => slice.peek())
      .filter((slice) => serviceOfSlice(slice) === name);
  }
}

function serviceOfSlice({ metadata }: KubeObject): string {
  return metadata.labels?.[SERVICE_NAME] ?? '';
}

function typeOf(service: KubeObject): string {
  return stringAt(service, 'spec', 'type') || 'ClusterIP';
}

function portOf(service: KubeObject, port: number): JsonObject | undefined {
  return objectsAt(service, 'spec', 'ports').find((one) => one['port'] === port);
}

function addressesOf(slice: JsonObject, portName: string): Address[] {
  const ports = objectsAt(slice, 'ports').filter((one) => stringAt(one, 'name') === portName);
  const ready = objectsAt(slice, 'endpoints').filter((one) => {
    const { conditions } = one;
    return (conditions as JsonObject | undefined)?.['ready'] !== false;
  });
  return ports.flatMap(({ port }) =>
    typeof port === 'number'
      ? ready.flatMap((endpoint) =>
          listAt(endpoint, 'addresses').map((host): Address => ({ host: textOf(host), port })),
        )
      : [],
  );
}

function unavailable(message: string): PlatformError {
  return new PlatformError('unavailable', message);
}
