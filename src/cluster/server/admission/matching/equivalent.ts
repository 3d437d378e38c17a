/** A request's objects in another version of the same resource. */
import type { KubeObject } from '../../object.ts';
import { shownAs, storedAs, type Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';

/** `object` of the request as `to` shows it; the same object when that is what was asked for. */
export async function inVersion(
  { resource }: AdmissionRequest,
  object: KubeObject,
  to: Resource,
): Promise<KubeObject> {
  return await between(resource, object, to);
}

/** Back into the request's version. */
export async function outOfVersion(
  { resource }: AdmissionRequest,
  object: KubeObject,
  from: Resource,
): Promise<KubeObject> {
  return await between(from, object, resource);
}

async function between(from: Resource, object: KubeObject, to: Resource): Promise<KubeObject> {
  if (from === to || (from.version === to.version && from.group === to.group)) return object;
  return await shownAs(to, await storedAs(from, object));
}
