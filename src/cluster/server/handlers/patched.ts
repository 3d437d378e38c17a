/** What a patch makes of an object. */
import { assert } from '../../../base/errors.ts';
import { MAX_COMPLAINTS, type Decoded } from '../../api/decode.ts';
import { byName, inGoOrder, sortedMembers } from '../../api/go-order.ts';
import {
  getOwn,
  isJsonObject,
  objectAt,
  sharing,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../../api/json.ts';
import type { ObjectType } from '../../api/object-type.ts';
import { jsonPatch, mergePatch } from '../../api/patch.ts';
import type { PatchFormat } from '../encoding/negotiate.ts';
import type { KubeObject } from '../object.ts';
import { checkResult, checkUnknown, fieldValidationOf, nameKind } from '../encoding/request-body.ts';
import { patchFailure, undecodable, type PatchSubject } from './patch-failure.ts';

export interface Patch {
  readonly format: Exclude<PatchFormat, 'apply'>;
  readonly value: JsonValue;
  /** What strict decoding refuses about the patch itself. */
  readonly complaints: readonly string[];
}

/** `old` with the patch applied, decoded by the schema and with its defaults. What has not changed is shared with `old`. */
export function patchedObject(
  old: KubeObject,
  options: {
    readonly patch: Patch;
    readonly kind: ObjectType;
    readonly query: URLSearchParams;
    /** Reads what is of another version of the kind. */
    readonly asOther?: (made: JsonValue) => Decoded | undefined;
  },
): { object: KubeObject; warnings: readonly string[] } {
  const { patch, kind, query } = options;
  const result = apply(old, patch, kind);
  const isStrategic = patch.format === 'strategic';
  const subject: PatchSubject = isStrategic
    ? { strategic: true, patch: patch.value }
    : { strategic: false, result: () => inOrder(old, patch, kind) };
  let decoded: Decoded;
  let object: KubeObject;
  try {
    const isOther = !subject.strategic && stringAt(result, 'apiVersion') !== old['apiVersion'];
    const other = isOther ? options.asOther?.(subject.result()) : undefined;
    decoded = other ?? kind.decode(result, { prior: old });
    const made = other === undefined ? decoded.object : sharing(decoded.object, old);
    object = { ...made, metadata: { ...objectAt(made, 'metadata') } } as KubeObject;
    if (!isStrategic && other === undefined) checkResult(result, decoded, kind);
    nameKind(object, kind);
  } catch (error) {
    throw undecodable(error, subject);
  }
  const complaints = isStrategic ? decoded.unknown.toSorted() : decoded.unknown;
  const unknown = [...patch.complaints, ...complaints].slice(0, MAX_COMPLAINTS);
  if (unknown.length > 0 && fieldValidationOf(query) === 'Strict') {
    throw patchFailure(subject, `strict decoding error: ${unknown.join(', ')}`);
  }
  const warnings = checkUnknown(unknown, kind, query);
  kind.applyDefaults(object, old);
  return { object, warnings };
}

/** What the patch leaves alone is the same in the result and in the document. */
function apply(document: JsonObject, { format, value }: Patch, kind: ObjectType): JsonValue {
  if (format === 'json') return sharing(operated(document, value, kind), document);
  if (format === 'merge') return mergePatch(document, value);
  assert(kind.strategicMerge !== undefined, `${kind.kind} says how its lists are merged`);
  return kind.strategicMerge(document, value as JsonObject);
}

function operated(document: JsonObject, operations: JsonValue, kind: ObjectType): JsonValue {
  try {
    return jsonPatch(document, operations);
  } catch (error) {
    if (kind.wire === undefined) throw error;
    // It may mean what nobody has set, and upstream writes.
    return jsonPatch(documentOf(document, kind), operations);
  }
}

/**
 * The result in the order that upstream's has: what the patch has looked into is a map by then, whose members are written by
 * name; all else is as it was read.
 */
function inOrder(old: JsonObject, { format, value }: Patch, kind: ObjectType): JsonValue {
  const document = documentOf(old, kind);
  return format === 'merge'
    ? mergedInOrder(mergePatch(document, value), document, value)
    : operatedInOrder(jsonPatch(document, value), value);
}

/** The object as it is read for a patch. */
function documentOf(object: JsonObject, { wire }: ObjectType): JsonObject {
  return wire === undefined ? (sortedMembers(object) as JsonObject) : inGoOrder(object, wire.message);
}

/** `made` of the document by a merge patch. */
function mergedInOrder(made: JsonValue, document: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return isJsonObject(document) ? made : sortedMembers(made);
  if (!isJsonObject(document) || !isJsonObject(made)) return sortedMembers(made);
  return byName(made, (item, name) => {
    const change = getOwn(patch, name);
    return change === undefined ? item : mergedInOrder(item, getOwn(document, name), change);
  });
}

/** `made` by the operations of a JSON patch. */
function operatedInOrder(made: JsonValue, operations: JsonValue): JsonValue {
  const lookedInto = new Set<string>();
  for (const operation of Array.isArray(operations) ? operations : [])
    for (const pointer of isJsonObject(operation) ? [operation['path'], operation['from']] : [])
      if (typeof pointer === 'string')
        for (let end = pointer.lastIndexOf('/'); end >= 0; end = pointer.lastIndexOf('/', end - 1)) {
          lookedInto.add(pointer.slice(0, end));
          if (end === 0) break;
        }
  return ordered(made, '', lookedInto);
}

function ordered(value: JsonValue, at: string, lookedInto: ReadonlySet<string>): JsonValue {
  if (!lookedInto.has(at)) return value;
  const each = (item: JsonValue, name: string | number): JsonValue =>
    ordered(item, `${at}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`, lookedInto);
  if (Array.isArray(value)) return value.map(each);
  return isJsonObject(value) ? byName(value, each) : value;
}
