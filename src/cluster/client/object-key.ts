import type { ApiObject, ObjectRef } from './contract.ts';

/** `namespace/name`, or `name` for cluster-scoped objects: the key of caches and queues. */
export function objectKey(object: ApiObject): string {
  const { namespace, name } = object.metadata ?? {};
  return namespace === undefined || namespace === '' ? (name ?? '') : `${namespace}/${name ?? ''}`;
}

/** The object that a key names. */
export function refOf(key: string): ObjectRef {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
