/** The three kinds of patch, for the fake API: RFC 7386, RFC 6902, and strategic merge by the usual list keys. */
import { PlatformError } from '../../../base/errors.ts';

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7386. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isJsonObject(patch)) return patch;
  const result: JsonObject = isJsonObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** Fields whose lists merge by key in the types of kinds.ts (`+patchMergeKey` in the published definitions). */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  volumes: 'name',
  conditions: 'type',
  addresses: 'type',
  ownerReferences: 'uid',
  taints: 'key',
  volumeMounts: 'mountPath',
};

/** Strategic merge: lists named above merge by their key, `finalizers` as a set, other lists are replaced. */
export function strategicPatch(target: Json | undefined, patch: Json, field = ''): Json {
  if (Array.isArray(patch)) return strategicList(Array.isArray(target) ? target : [], patch, field);
  if (!isJsonObject(patch)) return patch;
  if (patch['$patch'] === 'replace') return without(patch, '$patch');
  const result: JsonObject = isJsonObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    const fromList = /^\$deleteFromPrimitiveList\/(.+)$/.exec(key)?.[1];
    if (fromList !== undefined) {
      const present = result[fromList];
      const gone = Array.isArray(value) ? value : [];
      if (Array.isArray(present)) result[fromList] = present.filter((item) => !gone.includes(item));
    } else if (key.startsWith('$')) continue;
    else if (value === null) delete result[key];
    else result[key] = strategicPatch(result[key], value, key);
  }
  return result;
}

function strategicList(target: readonly Json[], patch: readonly Json[], field: string): Json[] {
  if (field === 'finalizers') return [...new Set([...target, ...patch])];
  const mergeKey = MERGE_KEYS[field] ?? (field === 'ports' ? portKey(patch) : undefined);
  if (mergeKey === undefined) return [...patch];
  const result = [...target];
  for (const item of patch) {
    if (!isJsonObject(item)) continue;
    const at = result.findIndex((old) => isJsonObject(old) && old[mergeKey] === item[mergeKey]);
    if (item['$patch'] === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = strategicPatch(result[at], item);
    else result.push(strategicPatch({}, item));
  }
  return result;
}

/** A container's ports merge by `containerPort`, a service's by `port`. */
function portKey(ports: readonly Json[]): string {
  return ports.some((port) => isJsonObject(port) && 'containerPort' in port) ? 'containerPort' : 'port';
}

function without(object: JsonObject, key: string): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
}

/** RFC 6902: add, remove, replace, test, copy, move. */
export function jsonPatch(target: Json, operations: Json): Json {
  if (!Array.isArray(operations)) throw new PlatformError('invalid', 'json patch: want a list');
  const root: JsonObject = { root: structuredClone(target) };
  for (const operation of operations) {
    if (!isJsonObject(operation)) throw new PlatformError('invalid', 'json patch: want objects');
    const path = pointer(operation['path']);
    switch (operation['op']) {
      case 'test':
        if (JSON.stringify(read(root, path)) !== JSON.stringify(operation['value'])) {
          throw new PlatformError(
            'invalid',
            `json patch: test of ${JSON.stringify(operation['path'])} failed`,
          );
        }
        break;
      case 'add':
        write(root, path, operation['value'] ?? null, true);
        break;
      case 'replace':
        read(root, path);
        write(root, path, operation['value'] ?? null, false);
        break;
      case 'remove':
        remove(root, path);
        break;
      case 'copy':
      case 'move': {
        const from = pointer(operation['from']);
        const value = structuredClone(read(root, from));
        if (operation['op'] === 'move') remove(root, from);
        write(root, path, value, true);
        break;
      }
      default:
        throw new PlatformError('invalid', `json patch: unknown op ${JSON.stringify(operation['op'])}`);
    }
  }
  return root['root'] ?? null;
}

function pointer(text: Json | undefined): string[] {
  const parts = typeof text === 'string' ? text.split('/').slice(1) : [];
  return ['root', ...parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))];
}

function parentOf(root: JsonObject, path: readonly string[]): Json {
  return path.length === 1 ? root : read(root, path.slice(0, -1));
}

function read(root: JsonObject, path: readonly string[]): Json {
  let value: Json | undefined = root;
  for (const part of path) {
    value = Array.isArray(value) ? value[Number(part)] : isJsonObject(value) ? value[part] : undefined;
    if (value === undefined) throw missing(path);
  }
  return value;
}

function write(root: JsonObject, path: readonly string[], value: Json, insert: boolean): void {
  const parent = parentOf(root, path);
  const last = path.at(-1) ?? '';
  if (Array.isArray(parent)) {
    const at = last === '-' ? parent.length : Number(last);
    parent.splice(at, insert ? 0 : 1, value);
  } else if (isJsonObject(parent)) parent[last] = value;
  else throw missing(path);
}

function remove(root: JsonObject, path: readonly string[]): void {
  const parent = parentOf(root, path);
  const last = path.at(-1) ?? '';
  read(root, path);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else if (isJsonObject(parent)) delete parent[last];
}

function missing(path: readonly string[]): PlatformError {
  return new PlatformError('invalid', `json patch: path /${path.slice(1).join('/')} does not exist`);
}
