/** Owner references with `controller: true` (https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/). */
import type { OwnerReference } from '../api/generated/meta-v1.ts';
import type { ApiObject, ResourceType } from './contract.ts';
import { apiVersionOf } from './resource-path.ts';

/** The one owner that manages this object, if any. */
export function getControllerOf(object: ApiObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((reference) => reference.controller === true);
}

/** The reference with which `owner` marks what it manages. */
export function newControllerRef(type: ResourceType, owner: ApiObject): OwnerReference {
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    name: owner.metadata?.name,
    uid: owner.metadata?.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
