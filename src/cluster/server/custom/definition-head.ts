/**
 * What the server has to know of a definition at once, and what can wait: the schemas are nearly all of it, and of most
 * kinds nobody writes an object.
 */
import { objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import { endOfObject } from '../encoding/encoding.ts';
import type { KubeObject } from '../object.ts';

const heads = new WeakMap<CachedObject, KubeObject>();

/** A definition whose versions have empty schemas. Shared: never change it. */
export function definitionHead(stored: CachedObject): KubeObject {
  return heads.getOrInsertComputed(stored, () => JSON.parse(withoutSchemas(bytesOf(stored))) as KubeObject);
}

/** As it is written: read anew each time. */
export function versionSchema(stored: CachedObject, version: string): JsonObject {
  const versions = objectsAt(stored.decode(), 'spec', 'versions');
  return objectAt(
    versions.find((one) => stringAt(one, 'name') === version),
    'schema',
    'openAPIV3Schema',
  );
}

/** Within texts quotes are escaped: what looks like a key is one. */
const SCHEMA = Buffer.from('"openAPIV3Schema":{');
const RULES = Buffer.from('"x-kubernetes-validations":');

export function hasRules(stored: CachedObject): boolean {
  return bytesOf(stored).includes(RULES);
}

function bytesOf({ stored }: CachedObject): Buffer {
  return Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
}

function withoutSchemas(json: Buffer): string {
  const parts: string[] = [];
  let at = 0;
  for (let key = json.indexOf(SCHEMA); key !== -1; key = json.indexOf(SCHEMA, at)) {
    parts.push(json.toString('utf8', at, key + SCHEMA.length), '}');
    at = endOfObject(json, key + SCHEMA.length);
  }
  return parts.join('') + json.toString('utf8', at);
}
