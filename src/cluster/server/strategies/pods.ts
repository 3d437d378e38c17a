import { getPath, isJsonObject, objectsAt, stringAt } from '../../api/json.ts';
import { compareQuantities, parseQuantity } from '../../api/quantity.ts';
import type { Json } from '../object.ts';
import type { Strategy } from '../resource.ts';

/** What a pod tolerates unless it says otherwise: five minutes of its node being away (as upstream's admission). */
const AWAY_TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
const AWAY_SECONDS = 300;

const GATED: Json = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};

export const podStrategy: Strategy = {
  prepareForCreate(pod) {
    const spec = (pod.spec ??= {});
    spec['serviceAccountName'] ??= 'default';
    spec['serviceAccount'] ??= spec['serviceAccountName'];
    spec['priority'] ??= 0;
    spec['preemptionPolicy'] ??= 'PreemptLowerPriority';
    const tolerations = (Array.isArray(spec['tolerations']) ? spec['tolerations'] : []) as Json[];
    for (const key of AWAY_TAINTS) {
      if (tolerations.some((one) => tolerates(one, key))) continue;
      tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: AWAY_SECONDS });
    }
    spec['tolerations'] = tolerations;
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

function tolerates(toleration: Json, key: string): boolean {
  const effect = toleration['effect'] ?? '';
  const named = toleration['key'] ?? '';
  return (named === key || named === '') && (effect === 'NoExecute' || effect === '');
}

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
