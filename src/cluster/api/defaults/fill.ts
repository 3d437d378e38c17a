import { isJsonObject, jsonCopy, type JsonObject, type JsonValue } from '../json.ts';
import { formatQuantity, tryParseQuantity } from '../quantity.ts';

/** Sets each of `values` that `target` does not have; objects in `values` are copied. */
export function fill(target: JsonObject, values: JsonObject): void {
  for (const key in values) {
    if (target[key] !== undefined) continue;
    const value = values[key];
    if (value !== undefined) target[key] = jsonCopy(value);
  }
}

/** Sets each of `values` that is absent in `target`, or an empty text. */
export function fillBlank(target: JsonObject, values: JsonObject): void {
  for (const key in values) {
    const present = target[key];
    if (present !== undefined && present !== '') continue;
    const value = values[key];
    if (value !== undefined) target[key] = jsonCopy(value);
  }
}

/** Sets each of `values` that is empty in `target`. */
export function fillEmpty(target: JsonObject, values: JsonObject): void {
  for (const key in values) if (isEmpty(target[key])) target[key] = values[key];
}

/** The object at `key`, made when absent. */
export function ensureObject(target: JsonObject, key: string): JsonObject {
  const present = target[key];
  if (isJsonObject(present)) return present;
  const created: JsonObject = {};
  target[key] = created;
  return created;
}

/** True for what Go's omitempty calls empty. */
export function isEmpty(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || value === '' || value === 0 || value === false;
}

/** Amounts of resources that are finer than a thousandth are the next thousandth; in each of these lists of `target`. */
export function roundUp(target: JsonObject, ...lists: readonly string[]): void {
  for (const list of lists) {
    const amounts = target[list];
    if (!isJsonObject(amounts)) continue;
    for (const name in amounts) {
      const amount = amounts[name];
      if (typeof amount !== 'string' || !FINE.test(amount)) continue;
      const rounded = roundedUp(amount);
      if (rounded !== undefined) amounts[name] = rounded;
    }
  }
}

/** Canonical quantities that can be finer than a thousandth. */
const FINE = /[nu]$|e-/;

function roundedUp(text: string): string | undefined {
  const quantity = tryParseQuantity(text);
  if (quantity === undefined) return undefined;
  const { nano, format } = quantity;
  const rest = nano % MILLI;
  if (rest === 0n) return undefined;
  // Away from zero, as upstream rounds.
  return formatQuantity({ nano: nano - rest + (nano > 0n ? MILLI : -MILLI), format });
}

const MILLI = 1_000_000n;
