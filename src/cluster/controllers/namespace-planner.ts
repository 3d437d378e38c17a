import { rfc3339 } from '../../base/clock.ts';
import type { NamespaceCondition, NamespaceStatus } from '../api/generated/core-v1.ts';
import type { ApiObject } from '../client/contract.ts';

/** The objects of one resource that are still in a namespace. */
export interface Remaining {
  /** As people name it: `pods.`, `deployments.apps`. */
  readonly resource: string;
  readonly objects: readonly ApiObject[];
}

export interface NamespaceStatusInput {
  readonly status: NamespaceStatus | undefined;
  readonly remaining: readonly Remaining[];
  /** Messages of what could not be listed or deleted. */
  readonly failures: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

type Finding = Pick<NamespaceCondition, 'type' | 'status' | 'reason' | 'message'>;

/** Why a namespace that is being emptied is still there, in the condition types and reasons of the API. */
export function planNamespaceStatus(input: NamespaceStatusInput): NamespaceStatus {
  const { status, now } = input;
  const present = status?.conditions ?? [];
  const found = [contentFailure(input), contentRemaining(input), finalizersRemaining(input)];
  const types = new Set(found.map((finding) => finding.type));
  return {
    ...status,
    phase: 'Terminating',
    conditions: [
      ...present.filter((condition) => !types.has(condition.type)),
      ...found.map((finding) => {
        const before = present.find((condition) => condition.type === finding.type);
        const since = before?.status === finding.status ? before?.lastTransitionTime : undefined;
        return { ...finding, lastTransitionTime: since ?? rfc3339(now) };
      }),
    ],
  };
}

function contentFailure({ failures }: NamespaceStatusInput): Finding {
  const type = 'NamespaceDeletionContentFailure';
  return failures.length === 0
    ? { type, status: 'False', reason: 'ContentDeleted', message: 'everything could be deleted' }
    : { type, status: 'True', reason: 'ContentDeletionFailed', message: failures.toSorted().join('; ') };
}

function contentRemaining({ remaining }: NamespaceStatusInput): Finding {
  const type = 'NamespaceContentRemaining';
  const counts = remaining
    .filter(({ objects }) => objects.length > 0)
    .map(({ resource, objects }) => `${resource}: ${objects.length}`)
    .toSorted();
  return counts.length === 0
    ? { type, status: 'False', reason: 'ContentRemoved', message: 'nothing is left' }
    : { type, status: 'True', reason: 'SomeResourcesRemain', message: `still there: ${counts.join(', ')}` };
}

function finalizersRemaining({ remaining }: NamespaceStatusInput): Finding {
  const type = 'NamespaceFinalizersRemaining';
  const counts = new Map<string, number>();
  for (const finalizer of remaining.flatMap(({ objects }) =>
    objects.flatMap((object) => object.metadata?.finalizers ?? []),
  )) {
    counts.set(finalizer, (counts.get(finalizer) ?? 0) + 1);
  }
  const texts = [...counts].map(([finalizer, count]) => `${finalizer}: ${count}`).toSorted();
  return texts.length === 0
    ? { type, status: 'False', reason: 'ContentHasNoFinalizers', message: 'no finalizer holds anything' }
    : { type, status: 'True', reason: 'SomeFinalizersRemain', message: `held back by ${texts.join(', ')}` };
}
