import { isPlatformError } from '../../base/errors.ts';
import type { ApiObject, Client, ResourceType } from '../client/contract.ts';
import type { Claims } from './ownership.ts';
import { newControllerRef } from '../client/controller-ref.ts';

export interface ClaimOptions<O extends ApiObject, T extends ApiObject> {
  readonly client: Client;
  readonly ownerType: ResourceType<O>;
  readonly owner: O;
  readonly type: ResourceType<T>;
  readonly claims: Claims<T>;
}

/** Writes the claims down: returns what the owner manages afterwards. */
export async function settleClaims<O extends ApiObject, T extends ApiObject>(
  options: ClaimOptions<O, T>,
): Promise<readonly T[]> {
  const { client, ownerType, owner, type, claims } = options;
  const managed = [...claims.owned];
  if (claims.adopt.length > 0) {
    // The cache may show an owner that is gone or replaced by a namesake: only the API knows.
    const fresh = await client.get(ownerType, refOf(owner));
    if (fresh.metadata?.uid === owner.metadata?.uid && fresh.metadata?.deletionTimestamp === undefined) {
      for (const object of claims.adopt) {
        const ownerReferences = [
          ...(object.metadata?.ownerReferences ?? []),
          newControllerRef(ownerType, owner),
        ];
        managed.push(...(await rewrite(client, type, object, ownerReferences)));
      }
    }
  }
  for (const object of claims.release) {
    const ownerReferences = (object.metadata?.ownerReferences ?? []).filter(
      (reference) => reference.uid !== owner.metadata?.uid,
    );
    await rewrite(client, type, object, ownerReferences);
  }
  return managed;
}

/** A merge patch that holds only for this very object: uid and resourceVersion are checked by the server. */
async function rewrite<T extends ApiObject>(
  client: Client,
  type: ResourceType<T>,
  object: T,
  ownerReferences: readonly object[],
): Promise<readonly T[]> {
  const { uid, resourceVersion } = object.metadata ?? {};
  const references = ownerReferences.length === 0 ? null : ownerReferences;
  try {
    const body = { metadata: { uid, resourceVersion, ownerReferences: references } };
    return [await client.patch(type, refOf(object), { type: 'merge', body })];
  } catch (error) {
    if (isPlatformError(error, 'not-found')) return [];
    throw error;
  }
}

export function refOf(object: ApiObject): { readonly name: string; readonly namespace?: string } {
  const { name = '', namespace } = object.metadata ?? {};
  return namespace === undefined ? { name } : { name, namespace };
}
