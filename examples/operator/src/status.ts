/** What a site's status says about what is there. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { V1Deployment } from '@kubernetes/client-node';
import { podLabels } from './children.ts';
import type { Condition, Site, SiteStatus } from './site.ts';

/** `now` is when conditions that have changed did so. */
export function statusOf(site: Site, deployment: V1Deployment | undefined, now: Date): SiteStatus {
  const { replicas = 0, readyReplicas = 0 } = deployment?.status ?? {};
  const wanted = site.spec.replicas;
  const available = readyReplicas >= wanted;
  const observedGeneration = site.metadata.generation ?? 0;
  return {
    observedGeneration,
    replicas,
    readyReplicas,
    selector: Object.entries(podLabels(site))
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    address: `http://${site.metadata.name}.${site.metadata.namespace}.svc`,
    conditions: withCondition(site.status?.conditions ?? [], {
      type: 'Available',
      status: available ? 'True' : 'False',
      reason: available ? 'PodsReady' : 'PodsMissing',
      message: `${readyReplicas} of ${wanted} pods are ready`,
      lastTransitionTime: now.toISOString().replace(/\.\d+Z$/, 'Z'),
      observedGeneration,
    }),
  };
}

/** The transition time is kept while the status stays what it was. */
export function withCondition(conditions: readonly Condition[], next: Condition): readonly Condition[] {
  const before = conditions.find(({ type }) => type === next.type);
  const lastTransitionTime =
    before?.status === next.status ? before.lastTransitionTime : next.lastTransitionTime;
  return [...conditions.filter(({ type }) => type !== next.type), { ...next, lastTransitionTime }];
}

export function sameStatus(a: SiteStatus | undefined, b: SiteStatus): boolean {
  return isDeepStrictEqual(a, b);
}
