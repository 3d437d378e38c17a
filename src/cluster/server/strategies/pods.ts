import { getPath, objectsAt, stringAt } from '../../api/json.ts';
import { qosClass } from '../../api/quota/pod-class.ts';
import type { Json } from '../object.ts';
import type { Strategy } from '../resource.ts';
import { resolveLabelKeys, takeOverProfiles } from './pod-creation.ts';
import { dropDisabledFields } from './pod-templates.ts';

const GATED: Json = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};

export const podStrategy: Strategy = {
  isReplicated: true,
  fixedInStatus: ['ownerReferences'],
  unowned: { ephemeralcontainers: [], resize: [] },
  prepareForCreate(pod) {
    const spec = (pod.spec ??= {});
    dropDisabledFields(spec);
    // What is said of the class counts, as upstream.
    const told = stringAt(pod, 'status', 'qosClass');
    pod.status = { phase: 'Pending', qosClass: told === '' ? qosClass(spec) : told };
    // The scheduler leaves gated pods alone, so the server says why they wait (KEP-3521).
    if (objectsAt(pod, 'spec', 'schedulingGates').length > 0) {
      pod.status['conditions'] = [{ ...GATED, lastTransitionTime: pod.metadata.creationTimestamp }];
    }
    resolveLabelKeys(pod);
    return takeOverProfiles(pod);
  },
  prepareForUpdate(pod, old) {
    dropDisabledFields(pod.spec ?? {}, old.spec);
  },
  specAt(endpoint, pod, old) {
    const spec = pod.spec ?? {};
    if (endpoint === 'ephemeralcontainers') {
      const { ephemeralContainers: _before, ...rest } = old.spec ?? {};
      const now = spec['ephemeralContainers'];
      return { ...rest, ...(now !== undefined && { ephemeralContainers: now }) };
    }
    const lists = ['initContainers', 'containers'] as const;
    const resized = lists.map((list) => resizedContainers(spec, old.spec ?? {}, list));
    // Validation says what is wrong with containers that come and go.
    if (resized.includes(undefined)) return spec;
    const { resources: _resources, ...rest } = old.spec ?? {};
    return {
      ...rest,
      ...(spec['resources'] !== undefined && { resources: spec['resources'] }),
      ...Object.fromEntries(
        lists.flatMap((list, at) => (resized[at]!.length === 0 ? [] : [[list, resized[at]!]])),
      ),
    };
  },
  graceSeconds(pod, requested) {
    const wanted = requested ?? getPath(pod, 'spec', 'terminationGracePeriodSeconds');
    const phase = stringAt(pod, 'status', 'phase');
    // Nobody runs it: neither a node that has it nor one that still has to stop it.
    if (stringAt(pod, 'spec', 'nodeName') === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
    if (typeof wanted !== 'number') return 30;
    return wanted < 0 ? 1 : wanted;
  },
};

/**
 * The old containers with the new resources and resize policies; undefined when there were not as many, and the new ones
 * when they are others.
 */
function resizedContainers(spec: Json, old: Json, list: string): Json[] | undefined {
  const [now, before] = [objectsAt(spec, list), objectsAt(old, list)];
  if (now.length !== before.length) return undefined;
  if (now.some((container, at) => container['name'] !== before[at]!['name'])) return [...now];
  return now.map(({ resources, resizePolicy }, at) => {
    const { resources: _resources, resizePolicy: _policy, ...rest } = before[at]!;
    return {
      ...rest,
      ...(resizePolicy !== undefined && { resizePolicy }),
      ...(resources !== undefined && { resources }),
    };
  });
}
