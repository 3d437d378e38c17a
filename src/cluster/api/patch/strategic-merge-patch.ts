/**
 * Strategic merge patch: a merge patch that knows from the schema which lists are merged by a key instead of replaced
 * (https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/), with its directives
 * `$patch`, `$retainKeys`, `$setElementOrder/<list>` and `$deleteFromPrimitiveList/<list>`.
 */
import { append } from '../../../base/append.ts';
import { PlatformError } from '../../../base/errors.ts';
import { goText } from '../go-text.ts';
import {
  getOwn,
  isJsonObject,
  jsonCopy,
  jsonEqual,
  setOwn,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import type { FieldSchema, KindSchema, MessageSchema } from '../schema.ts';

const PATCH = '$patch';
const RETAIN_KEYS = '$retainKeys';
const ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';

/** Throws `invalid` for directives that make no sense and list items without their merge key. */
export function strategicMergePatch(document: JsonObject, patch: JsonObject, kind: KindSchema): JsonObject {
  return mergeObject(document, patch, kind.message);
}

function mergeObject(document: JsonObject, patch: JsonObject, schema: MessageSchema | undefined): JsonObject {
  const directive = patch[PATCH];
  if (directive === 'delete') return {};
  if (directive === 'replace') return clean(patch);
  if (directive !== undefined && directive !== 'merge') {
    throw told(`unknown patch type: ${goText(directive)} in map: ${goText(patch)}`);
  }
  const result: JsonObject = retained(document, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (key === PATCH || key === RETAIN_KEYS || key.startsWith(ORDER) || value === undefined) continue;
    if (key.startsWith(DELETE_PRIMITIVES)) {
      removePrimitives(result, key.slice(DELETE_PRIMITIVES.length), value);
    } else if (value === null) delete result[key];
    else setOwn(result, key, mergeField(result, { key, value, patch }, schema?.fields.get(key)));
  }
  // An order may come for a list that the patch does not otherwise touch.
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(ORDER)) continue;
    const name = key.slice(ORDER.length);
    const list = getOwn(result, name);
    if (!Array.isArray(list) || !Array.isArray(order)) continue;
    const original = getOwn(document, name);
    const mergeKey = schema?.fields.get(name)?.patchMergeKey;
    const sent = getOwn(patch, name);
    if (Array.isArray(sent)) checkOrder(sent, order, mergeKey);
    setOwn(
      result,
      name,
      ordered(list, order, { original: Array.isArray(original) ? original : [], mergeKey }),
    );
  }
  return result;
}

/** What the patch lists must come in the order that it asks for. */
function checkOrder(
  sent: readonly JsonValue[],
  order: readonly JsonValue[],
  mergeKey: string | undefined,
): void {
  if (sent.length === 0 || order.length === 0) return;
  const isDeletion = (item: JsonValue): boolean => isJsonObject(item) && item[PATCH] === 'delete';
  const listed = mergeKey === undefined ? sent : sent.filter((item) => !isDeletion(item));
  const keyOf = (item: JsonValue): JsonValue | undefined =>
    mergeKey === undefined || !isJsonObject(item) ? item : getOwn(item, mergeKey);
  let at = 0;
  for (const wanted of order) {
    const key = keyOf(wanted);
    if (key === undefined) throw keyless(wanted, mergeKey);
    if (at < listed.length && jsonEqual(keyOf(listed[at]!), key)) at++;
  }
  if (at === listed.length) return;
  throw told(
    `The order in patch list:\n${goText([...sent])}\n doesn't match $setElementOrder list:\n${goText([...order])}\n`,
  );
}

function keyless(item: JsonValue, mergeKey = ''): PlatformError {
  return told(`map: ${goText(item)} does not contain declared merge key: ${mergeKey}`);
}

/** A copy of the document's own level, without what `$retainKeys` does not name. */
function retained(document: JsonObject, patch: JsonObject): JsonObject {
  const keys = patch[RETAIN_KEYS];
  if (keys === undefined) return { ...document };
  if (!Array.isArray(keys)) throw invalidPatch(`${RETAIN_KEYS} must be a list`);
  for (const [key, value] of Object.entries(patch)) {
    if (
      key !== RETAIN_KEYS &&
      key !== PATCH &&
      value !== null &&
      !keys.includes(key) &&
      !key.startsWith('$')
    ) {
      throw invalidPatch('invalid patch format of retainKeys');
    }
  }
  return Object.fromEntries(Object.entries(document).filter(([key]) => keys.includes(key)));
}

interface Change {
  readonly key: string;
  readonly value: JsonValue;
  /** The object that holds the change, with its directives. */
  readonly patch: JsonObject;
}

function mergeField(document: JsonObject, change: Change, field: FieldSchema | undefined): JsonValue {
  const { key, value } = change;
  const present = getOwn(document, key);
  const merges = field?.patchStrategy.includes('merge') ?? false;
  if (Array.isArray(value)) {
    if (!merges || field === undefined) return clean(value);
    const list = Array.isArray(present) ? present : [];
    const merged = field.type === 'message' ? mergeList(list, value, field) : mergePrimitives(list, value);
    // Without a directive the patch's own order counts, so that what is new in it comes first.
    return ordered(merged, value, { original: list, mergeKey: field.patchMergeKey });
  }
  if (!isJsonObject(value)) return value;
  if (field?.patchStrategy.includes('replace')) return clean(value);
  const target = isJsonObject(present) ? present : {};
  return mergeObject(target, value, field?.kind === 'single' ? field.message : undefined);
}

function mergePrimitives(list: readonly JsonValue[], patch: readonly JsonValue[]): JsonValue[] {
  return [...list, ...patch.filter((item, index) => !list.includes(item) && patch.indexOf(item) === index)];
}

function removePrimitives(target: JsonObject, name: string, values: JsonValue): void {
  const list = getOwn(target, name);
  if (!Array.isArray(values)) throw invalidPatch(`${DELETE_PRIMITIVES}${name} must be a list`);
  if (Array.isArray(list)) {
    setOwn(
      target,
      name,
      list.filter((item) => !values.some((value) => jsonEqual(value, item))),
    );
  }
}

function mergeList(list: readonly JsonValue[], patch: readonly JsonValue[], field: FieldSchema): JsonValue[] {
  const mergeKey = field.patchMergeKey;
  if (mergeKey === undefined) return clean([...patch]);
  if (patch.some((item) => isJsonObject(item) && item[PATCH] === 'replace')) {
    return clean(patch.filter((item) => !(isJsonObject(item) && item[PATCH] === 'replace')));
  }
  let result = [...list];
  for (const item of patch) {
    if (!isJsonObject(item)) throw invalidPatch(`items of ${JSON.stringify(field.name)} must be objects`);
    const key = getOwn(item, mergeKey);
    if (key === undefined || key === null) {
      // A directive that is none is seen before.
      const directive = item[PATCH];
      throw keyless(directive === undefined ? item : clean(item), mergeKey);
    }
    const same = (other: JsonValue): boolean =>
      isJsonObject(other) && jsonEqual(getOwn(other, mergeKey), key);
    if (item[PATCH] === 'delete') {
      result = result.filter((other) => !same(other));
      continue;
    }
    const at = result.findIndex(same);
    const present = result[at];
    if (isJsonObject(present)) result[at] = mergeObject(present, item, field.message);
    else result.push(mergeObject({}, item, field.message));
  }
  return result;
}

/**
 * Brings a merged list into the order that the patch asks for. Items that the patch's author did not know stay where they
 * were, relative to those that were in the list before.
 */
function ordered(
  list: readonly JsonValue[],
  order: readonly JsonValue[],
  how: { readonly original: readonly JsonValue[]; readonly mergeKey: string | undefined },
): JsonValue[] {
  const keyOf = (item: JsonValue): string =>
    JSON.stringify(
      how.mergeKey !== undefined && isJsonObject(item) ? (getOwn(item, how.mergeKey) ?? null) : item,
    );
  const rank = new Map(order.map((item, index) => [keyOf(item), index]));
  const before = new Map(how.original.map((item, index) => [keyOf(item), index]));
  const wanted = list
    .filter((item) => rank.has(keyOf(item)))
    .toSorted((a, b) => (rank.get(keyOf(a)) ?? 0) - (rank.get(keyOf(b)) ?? 0));
  const others = list.filter((item) => !rank.has(keyOf(item)));
  const result: JsonValue[] = [];
  while (wanted.length > 0 || others.length > 0) {
    const [next] = wanted;
    const [other] = others;
    if (next === undefined) append(result, others.splice(0));
    else if (other === undefined) append(result, wanted.splice(0));
    else {
      const position = before.get(keyOf(next));
      const otherPosition = before.get(keyOf(other)) ?? Number.POSITIVE_INFINITY;
      const first = position === undefined || position < otherPosition ? wanted : others;
      append(result, first.splice(0, 1));
    }
  }
  return result;
}

/** A copy without directives and nulls, for what is taken over as a whole. */
function clean<T extends JsonValue>(value: T): T;
function clean(value: JsonValue): JsonValue {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !(isJsonObject(item) && item[PATCH] === 'delete'))
      .map((item) => clean(item));
  }
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    const directive =
      key === PATCH || key === RETAIN_KEYS || key.startsWith(ORDER) || key.startsWith(DELETE_PRIMITIVES);
    if (!directive && item !== null && item !== undefined) setOwn(result, key, clean(jsonCopy(item)));
  }
  return result;
}

function invalidPatch(message: string): PlatformError {
  return new PlatformError('invalid', message, { details: { reason: 'BadRequest' } });
}

/** What upstream's library says passes for its server's own failure: 500, without a reason. */
function told(message: string): PlatformError {
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code: 500 };
  return new PlatformError('invalid', message, { details: { status } });
}
