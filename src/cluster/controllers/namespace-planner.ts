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
  /** Group versions that could not be asked what they serve. */
  readonly unavailable: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

type Finding = Pick<NamespaceCondition, 'type' | 'status' | 'reason' | 'message'>;

/** Why a namespace that is being emptied is still there, in the condition types and reasons of the API. */
export function planNamespaceStatus(input: NamespaceStatusInput): NamespaceStatus {
  const { status, now } = input;
  const present = status?.conditions ?? [];
  const found = [
    discoveryFailure(input),
    PARSED,
    contentFailure(input),
    contentRemaining(input),
    finalizersRemaining(input),
  ];
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

/** Nothing here can fail at this: the condition is there for those who look for it. */
const PARSED: Finding = {
  type: 'NamespaceDeletionGroupVersionParsingFailure',
  status: 'False',
  reason: 'ParsedGroupVersions',
  message: 'All legacy kube types successfully parsed',
};

function discoveryFailure({ unavailable }: NamespaceStatusInput): Finding {
  const type = 'NamespaceDeletionDiscoveryFailure';
  if (unavailable.length === 0) {
    const message = 'All resources successfully discovered';
    return { type, status: 'False', reason: 'ResourcesDiscovered', message };
  }
  const groups = unavailable.toSorted().map((group) => `${group}: stale GroupVersion discovery: ${group}`);
  const failed = `unable to retrieve the complete list of server APIs: ${groups.join(', ')}`;
  const message = `Discovery failed for some groups, ${unavailable.length} failing: ${failed}`;
  return { type, status: 'True', reason: 'DiscoveryFailed', message };
}

function contentFailure({ failures }: NamespaceStatusInput): Finding {
  const type = 'NamespaceDeletionContentFailure';
  return failures.length === 0
    ? { type, status: 'False', reason: 'ContentDeleted', message: DELETED }
    : { type, status: 'True', reason: 'ContentDeletionFailed', message: failedText(failures) };
}

const DELETED = 'All content successfully deleted, may be waiting on finalization';

function failedText(failures: readonly string[]): string {
  return `Failed to delete all resource types, ${failures.length} remaining: ${failures.toSorted().join(', ')}`;
}

function contentRemaining({ remaining }: NamespaceStatusInput): Finding {
  const type = 'NamespaceContentRemaining';
  const counts = remaining
    .filter(({ objects }) => objects.length > 0)
    .map(({ resource, objects }) => `${resource} has ${objects.length} resource instances`)
    .toSorted();
  return counts.length === 0
    ? { type, status: 'False', reason: 'ContentRemoved', message: 'All content successfully removed' }
    : {
        type,
        status: 'True',
        reason: 'SomeResourcesRemain',
        message: `Some resources are remaining: ${counts.join(', ')}`,
      };
}

function finalizersRemaining({ remaining }: NamespaceStatusInput): Finding {
  const type = 'NamespaceFinalizersRemaining';
  const counts = new Map<string, number>();
  for (const finalizer of remaining.flatMap(({ objects }) =>
    objects.flatMap((object) => object.metadata?.finalizers ?? []),
  )) {
    counts.set(finalizer, (counts.get(finalizer) ?? 0) + 1);
  }
  const texts = [...counts]
    .map(([finalizer, count]) => `${finalizer} in ${count} resource instances`)
    .toSorted();
  return texts.length === 0
    ? {
        type,
        status: 'False',
        reason: 'ContentHasNoFinalizers',
        message: 'All content-preserving finalizers finished',
      }
    : {
        type,
        status: 'True',
        reason: 'SomeFinalizersRemain',
        message: `Some content in the namespace has finalizers remaining: ${texts.join(', ')}`,
      };
}
