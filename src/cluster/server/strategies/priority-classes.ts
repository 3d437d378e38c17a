import { forbidden } from '../failure.ts';
import type { Strategy } from '../resource.ts';

/** What the cluster's own components run at. */
export const SYSTEM_CLASSES: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

export const priorityClassStrategy: Strategy = {
  // Counted once: what matters of a class does not change.
  prepareForCreate(priorityClass) {
    priorityClass.metadata.generation = 1;
  },
  checkDelete(priorityClass) {
    const name = priorityClass.metadata.name ?? '';
    if (!Object.hasOwn(SYSTEM_CLASSES, name)) return;
    throw forbidden(
      { group: 'scheduling.k8s.io', resource: 'priorityclasses' },
      name,
      'this is a system priority class and cannot be deleted',
    );
  },
};
