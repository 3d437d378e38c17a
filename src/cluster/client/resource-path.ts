import { PlatformError } from '../../base/errors.ts';
import type { ObjectRef, ResourceType } from './contract.ts';

/** `/api/v1` for the core group, `/apis/<group>/<version>` for all others. */
export function groupPath(type: ResourceType): string {
  return type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
}

/** The collection's path; of all namespaces when `namespace` is absent. */
export function collectionPath(type: ResourceType, namespace?: string): string {
  const scope =
    type.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${groupPath(type)}${scope}/${type.resource}`;
}

/** One object's path, or that of a subresource of it. */
export function objectPath(type: ResourceType, ref: ObjectRef, subresource?: string): string {
  if (ref.name === '')
    throw new PlatformError('invalid', `${type.resource}: metadata.name: must not be empty`);
  if (type.namespaced && (ref.namespace === undefined || ref.namespace === '')) {
    throw new PlatformError(
      'invalid',
      `${type.resource} "${ref.name}": metadata.namespace: must not be empty`,
    );
  }
  const tail = subresource === undefined ? '' : `/${subresource}`;
  return `${collectionPath(type, ref.namespace)}/${encodeURIComponent(ref.name)}${tail}`;
}

/** `v1` for the core group, else `<group>/<version>`. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}
