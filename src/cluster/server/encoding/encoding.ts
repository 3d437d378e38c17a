/**
 * The storage encoding (design §3.9): JSON whose head is always `{"kind":K,"apiVersion":V,"metadata":{`, without
 * resourceVersion. The version of an object is its key's modRevision, spliced in behind that head on the way out,
 * so that answering never parses or re-encodes an object.
 */
import { isCommon, jsonAround, metadataJson } from '../../api/common-parts.ts';
import type { JsonValue } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';

const METADATA = Buffer.from(',"metadata":{');
const OPEN = '{'.charCodeAt(0);
const CLOSE = '}'.charCodeAt(0);
const [OPEN_LIST, CLOSE_LIST] = ['['.charCodeAt(0), ']'.charCodeAt(0)];
const [COLON, COMMA] = [':'.charCodeAt(0), ','.charCodeAt(0)];
const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = '\\'.charCodeAt(0);

/** Bytes to store. Metadata must have at least one field besides resourceVersion (it always has a name). */
export function encodeForStorage(object: KubeObject): Uint8Array {
  const { kind, apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _version, ...stored } = metadata;
  if (!isCommon(object.spec)) return lasting(JSON.stringify({ kind, apiVersion, metadata: stored, ...rest }));
  const head = JSON.stringify({ kind, apiVersion }).slice(0, -1);
  return lasting(`${head},"metadata":${metadataJson(stored)},${jsonAround(rest).slice(1)}`);
}

/** What `decodeStored` gives of an object that has been written at this revision; shares its parts. */
export function asDecoded(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

/** As `encodeForStorage`, of what a dry run of a creation shows: upstream leaves the version in it that was sent. */
export function encodeUnstored({ kind, apiVersion, metadata, ...rest }: KubeObject): Uint8Array {
  return Buffer.from(JSON.stringify({ kind, apiVersion, metadata, ...rest }));
}

const POOL_BYTES = 64 * 1024;
let pool = Buffer.allocUnsafeSlow(POOL_BYTES);
let used = 0;

/**
 * Not from Buffer's pool: what is stored stays for a while in the store's window of changes, and would keep whole blocks
 * of short-lived neighbours with it. Here all neighbours are alike.
 */
function lasting(text: string): Buffer {
  const length = Buffer.byteLength(text);
  if (length > POOL_BYTES / 4) {
    const own = Buffer.allocUnsafeSlow(length);
    own.write(text);
    return own;
  }
  if (used + length > POOL_BYTES) {
    pool = Buffer.allocUnsafeSlow(POOL_BYTES);
    used = 0;
  }
  const bytes = pool.subarray(used, used + length);
  used += bytes.write(text);
  return bytes;
}

/** Where the bytes of a stored object are, and its version. */
export interface StoredPlace {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  readonly revision: number;
}

/** How an object is written: with its kind and version, or without, as an item of a list. */
export type Written = 'whole' | 'item';

/**
 * Length of what `spliceInto` writes. Revision 0 is that of an object which was never written (dry run): it has no
 * resourceVersion.
 */
export function splicedLength(place: StoredPlace, written: Written): number {
  const { start, end, revision } = place;
  const version = revision === 0 ? 0 : 21 + String(revision).length;
  const left = written === 'item' ? place.buffer.indexOf(METADATA, start) - start : 0;
  return end - start + version - left;
}

/** Writes the stored bytes with `resourceVersion` as metadata's first field; returns where they end. */
export function spliceInto(target: Buffer, at: number, place: StoredPlace, written: Written): number {
  const { buffer, start, end, revision } = place;
  const metadata = buffer.indexOf(METADATA, start);
  const head = metadata + METADATA.length;
  const from = written === 'item' ? metadata : start;
  buffer.copy(target, at, from, head);
  // In place of the comma behind what is left out.
  target[at] = OPEN;
  let to = at + head - from;
  if (revision > 0) to += target.write(`"resourceVersion":"${revision}",`, to, 'latin1');
  buffer.copy(target, to, head, end);
  return to + end - head;
}

/** The object's metadata as a PartialObjectMetadata of this version of its API: cut out, as all else may be long. */
export function encodeMetadata({ buffer, start, revision }: StoredPlace, apiVersion: string): Buffer {
  const from = buffer.indexOf(METADATA, start) + METADATA.length;
  const version = revision === 0 ? '' : `"resourceVersion":"${revision}",`;
  const head = `{"kind":"PartialObjectMetadata","apiVersion":"${apiVersion}","metadata":{${version}`;
  const end = endOfObject(buffer, from);
  const target = Buffer.allocUnsafe(head.length + end - from + 1);
  target[target.length - 1] = CLOSE;
  buffer.copy(target, target.write(head, 'latin1'), from, end);
  return target;
}

/** Behind the brace that closes the object in whose braces `at` is. */
export function endOfObject(json: Buffer, at: number): number {
  let depth = 1;
  for (; depth > 0; at++) {
    const byte = json[at];
    if (byte === QUOTE) at = endOfString(json, at);
    else if (byte === OPEN) depth++;
    else if (byte === CLOSE) depth--;
  }
  return at;
}

/**
 * Kind, version and metadata in stored bytes, without the owners of fields: they may be as long as the object, and nobody
 * selects by them.
 */
export function decodeHead({ buffer, start }: StoredPlace): KubeObject {
  const members: string[] = [];
  const from = buffer.indexOf(METADATA, start) + METADATA.length;
  let at = from;
  while (buffer[at] !== CLOSE) {
    const colon = buffer.indexOf(COLON, at);
    const end = endOfValue(buffer, colon + 1);
    const isOwners = buffer.toString('latin1', at + 1, colon - 1) === 'managedFields';
    if (!isOwners) members.push(buffer.toString('utf8', at, end));
    at = buffer[end] === COMMA ? end + 1 : end;
  }
  return JSON.parse(`${buffer.toString('latin1', start, from)}${members.join(',')}}}`) as KubeObject;
}

/** What is at a path in stored bytes, read by itself; undefined where there is nothing. */
export function decodeAt({ buffer, start }: StoredPlace, path: readonly string[]): JsonValue | undefined {
  let at = start;
  for (const name of path) {
    const found = buffer[at] === OPEN ? memberAt(buffer, at + 1, name) : undefined;
    if (found === undefined) return undefined;
    at = found;
  }
  return JSON.parse(buffer.toString('utf8', at, endOfValue(buffer, at))) as JsonValue;
}

/** Where the value of a member begins, in the object behind whose brace `at` is. Names of fields need no escapes. */
function memberAt(json: Buffer, at: number, name: string): number | undefined {
  while (json[at] !== CLOSE) {
    const end = endOfString(json, at);
    const value = end + 2;
    if (end - at - 1 === name.length && json.toString('utf8', at + 1, end) === name) return value;
    const next = endOfValue(json, value);
    at = json[next] === COMMA ? next + 1 : next;
  }
  return undefined;
}

/** Behind the value of a member that begins here. */
function endOfValue(json: Buffer, at: number): number {
  for (let depth = 0; ; at++) {
    const byte = json[at];
    if (byte === QUOTE) at = endOfString(json, at);
    else if (byte === OPEN || byte === OPEN_LIST) depth++;
    else if (depth === 0 && (byte === COMMA || byte === CLOSE)) return at;
    else if (byte === CLOSE || byte === CLOSE_LIST) depth--;
  }
}

/** The quote at the end of the string that begins here. */
function endOfString(json: Buffer, at: number): number {
  for (at++; json[at] !== QUOTE; at++) if (json[at] === BACKSLASH) at++;
  return at;
}

/** The object that stored bytes hold, with its version. */
export function decodeStored({ buffer, start, end, revision }: StoredPlace): KubeObject {
  const object = JSON.parse(buffer.toString('utf8', start, end)) as KubeObject;
  if (revision > 0) object.metadata.resourceVersion = String(revision);
  return object;
}

export interface ListHead {
  readonly kind: string;
  readonly apiVersion: string;
  readonly revision: number;
  readonly continueToken?: string | undefined;
  readonly remaining?: number | undefined;
}

export function listMetadata(head: ListHead): Record<string, unknown> {
  const metadata: Record<string, unknown> = { resourceVersion: String(head.revision) };
  if (head.continueToken !== undefined) metadata['continue'] = head.continueToken;
  if (head.remaining !== undefined) metadata['remainingItemCount'] = head.remaining;
  return metadata;
}

/** What stands before the first item, and after the last. */
export function listFrame(head: ListHead): { readonly open: Buffer; readonly close: Buffer } {
  const { kind, apiVersion } = head;
  const text = JSON.stringify({ kind, apiVersion, metadata: listMetadata(head) });
  return { open: Buffer.from(`${text.slice(0, -1)},"items":[`), close: Buffer.from(']}\n') };
}

/** What stands before and after the object in a frame of a JSON watch stream. */
export function frameAround(type: string): { readonly open: string; readonly close: string } {
  return { open: `{"type":"${type}","object":`, close: '}\n' };
}

/** One frame of a JSON watch stream. */
export function encodeFrame(type: string, object: Uint8Array): Uint8Array {
  const { open, close } = frameAround(type);
  return Buffer.concat([Buffer.from(open), object, Buffer.from(close)]);
}
