/** `default/kubernetes`: the addresses of all API servers that are alive, in both forms of endpoints. */
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import { putOwn, removeOwn } from '../writes/own-objects.ts';
import { MasterLeases, type Advertised } from './master-leases.ts';

const NAMESPACE = 'default';
const NAME = 'kubernetes';
const SERVICE_LABEL = 'kubernetes.io/service-name';

/**
 * One server of possibly several. Whoever is alone on its store needs no lease: the only address is its own, and
 * what an earlier run left behind is overwritten at once.
 */
export class Advertiser {
  readonly #parts: ServerParts;
  readonly #leases: MasterLeases | undefined;
  #own: Advertised | undefined;
  /** Repairs come by timer and by call; one after the other, so that none undoes the farewell. */
  #last: Promise<void> = Promise.resolve();

  constructor(parts: ServerParts, sharedStore: boolean) {
    this.#parts = parts;
    this.#leases = sharedStore ? new MasterLeases(parts.store) : undefined;
  }

  /** Where this server is reached; undefined while that is not known, and when it is leaving. */
  get own(): Advertised | undefined {
    return this.#own;
  }

  /** From now on this server is reached there. */
  moveTo(where: Advertised): void {
    this.#own = where;
  }

  /** Renews this server's lease and writes down who is alive; nothing before it is known where this server is. */
  async reconcile(): Promise<void> {
    return await this.#after(async () => {
      if (this.#own === undefined) return;
      await this.#leases?.renew(this.#own);
      await this.#write(this.#own);
    });
  }

  /** Leaves the others' addresses. The last one's stays, as upstream's does: an empty list would help nobody. */
  async leave(): Promise<void> {
    await this.#after(async () => {
      const own = this.#own;
      this.#own = undefined;
      if (own === undefined || this.#leases === undefined) return;
      await this.#leases.release();
      await this.#write(own);
    });
  }

  async #after(step: () => Promise<void>): Promise<void> {
    const done = this.#last.then(step);
    this.#last = done.catch(() => undefined);
    return await done;
  }

  async #write(own: Advertised): Promise<void> {
    const alive = this.#leases === undefined ? [own] : await this.#leases.alive(own);
    if (alive.length === 0) return;
    const groups = byPort(alive);
    await putOwn(this.#parts, ['', 'endpoints'], endpointsOf(groups));
    const slices = groups.flatMap(slicesOf);
    for (const slice of slices) await putOwn(this.#parts, ['discovery.k8s.io', 'endpointslices'], slice);
    await this.#removeOthers(new Set(slices.map(({ metadata }) => metadata.name)));
  }

  /** Slices of ports that no server has any more. */
  async #removeOthers(wanted: ReadonlySet<string | undefined>): Promise<void> {
    const { prefix } = this.#parts.resources.get('discovery.k8s.io', 'v1', 'endpointslices');
    const left: string[] = [];
    for (const found of this.#parts.cache.resource(prefix).list(`${prefix}${NAMESPACE}/`)) {
      const name = found.object.metadata.name ?? '';
      if (isExtra(found.object) && !wanted.has(name)) left.push(name);
    }
    for (const name of left) {
      await removeOwn(this.#parts, ['discovery.k8s.io', 'endpointslices'], {
        ref: { namespace: NAMESPACE, name },
        doomed: isExtra,
      });
    }
  }
}

interface PortGroup {
  readonly port: number;
  readonly addresses: readonly string[];
}

/** Several only where servers of one store listen on different ports, as several on one machine do. */
function byPort(alive: readonly Advertised[]): PortGroup[] {
  const groups = Map.groupBy(alive, ({ port }) => port);
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([port, members]) => ({ port, addresses: members.map(({ address }) => address).sort() }));
}

function endpointsOf(groups: readonly PortGroup[]): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' },
    },
    subsets: groups.map(({ port, addresses }) => ({
      addresses: addresses.map((ip) => ({ ip })),
      ports: [{ name: 'https', port, protocol: 'TCP' }],
    })),
  };
}

/** The first group's slice has the service's name, as upstream's only one. */
function slicesOf({ port, addresses }: PortGroup, index: number): KubeObject[] {
  const families = Map.groupBy(addresses, (address) => (address.includes(':') ? 'IPv6' : 'IPv4'));
  return [...families].map(([addressType, members], family) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: index + family === 0 ? NAME : `${NAME}-${addressType.toLowerCase()}-${port}`,
      namespace: NAMESPACE,
      labels: { [SERVICE_LABEL]: NAME },
    },
    addressType,
    endpoints: members.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  }));
}

const EXTRA = /^kubernetes-ipv[46]-\d+$/;

function isExtra({ metadata }: KubeObject): boolean {
  return EXTRA.test(metadata.name ?? '') && metadata.labels?.[SERVICE_LABEL] === NAME;
}
