/** What coordinated elections are asked with: upstream keeps them behind a feature that is off by default. */
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';

const COORDINATION = ['strategy', 'preferredHolder'] as const;

export const leaseStrategy: Strategy = {
  prepareForCreate: (lease) => drop(lease),
  prepareForUpdate: (lease, old) => drop(lease, old),
};

/** Those that were there before the feature was switched off may stay. */
function drop(lease: KubeObject, old?: KubeObject): void {
  for (const field of COORDINATION) {
    if (lease.spec?.[field] !== undefined && old?.spec?.[field] === undefined) delete lease.spec[field];
  }
}
