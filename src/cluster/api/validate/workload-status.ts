/** What controllers say of their workloads: counts that fit together. */
import { invalid, type FieldError } from '../field-error.ts';
import { numberAt, objectAt, type JsonObject } from '../json.ts';
import { notNegative } from './checks.ts';

interface Counts {
  readonly counted: readonly string[];
  /** Parts of `replicas`. */
  readonly parts?: readonly string[];
}

const WITH_READY: Counts = {
  counted: [
    'replicas',
    'fullyLabeledReplicas',
    'readyReplicas',
    'availableReplicas',
    'observedGeneration',
    'terminatingReplicas',
  ],
  parts: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
};

const COUNTS: Readonly<Record<'daemonSet' | 'deployment' | 'replicated' | 'statefulSet', Counts>> = {
  replicated: WITH_READY,
  deployment: {
    counted: [
      'observedGeneration',
      'replicas',
      'updatedReplicas',
      'readyReplicas',
      'availableReplicas',
      'unavailableReplicas',
      'terminatingReplicas',
      'collisionCount',
    ],
    parts: ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
  },
  statefulSet: {
    counted: [
      'replicas',
      'readyReplicas',
      'currentReplicas',
      'updatedReplicas',
      'availableReplicas',
      'observedGeneration',
      'collisionCount',
    ],
    parts: ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'],
  },
  daemonSet: {
    counted: [
      'currentNumberScheduled',
      'numberMisscheduled',
      'desiredNumberScheduled',
      'numberReady',
      'observedGeneration',
      'updatedNumberScheduled',
      'numberAvailable',
      'numberUnavailable',
      'collisionCount',
    ],
  },
};

/** The rule for the status of a kind of workload. */
export function workloadStatus(
  kind: keyof typeof COUNTS,
): (object: JsonObject, old: JsonObject) => FieldError[] {
  const { counted, parts = [] } = COUNTS[kind];
  return (object, old) => {
    const status = objectAt(object, 'status');
    const count = (key: string): number => numberAt(status, key) ?? 0;
    const errors = notNegative(status, 'status', ...counted);
    for (const part of parts) {
      if (count(part) <= count('replicas')) continue;
      errors.push(invalid(`status.${part}`, count(part), 'cannot be greater than status.replicas'));
    }
    if (parts.includes('availableReplicas') && count('availableReplicas') > count('readyReplicas')) {
      const why = kind === 'statefulSet' ? 'status.readyReplicas' : 'readyReplicas';
      errors.push(
        invalid('status.availableReplicas', count('availableReplicas'), `cannot be greater than ${why}`),
      );
    }
    const was = numberAt(old, 'status', 'collisionCount');
    if (was !== undefined && count('collisionCount') < was) {
      errors.push(invalid('status.collisionCount', count('collisionCount'), 'cannot be decremented'));
    }
    return errors;
  };
}
