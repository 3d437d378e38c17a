import type { Selector } from '../api/selector.ts';
import type { ApiObject } from '../client/contract.ts';
import { getControllerOf } from '../client/controller-ref.ts';

/** Index functions over who controls an object: by the owner's uid, and the objects of a namespace that have none. */
export const ownershipIndexes = {
  controller: (object: ApiObject): readonly string[] => {
    const uid = getControllerOf(object)?.uid;
    return uid === undefined ? [] : [uid];
  },
  orphans: (object: ApiObject): readonly string[] =>
    getControllerOf(object) === undefined ? [object.metadata?.namespace ?? ''] : [],
};

export interface Claims<T> {
  /** Already ours, and still selected. */
  readonly owned: readonly T[];
  /** Selected and nobody's. */
  readonly adopt: readonly T[];
  /** Ours, but no longer selected. */
  readonly release: readonly T[];
}

/** Whom an owner with this selector should manage. A terminating owner neither adopts nor releases. */
export function planClaims<T extends ApiObject>(
  owner: ApiObject,
  selector: Selector,
  candidates: readonly T[],
): Claims<T> {
  const owned: T[] = [];
  const adopt: T[] = [];
  const release: T[] = [];
  const leaving = owner.metadata?.deletionTimestamp !== undefined;
  for (const object of candidates) {
    const selected = selector.matches(object.metadata?.labels);
    const controller = getControllerOf(object);
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata?.uid) continue;
      if (selected) owned.push(object);
      else if (!leaving) release.push(object);
    } else if (selected && !leaving && object.metadata?.deletionTimestamp === undefined) {
      adopt.push(object);
    }
  }
  return { owned, adopt, release };
}
