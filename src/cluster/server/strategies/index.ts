/** Strategies by stored resource, as declared; a resource that is not here has nothing special about it. */
import type { Strategy } from '../resource.ts';
import { namespaceStrategy } from './namespaces.ts';
import { podStrategy } from './pods.ts';
import { serviceStrategy, type ServiceRanges } from './services.ts';

const EVENT_TTL_SECONDS = 3600;

export function strategies(ranges: ServiceRanges): Readonly<Record<string, Strategy>> {
  return {
    pods: podStrategy,
    services: serviceStrategy(ranges),
    namespaces: namespaceStrategy,
    events: { leaseSeconds: EVENT_TTL_SECONDS },
    deployments: controlled,
    replicasets: controlled,
  };
}

/** The status is the controller's: what a creator says of it does not count. */
const controlled: Strategy = {
  prepareForCreate(object) {
    object.status = {};
  },
};
