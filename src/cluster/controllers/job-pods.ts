/** The pods of a job: what they are made of, and what they say. */
import type { Job } from '../api/generated/batch-v1.ts';
import type { Container, Pod } from '../api/generated/core-v1.ts';
import { newControllerRef } from '../client/controller-ref.ts';
import { jobs } from '../client/kinds.ts';
import { isPodFinished } from './pod-state.ts';

/** Holds a pod until it has been counted. */
export const TRACKING = 'batch.kubernetes.io/job-tracking';
export const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index';
/** How often pods of the index have failed before this one. */
export const INDEX_FAILURES = 'batch.kubernetes.io/job-index-failure-count';

export function isIndexed(job: Job): boolean {
  return job.spec?.completionMode === 'Indexed';
}

export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata?.annotations?.[COMPLETION_INDEX] ?? '';
  return /^(0|[1-9]\d*)$/.test(text) ? Number(text) : undefined;
}

export function isTracked(pod: Pod): boolean {
  return pod.metadata?.finalizers?.includes(TRACKING) ?? false;
}

export function isTerminating(pod: Pod): boolean {
  return pod.metadata?.deletionTimestamp !== undefined && !isPodFinished(pod);
}

/** When the pod ended, in milliseconds since the epoch. */
export function finishedAt(pod: Pod, now: number): number {
  const ends = (pod.status?.containerStatuses ?? []).map(({ state }) =>
    Date.parse(state?.terminated?.finishedAt ?? ''),
  );
  const known = ends.filter((end) => !Number.isNaN(end));
  if (known.length > 0) return Math.max(...known);
  const deleted = Date.parse(pod.metadata?.deletionTimestamp ?? '');
  return Number.isNaN(deleted) ? now : Math.min(deleted, now);
}

/** The pod that the job's template asks for; for an indexed job that of the index. */
export function podOfJob(job: Job, index?: { readonly at: number; readonly failures: number }): Pod {
  const { metadata, spec } = job.spec?.template ?? {};
  const name = job.metadata?.name ?? '';
  const finalizers = [...(metadata?.finalizers ?? []).filter((other) => other !== TRACKING), TRACKING];
  const pod: Pod = {
    metadata: {
      generateName: index === undefined ? `${name}-` : `${name}-${index.at}-`,
      namespace: job.metadata?.namespace,
      labels: { ...metadata?.labels },
      annotations: { ...metadata?.annotations },
      finalizers,
      ownerReferences: [newControllerRef(jobs, job)],
    },
    spec: { ...spec },
  };
  if (index === undefined) return pod;
  const { labels, annotations } = pod.metadata!;
  labels![COMPLETION_INDEX] = annotations![COMPLETION_INDEX] = String(index.at);
  if (job.spec?.backoffLimitPerIndex !== undefined) annotations![INDEX_FAILURES] = String(index.failures);
  // Pods of indexed jobs find each other by name, where a headless service has the job's subdomain.
  const hostname = `${name}-${index.at}`;
  return {
    ...pod,
    spec: {
      ...spec,
      containers: spec?.containers?.map(knowingItsIndex),
      ...(spec?.initContainers !== undefined && { initContainers: spec.initContainers.map(knowingItsIndex) }),
      ...(hostname.length <= 63 && { hostname: spec?.hostname ?? hostname }),
    },
  };
}

const INDEX_VARIABLE = 'JOB_COMPLETION_INDEX';

function knowingItsIndex(container: Container): Container {
  if (container.env?.some(({ name }) => name === INDEX_VARIABLE)) return container;
  const fieldRef = { fieldPath: `metadata.labels['${COMPLETION_INDEX}']` };
  return { ...container, env: [...(container.env ?? []), { name: INDEX_VARIABLE, valueFrom: { fieldRef } }] };
}
