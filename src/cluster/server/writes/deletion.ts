/** What a delete means: grace, finalizers, propagation. Decides only; the registry writes. */
import { rfc3339 } from '../../../base/clock.ts';
import { timeToMs } from '../../api/time.ts';
import { badRequest, conflict } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import type { Change } from './registry.ts';
import type { Resource } from '../resource.ts';

export type Propagation = 'Background' | 'Foreground' | 'Orphan';

export interface DeleteRequest {
  readonly gracePeriodSeconds?: number | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly propagationPolicy?: Propagation | undefined;
}

/** Held until the garbage collector has dealt with the dependents. */
const ORPHAN = 'orphan';
const FOREGROUND = 'foregroundDeletion';

export function parsePropagation(
  policy: string | undefined,
  orphan: boolean | undefined,
): Propagation | undefined {
  if (policy === undefined || policy === '')
    return orphan === undefined ? undefined : orphan ? 'Orphan' : 'Background';
  if (policy === 'Background' || policy === 'Foreground' || policy === 'Orphan') return policy;
  throw badRequest(`invalid deletion propagation policy: ${JSON.stringify(policy)}`);
}

export function checkPreconditions(resource: Resource, object: KubeObject, request: DeleteRequest): void {
  const { uid, resourceVersion } = request;
  const { name = '', uid: own = '', resourceVersion: current = '' } = object.metadata;
  const mismatch = (what: string, [wanted, found]: readonly [string, string], happened: string): Error => {
    // Upstream asks at another place there.
    if (resource.strategy.emptiedFirst === true) {
      const differ = `${what} in precondition: ${wanted}, ${what} in object meta: ${found}`;
      return conflict(resource, name, `Precondition failed: ${differ}`);
    }
    const why = `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${found})`;
    // Upstream names the kind where others name the resource.
    const on = { group: resource.group, resource: resource.kind };
    return conflict(on, name, `${why}. The object might have been ${happened}`);
  };
  if (uid !== undefined && uid !== own) throw mismatch('UID', [uid, own], 'deleted and then recreated');
  if (resourceVersion !== undefined && resourceVersion !== current)
    throw mismatch('ResourceVersion', [resourceVersion, current], 'modified');
}

/** Nothing holds this deleted object back any longer. */
export function mayVanish(resource: Resource, object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    deletionGracePeriodSeconds === 0 &&
    finalizers.length === 0 &&
    resource.strategy.isHeldBack?.(object) !== true
  );
}

/** What a delete does to `old`, which stays as it is. `now` in milliseconds since the epoch. */
export function planDelete(
  resource: Resource,
  old: KubeObject,
  options: { request: DeleteRequest; now: number },
): Change {
  const { request, now } = options;
  const { strategy } = resource;
  const metadata = { ...old.metadata };
  checkPreconditions(resource, old, request);
  strategy.checkDelete?.(old);
  const first = strategy.emptiedFirst === true ? planEmptying(resource, old, options) : undefined;
  if (first !== undefined) return first;
  const policy =
    request.propagationPolicy ?? (strategy.orphansDependents === true ? unsaid(metadata) : undefined);
  const finalizers = withPropagation(metadata.finalizers ?? [], policy);
  const before = metadata.deletionTimestamp;
  const pending = metadata.deletionGracePeriodSeconds ?? 0;
  const ends = endOf({ before, pending }, strategy.graceSeconds?.(old, request.gracePeriodSeconds) ?? 0, now);
  const { grace } = ends;
  const sameFinalizers = finalizers.join() === (metadata.finalizers ?? []).join();
  const isOver = grace === 0 && finalizers.length === 0 && strategy.isHeldBack?.(old) !== true;
  const isSooner = before === undefined || grace < pending;
  // What has no grace goes as it was.
  if (isOver && (!isSooner || strategy.graceSeconds === undefined)) return { type: 'delete' };
  // A second delete may only shorten the time that the first one gave.
  if (!isSooner && sameFinalizers) return { type: 'keep' };
  if (isSooner) {
    metadata.deletionTimestamp = rfc3339(ends.at);
    metadata.deletionGracePeriodSeconds = grace;
    if (before === undefined && metadata.generation !== undefined) metadata.generation += 1;
  }
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
  const object = { ...old, metadata };
  if (isOver) return { type: 'delete', last: object };
  strategy.markDeleted?.(object);
  return { type: 'put', object };
}

/** Until it may be deleted as anything else. */
function planEmptying(
  { strategy }: Resource,
  old: KubeObject,
  { request, now }: { readonly request: DeleteRequest; readonly now: number },
): Change | undefined {
  if (old.metadata.deletionTimestamp !== undefined)
    return strategy.isHeldBack?.(old) === true ? { type: 'keep' } : undefined;
  const finalizers = withPropagation(old.metadata.finalizers ?? [], request.propagationPolicy);
  const { finalizers: _before, ...metadata } = { ...old.metadata, deletionTimestamp: rfc3339(now) };
  const object = { ...old, metadata: finalizers.length === 0 ? metadata : { ...metadata, finalizers } };
  strategy.markDeleted?.(object);
  return { type: 'put', object };
}

/** The end of an object's grace, counted from the first delete; what should have ended is still given a second. */
function endOf(
  { before, pending }: { readonly before: string | undefined; readonly pending: number },
  grace: number,
  now: number,
): { readonly at: number; readonly grace: number } {
  const start = before === undefined ? now : (timeToMs(before) ?? now) - pending * 1000;
  const at = start + grace * 1000;
  return at < now ? { at: now, grace: Math.min(grace, 1) } : { at, grace };
}

/** An earlier choice holds. */
function unsaid({ finalizers = [] }: KubeObject['metadata']): Propagation | undefined {
  return finalizers.includes(ORPHAN) || finalizers.includes(FOREGROUND) ? undefined : 'Orphan';
}

function withPropagation(finalizers: readonly string[], policy: Propagation | undefined): string[] {
  if (policy === undefined) return [...finalizers];
  const others = finalizers.filter((one) => one !== ORPHAN && one !== FOREGROUND);
  if (policy === 'Orphan') return [...others, ORPHAN];
  if (policy === 'Foreground') return [...others, FOREGROUND];
  return others;
}
