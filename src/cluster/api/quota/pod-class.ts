/** How a pod is treated when its node runs short. */
import { getPath, isJsonObject, type JsonObject } from '../json.ts';
import { compareQuantities, parseQuantity } from '../quantity.ts';

/** Guaranteed, Burstable or BestEffort, from cpu and memory of all containers. */
export function qosClass(spec: JsonObject): string {
  // What a pod has as a whole counts instead of what its containers have (KEP-2837).
  const lists = isJsonObject(spec['resources']) ? [[spec]] : [spec['initContainers'], spec['containers']];
  const containers = lists.flatMap((list) => (Array.isArray(list) ? list.filter(isJsonObject) : []));
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
function amounts(container: JsonObject, field: 'requests' | 'limits'): ReadonlyMap<string, string> {
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
