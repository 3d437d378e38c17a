import type { OwnerReference } from '../api/generated/meta-v1.ts';
import type { ApiObject, DeleteOptions, ResourceType } from '../client/contract.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

/** What an owner reference points to. */
export type OwnerState =
  /** There, and not waiting for its dependents. */
  | 'solid'
  /** Being deleted, and held until its dependents are gone. */
  | 'waiting'
  /** Gone, or replaced by a namesake. */
  | 'absent'
  /** Of a kind that nobody here watches, or out of reach by scope: never acted upon. */
  | 'unknown';

export type DependentPlan =
  | { readonly action: 'keep' }
  /** Some owners stay: only the references to the others go. */
  | { readonly action: 'release'; readonly ownerReferences: readonly OwnerReference[] }
  | {
      readonly action: 'delete';
      readonly propagation: NonNullable<DeleteOptions['propagationPolicy']>;
    };

export interface DependentInput {
  readonly object: ApiObject;
  /** One for each owner reference, in order. */
  readonly owners: readonly OwnerState[];
  /** It owns objects itself. */
  readonly hasDependents: boolean;
}

/** What becomes of an object whose owners are in these states. */
export function planDependent({ object, owners, hasDependents }: DependentInput): DependentPlan {
  const references = object.metadata?.ownerReferences ?? [];
  const stays = (state: OwnerState): boolean => state === 'solid' || state === 'unknown';
  if (references.length === 0 || owners.every(stays)) return { action: 'keep' };
  if (owners.some(stays)) {
    return { action: 'release', ownerReferences: references.filter((_, i) => stays(owners[i]!)) };
  }
  // An owner that waits for this object waits for what depends on it as well.
  if (owners.includes('waiting') && hasDependents) return { action: 'delete', propagation: 'Foreground' };
  // What its user asked for, should they have marked it beforehand.
  if (hasFinalizer(object, ORPHAN)) return { action: 'delete', propagation: 'Orphan' };
  if (hasFinalizer(object, FOREGROUND)) return { action: 'delete', propagation: 'Foreground' };
  return { action: 'delete', propagation: 'Background' };
}

export function hasFinalizer(object: ApiObject, finalizer: string): boolean {
  return object.metadata?.finalizers?.includes(finalizer) ?? false;
}

export function isLeaving(object: ApiObject): boolean {
  return object.metadata?.deletionTimestamp !== undefined;
}

/** Being deleted, and held until its dependents are. */
export function waitsForDependents(object: ApiObject): boolean {
  return isLeaving(object) && hasFinalizer(object, FOREGROUND);
}

/** True when this object's owner may not go before it. */
export function blocks(object: ApiObject, ownerUid: string): boolean {
  return (object.metadata?.ownerReferences ?? []).some(
    (reference) => reference.uid === ownerUid && reference.blockOwnerDeletion === true,
  );
}

export function ownerUids(object: ApiObject): readonly string[] {
  const references = object.metadata?.ownerReferences;
  if (references === undefined) return [];
  return [...new Set(references.map((reference) => reference.uid ?? ''))];
}

/** The collector's work in an object changed: its owners, or whether and how it is being deleted. */
export function isRelevantChange(object: ApiObject, previous: ApiObject): boolean {
  const before = previous.metadata?.ownerReferences ?? [];
  const after = object.metadata?.ownerReferences ?? [];
  const sameOwners =
    before.length === after.length &&
    after.every(
      (reference, i) =>
        reference.uid === before[i]!.uid && reference.blockOwnerDeletion === before[i]!.blockOwnerDeletion,
    );
  if (!sameOwners || isLeaving(object) !== isLeaving(previous)) return true;
  return [FOREGROUND, ORPHAN].some(
    (finalizer) => hasFinalizer(object, finalizer) !== hasFinalizer(previous, finalizer),
  );
}

/** The kind that a reference's apiVersion and kind name, whatever the version. */
export function kindOfReference<K extends { readonly type: ResourceType }>(
  kinds: Iterable<K>,
  reference: OwnerReference,
): K | undefined {
  const { apiVersion = '', kind: name } = reference;
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  for (const kind of kinds) if (kind.type.kind === name && kind.type.group === group) return kind;
  return undefined;
}
