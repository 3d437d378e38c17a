import type { JsonObject } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import type { AdmissionRequest } from './admission.ts';

/** What a program has made of the object, checked as what a client sends, takes its place. */
export function replace(
  { resource, subresource }: AdmissionRequest,
  object: KubeObject,
  made: JsonObject,
): void {
  const own = resource.declaration.subresources.find(({ name }) => name === subresource)?.kind;
  const decoded = own === undefined ? resource.type.decode(made).object : made;
  if (own === undefined) resource.type.applyDefaults(decoded);
  for (const key of Object.keys(object)) delete object[key];
  Object.assign(object, decoded);
}
