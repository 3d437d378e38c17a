/** What plugins ask the server for: other objects, as the watch cache has them. */
import type { PlatformError } from '../../../base/errors.ts';
import type { ServerParts } from '../context.ts';
import { forbidden, type StatusCause } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import type { Resource } from '../resource.ts';
import { keyOf } from '../resource-table.ts';
import { objectOf } from '../encoding/view.ts';
import type { AdmissionRequest } from './admission.ts';

const NONE: readonly KubeObject[] = [];

/** Group, version, resource. */
export type Path = readonly [group: string, version: string, resource: string];

/**
 * The objects of a resource, of one namespace when one is given; none when it is not served. Everything that was
 * acknowledged before the request began is among them: the write path has waited for that. Shared: never change them.
 */
export function listOf(
  server: ServerParts,
  [group, version, name]: Path,
  namespace = '',
): readonly KubeObject[] {
  const resource = server.resources.find(group, version, name);
  if (resource === undefined || resource.declaration.virtual) return NONE;
  const cache = server.cache.resource(resource.prefix);
  // Of most that plugins ask for there is nothing.
  if (cache.size === 0) return NONE;
  const prefix = namespace === '' ? resource.prefix : `${resource.prefix}${namespace}/`;
  return cache.list(prefix).map((cached) => objectOf(resource, cached));
}

export function objectNamed(
  server: ServerParts,
  path: Path,
  { namespace = '', name }: { readonly namespace?: string; readonly name: string },
): KubeObject | undefined {
  const resource = server.resources.find(...path);
  return resource === undefined ? undefined : cachedObject(server, resource, { namespace, name });
}

export function cachedObject(
  server: ServerParts,
  resource: Resource,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): KubeObject | undefined {
  const cached = server.cache.resource(resource.prefix).get(keyOf(resource, namespace, name));
  return cached === undefined ? undefined : objectOf(resource, cached);
}

/** True for the main endpoint of this resource. */
export function isFor(
  { resource, subresource }: AdmissionRequest,
  group: string,
  ...names: readonly string[]
): boolean {
  return subresource === '' && resource.group === group && names.includes(resource.resource);
}

/** The refusal as upstream words it: `pods "web" is forbidden: …`. */
export function refused(
  request: AdmissionRequest,
  why: string,
  causes?: readonly StatusCause[],
): PlatformError {
  return forbidden(request.resource, nameIn(request), why, causes);
}

/** The object's name, or what one is going to be made up from. */
export function nameIn({ name, generateName = '' }: AdmissionRequest): string {
  return name === '' ? generateName : name;
}

/** Several complaints as one text: one as it is, more in brackets. */
export function aggregate(texts: readonly string[]): string {
  const all = [...new Set(texts)];
  return all.length === 1 ? (all[0] ?? '') : `[${all.join(', ')}]`;
}
