/** The annotations by which a deployment and kubectl keep a rollout's history on its replica sets. */
import type { Deployment, ReplicaSet } from '../api/generated/apps-v1.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
/** How many replicas the deployment wanted when it last sized the set. */
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
/** The most that all sets together might then have had: desired and surge. */
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';

const NOT_COPIED: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
]);

const MAX_REVISION = 2n ** 63n - 1n;

/** 0 for a set that has none. It may come from elsewhere, as large as an int64. */
export function revisionOf(object: Deployment | ReplicaSet): bigint {
  const text = object.metadata?.annotations?.[REVISION] ?? '';
  const revision = /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
  return revision <= MAX_REVISION ? revision : 0n;
}

/** 0 when there is none. */
export function newestRevision(sets: readonly ReplicaSet[]): bigint {
  return sets.map(revisionOf).reduce((a, b) => (a > b ? a : b), 0n);
}

export function byRevision(a: ReplicaSet, b: ReplicaSet): number {
  const [first, second] = [revisionOf(a), revisionOf(b)];
  return first < second ? -1 : first > second ? 1 : 0;
}

/** A number from an annotation, undefined when it is not there or is none. */
export function countAnnotation(set: ReplicaSet, name: string): number | undefined {
  const text = set.metadata?.annotations?.[name] ?? '';
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** What the newest set's annotations should be: the deployment's own ones, and a revision that never goes back. */
export function newSetAnnotations(
  deployment: Deployment,
  set: ReplicaSet | undefined,
  revision: bigint,
): Record<string, string> {
  const annotations: Record<string, string> = { ...set?.metadata?.annotations };
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {})) {
    if (!NOT_COPIED.has(key)) annotations[key] = value;
  }
  const before = set === undefined ? 0n : revisionOf(set);
  if (before >= revision) return annotations;
  if (before > 0n) {
    // A rollback makes an old set the newest again; its former numbers stay readable.
    const history = annotations[REVISION_HISTORY];
    annotations[REVISION_HISTORY] = history === undefined ? `${before}` : `${history},${before}`;
  }
  annotations[REVISION] = `${revision}`;
  return annotations;
}

export function sizeAnnotations(desired: number, max: number): Record<string, string> {
  return { [DESIRED_REPLICAS]: `${desired}`, [MAX_REPLICAS]: `${max}` };
}
