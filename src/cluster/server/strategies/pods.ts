import { getPath, isJsonObject, objectsAt, stringAt } from '../../api/json.ts';
import { compareQuantities, parseQuantity } from '../../api/quantity.ts';
import type { Json } from '../object.ts';
import type { Strategy } from '../resource.ts';

const GATED: Json = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};

export const podStrategy: Strategy = {
  prepareForCreate(pod) {
    const spec = (pod.spec ??= {});
    pod.status = { phase: 'Pending', qosClass: qosClass(spec) };
    // The scheduler leaves gated pods alone, so the server says why they wait (KEP-3521).
    if (objectsAt(pod, 'spec', 'schedulingGates').length > 0) pod.status['conditions'] = [{ ...GATED }];
  },
  graceSeconds(pod, requested) {
    const wanted = requested ?? getPath(pod, 'spec', 'terminationGracePeriodSeconds');
    const phase = stringAt(pod, 'status', 'phase');
    // Nobody runs it: neither a node that has it nor one that still has to stop it.
    if (stringAt(pod, 'spec', 'nodeName') === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
    return typeof wanted === 'number' ? Math.max(wanted, 0) : 30;
  },
};

/** Guaranteed, Burstable or BestEffort, from cpu and memory of all containers. */
export function qosClass(spec: Json): string {
  const containers = [spec['initContainers'], spec['containers']].flatMap((list) =>
    Array.isArray(list) ? list.filter(isJsonObject) : [],
  );
  let some = false;
  let guaranteed = true;
  for (const container of containers) {
    const requests = amounts(container, 'requests');
    const limits = amounts(container, 'limits');
    if (requests.size > 0 || limits.size > 0) some = true;
    for (const name of ['cpu', 'memory']) {
      const limit = limits.get(name);
      const request = requests.get(name) ?? limit;
      const equal =
        limit !== undefined &&
        request !== undefined &&
        compareQuantities(parseQuantity(limit), parseQuantity(request)) === 0;
      if (!equal) guaranteed = false;
    }
  }
  return !some ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable';
}

/** cpu and memory that are not zero. */
function amounts(container: Json, field: 'requests' | 'limits'): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const all = getPath(container, 'resources', field);
  if (!isJsonObject(all)) return found;
  const zero = parseQuantity('0');
  for (const name of ['cpu', 'memory']) {
    const value = all[name];
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text !== 'string') continue;
    if (compareQuantities(parseQuantity(text), zero) > 0) found.set(name, text);
  }
  return found;
}
