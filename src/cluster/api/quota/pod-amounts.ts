/** What a whole pod asks for: its containers together, or more where starting it takes more. */
import {
  getPath,
  isJsonObject,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { addQuantities, tryParseQuantity, type Quantity } from '../quantity.ts';

export type Amounts = ReadonlyMap<string, Quantity>;

/**
 * The sum over containers and restartable init containers (sidecars), at least what any init container needs together
 * with the sidecars that are there before it (KEP-753), a pod's own amounts instead (KEP-2837), and the overhead.
 */
export function podAmounts(
  pod: JsonObject,
  field: 'requests' | 'limits',
  options: { readonly overhead: boolean } = { overhead: true },
): Amounts {
  const total = new Map<string, Quantity>();
  for (const container of objectsAt(pod, 'spec', 'containers')) add(total, amounts(container, field));
  const sidecars = new Map<string, Quantity>();
  const highest = new Map<string, Quantity>();
  for (const container of objectsAt(pod, 'spec', 'initContainers')) {
    const own = amounts(container, field);
    if (stringAt(container, 'restartPolicy') === 'Always') {
      add(total, own);
      add(sidecars, own);
      raise(highest, sidecars);
    } else {
      const now = new Map(sidecars);
      add(now, own);
      raise(highest, now);
    }
  }
  raise(total, highest);
  for (const [name, amount] of quantities(getPath(pod, 'spec', 'resources', field))) total.set(name, amount);
  const overhead = quantities(getPath(pod, 'spec', 'overhead'));
  if (options.overhead) {
    for (const [name, amount] of overhead) {
      const present = total.get(name);
      // A limit that is not there is no limit with overhead either.
      if (present !== undefined && (field === 'requests' || present.nano > 0n)) {
        total.set(name, addQuantities(present, amount));
      } else if (field === 'requests') total.set(name, amount);
    }
  }
  return total;
}

function amounts(container: JsonObject, field: string): Amounts {
  return quantities(getPath(container, 'resources', field));
}

/** A resource list's texts as numbers; what is no quantity is left out. */
export function quantities(value: JsonValue | undefined): Map<string, Quantity> {
  const found = new Map<string, Quantity>();
  if (!isJsonObject(value)) return found;
  for (const [name, amount] of Object.entries(value)) {
    const quantity = tryParseQuantity(textOf(amount));
    if (quantity !== undefined) found.set(name, quantity);
  }
  return found;
}

function add(total: Map<string, Quantity>, more: Amounts): void {
  for (const [name, amount] of more) {
    const present = total.get(name);
    total.set(name, present === undefined ? amount : addQuantities(present, amount));
  }
}

function raise(total: Map<string, Quantity>, least: Amounts): void {
  for (const [name, amount] of least) {
    const present = total.get(name);
    if (present === undefined || present.nano < amount.nano) total.set(name, amount);
  }
}
