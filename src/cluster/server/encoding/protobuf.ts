/**
 * Kubernetes' protobuf bodies (application/vnd.kubernetes.protobuf), read by the schema into the same JSON that a JSON
 * body would give. kubectl's typed commands (`create deployment`, `create configmap`, `auth can-i`) send nothing else.
 *
 * A body is the magic `k8s\0` and a runtime.Unknown: its type (apiVersion, kind) and the object's own bytes.
 * Sources: https://protobuf.dev/programming-guides/encoding/, k8s.io/apimachinery/pkg/runtime/generated.proto.
 */
import { errorMessage, type PlatformError } from '../../../base/errors.ts';
import { rfc3339, rfc3339Micro } from '../../../base/clock.ts';
import { refusedBody, unreadBody } from '../../api/decode.ts';
import { goUtf8 } from '../../api/go-utf8.ts';
import { setOwn, type JsonObject, type JsonValue } from '../../api/json.ts';
import type { FieldSchema, KindSchema, MessageSchema } from '../../api/schema.ts';

const MAGIC = Buffer.from('k8s\0');
const MAX_DEPTH = 100;
const CUT_OFF = 'unexpected EOF';

/**
 * Fields for which zero, false or '' means something else than absence: pointers in Go's types. The wire cannot tell
 * them from plain fields, which are always written, even when empty.
 */
const KEEPS_ZERO = new Set([
  'activeDeadlineSeconds',
  'allocateLoadBalancerNodePorts',
  'allowPrivilegeEscalation',
  'automountServiceAccountToken',
  'backoffLimit',
  'blockOwnerDeletion',
  'controller',
  'defaultMode',
  'deletionGracePeriodSeconds',
  'enableServiceLinks',
  'expirationSeconds',
  'fsGroup',
  'gracePeriodSeconds',
  'hostUsers',
  'immutable',
  'leaseDurationSeconds',
  'leaseTransitions',
  'mode',
  'optional',
  'orphanDependents',
  'priority',
  'privileged',
  'progressDeadlineSeconds',
  'readOnlyRootFilesystem',
  'ready',
  'replicas',
  'revisionHistoryLimit',
  'runAsGroup',
  'runAsNonRoot',
  'runAsUser',
  'serving',
  'setHostnameAsFQDN',
  'shareProcessNamespace',
  'started',
  'storageClassName',
  'suspend',
  'terminating',
  'terminationGracePeriodSeconds',
  'timeoutSeconds',
  'tolerationSeconds',
  'ttlSecondsAfterFinished',
]);

/** What the body says it is; its object is decoded with `decodeProtobuf`. */
export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Uint8Array;
}

const NO_ENVELOPE = 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]';

/** Of what should be an object of this kind. */
export function openEnvelope(body: Uint8Array, kind: string): Envelope {
  return explained(
    () => readEnvelope(body),
    (why) => unreadBody(kind, body, why),
  );
}

function readEnvelope(body: Uint8Array): Envelope {
  if (!Buffer.from(body.subarray(0, MAGIC.length)).equals(MAGIC)) throw malformed(NO_ENVELOPE);
  let apiVersion = '';
  let kind = '';
  let raw: Uint8Array = new Uint8Array(0);
  for (const { number, value } of wireFields(body.subarray(MAGIC.length))) {
    if (number === 2) raw = bytesOf(value);
    if (number !== 1) continue;
    for (const type of wireFields(bytesOf(value))) {
      if (type.number === 1) apiVersion = textOf(type.value);
      if (type.number === 2) kind = textOf(type.value);
    }
  }
  return { apiVersion, kind, raw };
}

/** The object of an envelope as JSON, with apiVersion and kind. Fields that the schema does not know are left out. */
export function decodeProtobuf(envelope: Envelope, kind: KindSchema): JsonObject {
  const object = explained(
    () => decodeMessage(envelope.raw, kind.message, 0),
    (why) => refusedBody(kind, why),
  );
  return { apiVersion: envelope.apiVersion, kind: envelope.kind, ...object };
}

type WireValue = bigint | Uint8Array;

interface WireField {
  readonly number: number;
  readonly value: WireValue;
}

function* wireFields(bytes: Uint8Array): Generator<WireField> {
  let at = 0;
  const varint = (): bigint => {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw malformed(CUT_OFF);
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    throw malformed('proto: integer overflow');
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw malformed(CUT_OFF);
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { number, value: varint() };
        break;
      case 1:
        yield { number, value: take(8) };
        break;
      case 2:
        yield { number, value: take(Number(varint())) };
        break;
      case 5:
        yield { number, value: take(4) };
        break;
      default:
        throw malformed(`proto: illegal wireType ${tag % 8}`);
    }
  }
}

/** Bytes that are no message, in the words of Go's decoder where it has any. */
class WireError extends Error {}

function malformed(why: string): WireError {
  return new WireError(why);
}

function explained<T>(read: () => T, refusal: (why: string) => PlatformError): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof WireError ? refusal(error.message) : error;
  }
}

function bytesOf(value: WireValue): Uint8Array {
  if (typeof value === 'bigint') throw malformed('a number stands where bytes belong');
  return value;
}

function textOf(value: WireValue): string {
  return goUtf8(bytesOf(value));
}

function signed(value: WireValue): number {
  if (typeof value !== 'bigint') throw malformed('bytes stand where a number belongs');
  return Number(BigInt.asIntN(64, value));
}

function decodeMessage(bytes: Uint8Array, schema: MessageSchema, depth: number): JsonObject {
  if (depth > MAX_DEPTH) throw malformed('it is nested too deeply');
  const result: JsonObject = {};
  for (const { number, value } of wireFields(bytes)) {
    const field = schema.wire.get(number);
    if (field === undefined) continue;
    if (field.inline) {
      Object.assign(result, decodeMessage(bytesOf(value), messageOf(field), depth + 1));
    } else if (field.kind === 'list') {
      const list = (result[field.name] ??= []) as JsonValue[];
      list.push(decodeValue(value, field, depth) ?? null);
    } else if (field.kind === 'map') {
      addEntry((result[field.name] ??= {}) as JsonObject, { bytes: bytesOf(value), field, depth });
    } else {
      const decoded = decodeValue(value, field, depth);
      if (decoded !== undefined && !isAbsent(decoded, field.name)) setOwn(result, field.name, decoded);
    }
  }
  return result;
}

function isAbsent(value: JsonValue, name: string): boolean {
  return (value === '' || value === 0 || value === false) && !KEEPS_ZERO.has(name);
}

function addEntry(map: JsonObject, entry: { bytes: Uint8Array; field: FieldSchema; depth: number }): void {
  let key = '';
  let value: JsonValue | undefined;
  for (const part of wireFields(entry.bytes)) {
    if (part.number === 1) key = textOf(part.value);
    if (part.number === 2) value = decodeValue(part.value, entry.field, entry.depth);
  }
  setOwn(map, key, value ?? (entry.field.type === 'message' ? {} : ''));
}

function messageOf(field: FieldSchema): MessageSchema {
  if (field.message === undefined) throw malformed(`field ${field.name} has no message`);
  return field.message;
}

/** Undefined for what means nothing: a zero time, an empty raw value. */
function decodeValue(value: WireValue, field: FieldSchema, depth: number): JsonValue | undefined {
  switch (field.type) {
    case 'string':
      return textOf(value);
    case 'boolean':
      return signed(value) !== 0;
    case 'int32':
    case 'int64':
      return signed(value);
    case 'double': {
      const bytes = bytesOf(value);
      return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(0, true);
    }
    case 'bytes':
      return Buffer.from(bytesOf(value)).toString('base64');
    case 'time':
    case 'microTime':
      return timeOf(bytesOf(value), field.type);
    case 'duration':
      return `${part(bytesOf(value), 1, signed) ?? 0}ns`;
    case 'quantity':
      return part(bytesOf(value), 1, textOf);
    case 'intOrString': {
      const bytes = bytesOf(value);
      return (part(bytes, 1, signed) ?? 0) === 0
        ? (part(bytes, 2, signed) ?? 0)
        : (part(bytes, 3, textOf) ?? '');
    }
    case 'strings':
      return [...wireFields(bytesOf(value))].map((item) => textOf(item.value));
    case 'message':
      return decodeMessage(bytesOf(value), messageOf(field), depth + 1);
    case 'schemaOrBool':
    case 'schemaOrArray':
    case 'schemaOrStrings':
      return schemaOr(bytesOf(value), field, depth + 1);
    default:
      // JSON in a wrapper: raw extensions, field sets, values of schemas.
      return rawOf(bytesOf(value));
  }
}

/** JSONSchemaPropsOrBool, OrArray and OrStringArray of apiextensions: one of two things, the schema first but for the bool. */
function schemaOr(bytes: Uint8Array, field: FieldSchema, depth: number): JsonValue {
  const many: JsonValue[] = [];
  let one: JsonValue | undefined;
  for (const { number, value } of wireFields(bytes)) {
    const isSchema = number === (field.type === 'schemaOrBool' ? 2 : 1);
    if (isSchema) one = decodeMessage(bytesOf(value), messageOf(field), depth);
    else if (field.type === 'schemaOrBool') one ??= signed(value) !== 0;
    else if (field.type === 'schemaOrStrings') many.push(textOf(value));
    else many.push(decodeMessage(bytesOf(value), messageOf(field), depth));
  }
  return one ?? many;
}

/** The value of one field of a small message. */
function part<T>(bytes: Uint8Array, number: number, read: (value: WireValue) => T): T | undefined {
  let found: T | undefined;
  for (const field of wireFields(bytes)) if (field.number === number) found = read(field.value);
  return found;
}

function timeOf(bytes: Uint8Array, type: 'time' | 'microTime'): string | undefined {
  const seconds = part(bytes, 1, signed);
  // Go's zero time, and what an absent time is written as.
  if (seconds === undefined || seconds <= -62_135_596_800) return undefined;
  const ms = seconds * 1000 + Math.floor((part(bytes, 2, signed) ?? 0) / 1e6);
  return type === 'time' ? rfc3339(ms) : rfc3339Micro(ms);
}

function rawOf(bytes: Uint8Array): JsonValue | undefined {
  const text = part(bytes, 1, textOf) ?? '';
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw malformed(`a raw value is not JSON: ${errorMessage(error)}`);
  }
}
