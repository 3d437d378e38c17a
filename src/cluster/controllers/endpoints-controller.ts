import { isPlatformError } from '../../base/errors.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { Controller } from '../client/contract.ts';
import { endpoints, pods, services } from '../client/kinds.ts';
import { refOf } from './claiming.ts';
import { ENDPOINTS_MANAGED_BY, planEndpoints } from './endpoints-planner.ts';
import type { ControllerEnvironment } from './environment.ts';
import { namespaceIndex } from './namespace-index.ts';
import { enqueues, keyOf, queueController } from './queue-controller.ts';
import { backendsOf, hasSelector, selects } from './service-backends.ts';

/** Keeps the Endpoints object of each service with a selector, for readers from before endpoint slices. */
export function createEndpointsController(environment: ControllerEnvironment): Controller {
  const { client, informers } = environment;
  const serviceCache = informers.informer(services, { indexes: namespaceIndex });
  const podCache = informers.informer(pods, { indexes: namespaceIndex });
  const cache = informers.informer(endpoints);

  const servicesOf = (pod: Pod): readonly string[] =>
    serviceCache
      .byIndex('namespace', pod.metadata?.namespace ?? '')
      .filter((service) => selects(service, pod))
      .map(keyOf);

  async function reconcile(key: string): Promise<void> {
    const service = serviceCache.get(key);
    const present = cache.get(key);
    if (service === undefined) {
      if (present?.metadata?.labels?.[ENDPOINTS_MANAGED_BY] === undefined) return;
      try {
        await client.delete(endpoints, refOf(present));
      } catch (error) {
        if (!isPlatformError(error, 'not-found')) throw error;
      }
      return;
    }
    if (!hasSelector(service) || service.metadata?.deletionTimestamp !== undefined) return;
    const inNamespace = podCache.byIndex('namespace', service.metadata?.namespace ?? '');
    const next = planEndpoints(service, backendsOf(service, inNamespace), present);
    if (next === undefined) return;
    await (present === undefined ? client.create(endpoints, next) : client.update(endpoints, next));
  }

  return queueController({
    name: 'endpoints',
    environment,
    sources: [
      enqueues(serviceCache, (service) => [keyOf(service)]),
      enqueues(cache, (object) => [keyOf(object)]),
      enqueues(podCache, servicesOf),
    ],
    reconcile,
  });
}
