/** Which objects are wide: not those of many bytes, but those of many values. */

import type { CachedObject } from '../cached-object.ts';
import type { ShownAs } from './protocol.ts';

/** How a list or a watch shows its wide objects. */
export interface WideViews {
  takes(object: CachedObject): boolean;
  /** The bytes that the view would have made. */
  show(object: CachedObject, as: ShownAs): Promise<Uint8Array>;
}

/** The shortest member that is worth its while: a key, a value and what stands around them. */
const MEMBER_BYTES = 8;

const COMMA = ','.charCodeAt(0);
const NEWLINE = '\n'.charCodeAt(0);
const PROTOBUF_MAGIC = Buffer.from('k8s\0');

/** Whether an object of these bytes, JSON or YAML, may have so many values. Of protobuf only the length is known. */
export function isWide(bytes: Uint8Array, values: number): boolean {
  if (bytes.length < values * MEMBER_BYTES) return false;
  if (PROTOBUF_MAGIC.equals(bytes.subarray(0, PROTOBUF_MAGIC.length))) return true;
  return hasMany(bytes, COMMA, values) || hasMany(bytes, NEWLINE, values);
}

export function isWideObject(object: CachedObject, values: number): boolean {
  return object.length >= values * MEMBER_BYTES && isWide(object.stored, values);
}

function hasMany(bytes: Uint8Array, mark: number, wanted: number): boolean {
  let at = -1;
  for (let seen = 0; seen < wanted; seen++) {
    at = bytes.indexOf(mark, at + 1);
    if (at < 0) return false;
  }
  return true;
}
