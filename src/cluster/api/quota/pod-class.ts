/** How a pod is treated when its node runs short. */
import { getPath, isJsonObject, type JsonObject } from '../json.ts';
import { compareQuantities, parseQuantity, type Quantity } from '../quantity.ts';

/** Guaranteed, Burstable or BestEffort, from cpu and memory of all containers. */
export function qosClass(spec: JsonObject): string {
  // What a pod has as a whole counts instead of what its containers have (KEP-2837).
  const lists = isJsonObject(spec['resources']) ? [[spec]] : [spec['initContainers'], spec['containers']];
  const containers = lists.flatMap((list) => (Array.isArray(list) ? list.filter(isJsonObject) : []));
  let some = false;
  let guaranteed = true;
  for (const container of containers) {
    for (const name of ['cpu', 'memory']) {
      const limit = amount(container, 'limits', name);
      const request = amount(container, 'requests', name) ?? limit;
      if (request !== undefined) some = true;
      if (limit === undefined || request === undefined || compareQuantities(limit, request) !== 0)
        guaranteed = false;
    }
  }
  return !some ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable';
}

/** Undefined where it is none, or zero. */
function amount(container: JsonObject, field: 'requests' | 'limits', name: string): Quantity | undefined {
  const value = getPath(container, 'resources', field, name);
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return undefined;
  const parsed = parseQuantity(text);
  return parsed.nano > 0n ? parsed : undefined;
}
