import { isPlatformError } from '../../base/errors.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { EndpointSlice } from '../api/generated/discovery-v1.ts';
import type { Controller } from '../client/contract.ts';
import { endpointSlices, nodes, pods, services } from '../client/kinds.ts';
import { refOf } from './claiming.ts';
import { MANAGED_BY, MANAGER, planEndpointSlices, SERVICE_NAME } from './endpoint-slice-planner.ts';
import type { ControllerEnvironment } from './environment.ts';
import { Expectations } from './expectations.ts';
import { enqueues, keyOf, queueController, reads, subscribes } from './queue-controller.ts';
import { namespaceIndex } from './namespace-index.ts';
import { backendsOf, hasSelector, selects } from './service-backends.ts';

const ZONE = 'topology.kubernetes.io/zone';

/** The key of the service that a slice belongs to; undefined for slices that others manage. */
function serviceOf(slice: EndpointSlice): string | undefined {
  const { namespace = '', labels = {} } = slice.metadata ?? {};
  const name = labels[SERVICE_NAME];
  return name === undefined || labels[MANAGED_BY] !== MANAGER ? undefined : `${namespace}/${name}`;
}

const serviceIndex = {
  service: (slice: EndpointSlice): readonly string[] => {
    const key = serviceOf(slice);
    return key === undefined ? [] : [key];
  },
};

/** Writes down which pods stand behind each service that has a selector, for proxies and DNS to read. */
export function createEndpointSliceController(environment: ControllerEnvironment): Controller {
  const { client, informers, clock } = environment;
  const serviceCache = informers.informer(services, { indexes: namespaceIndex });
  const podCache = informers.informer(pods, { indexes: namespaceIndex });
  const slices = informers.informer(endpointSlices, { indexes: serviceIndex });
  const nodeCache = informers.informer(nodes);
  // Slices get generated names: without this, a cache that lags would have them made twice.
  const expectations = new Expectations(clock);

  const servicesOf = (pod: Pod): readonly string[] =>
    serviceCache
      .byIndex('namespace', pod.metadata?.namespace ?? '')
      .filter((service) => selects(service, pod))
      .map(keyOf);

  async function reconcile(key: string): Promise<void> {
    const service = serviceCache.get(key);
    const present = slices.byIndex('service', key);
    if (service === undefined) {
      expectations.forget(key);
      // Slices of a service that was deleted and of one that lost its name are alike: nobody looks after them.
      await Promise.all(present.map(remove));
      return;
    }
    if (!hasSelector(service) || service.metadata?.deletionTimestamp !== undefined) return;
    if (!expectations.satisfied(key)) return;
    const plan = planEndpointSlices({
      service,
      backends: backendsOf(service, podCache.byIndex('namespace', service.metadata?.namespace ?? '')),
      slices: present,
      zoneOf: (node) => nodeCache.get(node)?.metadata?.labels?.[ZONE],
    });
    if (plan.create.length > 0) expectations.expect(key, { creations: plan.create.length });
    // What serves is shown before what no longer does is taken away.
    for (const [i, slice] of plan.create.entries()) {
      try {
        await client.create(endpointSlices, slice);
      } catch (error) {
        expectations.creationSeen(key, plan.create.length - i);
        throw error;
      }
    }
    for (const slice of plan.update) await client.update(endpointSlices, slice);
    for (const slice of plan.remove) await remove(slice);
  }

  async function remove(slice: EndpointSlice): Promise<void> {
    try {
      await client.delete(endpointSlices, refOf(slice));
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
    }
  }

  return queueController({
    name: 'endpointslice',
    environment,
    sources: [
      enqueues(serviceCache, (service) => [keyOf(service)]),
      subscribes(slices, () => ({
        added: (slice) => {
          const key = serviceOf(slice);
          if (key !== undefined) expectations.creationSeen(key);
        },
      })),
      enqueues(slices, serviceIndex.service),
      enqueues(podCache, servicesOf),
      reads(nodeCache),
    ],
    reconcile,
  });
}
