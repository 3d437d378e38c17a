/**
 * Objects in the store: reads from the cache, writes as compare-and-swap transactions. Knows keys, versions, claims
 * and deletion, and nothing of HTTP.
 */
import type { Random } from '../../../base/random.ts';
import { isPlatformError } from '../../../base/errors.ts';
import { pauseAfter, yieldToLoop } from '../../../base/yield-to-loop.ts';
import type { Compare, KeyValue, Op, TxnResult } from '../../store/store.ts';
import { encodeForStorage, encodeUnstored } from '../encoding/encoding.ts';
import { alreadyExists, conflict, MODIFIED, notFound, versionOfNew } from '../failure.ts';
import { isJsonObject, jsonEqual, type JsonValue } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import type { Claiming, Claims, Resource } from '../resource.ts';
import { keyOf } from '../resource-table.ts';
import { CachedObject } from '../cache/cached-object.ts';

const NO_CLAIMS: Claims = { compares: [], ops: [] };

/** Tries of one write against others on the same object before the client is told. */
const MAX_TRIES = 64;

/** So many are looked up in a turn of their own. */
const MANY_KEYS = 200;

export interface Ref {
  readonly namespace: string;
  readonly name: string;
}

export type Change =
  | { readonly type: 'put'; readonly object: KubeObject }
  /** `last` is how it is shown then, when that is not as it was. */
  | { readonly type: 'delete'; readonly last?: KubeObject }
  /** Leaves everything as it is. */
  | { readonly type: 'keep' };

export interface Changed {
  readonly type: Change['type'];
  /** The new state; of a delete the last one, with the delete's revision. */
  readonly object: CachedObject;
}

export type Outcome = Omit<TxnResult, 'previous'>;

/** What has been written, and nobody changes any more. */
export interface Written {
  readonly key: string;
  readonly revision: number;
  readonly object: KubeObject;
  readonly isNew: boolean;
}

/** Where a registry finds what there is, and writes to: `CachedStorage`, or a way to it from another thread. */
export interface Storage {
  /** Resolves once reads see everything that was acknowledged before the call; undefined when they do already. */
  fresh(): Promise<void> | undefined;
  current(prefix: string, key: string): CachedObject | undefined | Promise<CachedObject | undefined>;
  txn(compares: readonly Compare[], ops: readonly Op[]): Promise<Outcome>;
  /** Who changes an object changes it again before long, and others in this process read what is new: as it is here. */
  keep?(prefix: string, written: Written): void;
  /** A lease that runs out at least `seconds` from now. */
  lease(seconds: number): Promise<number>;
  /** The first of the keys of addresses or ports that nothing holds. */
  unclaimed(keys: readonly string[]): string | undefined | Promise<string | undefined>;
}

export class Registry {
  readonly #storage: Storage;
  readonly #random: Random;

  constructor(storage: Storage, random: Random) {
    this.#storage = storage;
    this.#random = random;
  }

  /** As `Storage` has it. */
  fresh(): Promise<void> | undefined {
    return this.#storage.fresh();
  }

  async find(resource: Resource, ref: Ref): Promise<CachedObject | undefined> {
    const late = this.fresh();
    if (late !== undefined) await late;
    return this.#storage.current(resource.prefix, keyOf(resource, ref.namespace, ref.name));
  }

  async get(resource: Resource, ref: Ref): Promise<CachedObject> {
    const found = await this.find(resource, ref);
    if (found === undefined) throw notFound(resource, ref.name);
    return found;
  }

  /** Stores a new object (in the stored version). With `dryRun` everything is checked and nothing written. */
  async create(resource: Resource, object: KubeObject, dryRun = false): Promise<CachedObject> {
    const { name = '', namespace = '' } = object.metadata;
    const key = keyOf(resource, namespace, name);
    const refused = new Set<string>();
    // Upstream's storage says so: not for a dry run, and of a version that is none nothing.
    if (!dryRun && /^0*[1-9]\d*$/.test(object.metadata.resourceVersion ?? '')) throw versionOfNew();
    await this.fresh();
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      // Another server may have made it meanwhile, claims and all: what they clash with is the object itself.
      const there = await this.#storage.current(resource.prefix, key);
      if (there !== undefined)
        throw alreadyExists(resource, name, there.peek().metadata.deletionTimestamp !== undefined);
      // Each try starts from what was asked for: an address that a lost try chose is not a wish of the client.
      const attempt = { ...object };
      const claims = await this.#claims(resource, [attempt, undefined], { refused, dryRun });
      if (dryRun) return new CachedObject(key, encodeUnstored(attempt), 0);
      const value = encodeForStorage(attempt);
      await pauseAfter(value.length);
      const compares = [{ key, modRevision: 0 }, ...claims.compares];
      const put = await this.#put(resource, key, value);
      const result = await this.#storage.txn(compares, [put, ...claims.ops]);
      const { succeeded, revision } = result;
      if (succeeded) {
        this.#storage.keep?.(resource.prefix, { key, revision, object: attempt, isNew: true });
        return new CachedObject(key, value, revision);
      }
      if (result.current[0] !== undefined) throw alreadyExists(resource, name);
      refuse(refused, compares, result.current);
    }
    throw conflict(resource, name, MODIFIED);
  }

  /**
   * Reads an object, asks `change` what is to become of it, and writes that; asks again with the newer state when
   * someone else was faster. `change` must leave the current object as it is; what it returns may share parts with it.
   * It may throw.
   */
  async modify(
    resource: Resource,
    ref: Ref,
    options: {
      readonly change: (current: KubeObject) => Change | Promise<Change>;
      readonly dryRun?: boolean;
    },
  ): Promise<Changed> {
    const key = keyOf(resource, ref.namespace, ref.name);
    const refused = new Set<string>();
    let current: CachedObject | undefined = await this.find(resource, ref);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (current === undefined) throw notFound(resource, ref.name);
      const found = current.peek();
      await pauseAfter(current.length);
      const change = await options.change(found);
      if (change.type === 'keep') return { type: 'keep', object: current };
      const object = change.type === 'put' ? change.object : undefined;
      const { dryRun = false } = options;
      const claims = await this.#claims(resource, [object, found], { refused, dryRun });
      const shown = change.type === 'put' ? change.object : change.last;
      const value = shown === undefined ? current.stored : encodeForStorage(shown);
      await pauseAfter(value.length);
      // Of equal objects the encoded forms are equally long, whatever the order: then it is worth to look.
      const mayBeSame = object !== undefined && value.length === current.length;
      if (mayBeSame && isUnchanged(object, found)) return { type: 'keep', object: current };
      if (dryRun) {
        return { type: change.type, object: new CachedObject(key, value, current.revision) };
      }
      const compares = [{ key, modRevision: current.revision }, ...claims.compares];
      const op: Op = object === undefined ? { type: 'delete', key } : await this.#put(resource, key, value);
      const result = await this.#storage.txn(compares, [op, ...claims.ops]);
      const { succeeded, revision } = result;
      if (succeeded) {
        if (object !== undefined)
          this.#storage.keep?.(resource.prefix, { key, revision, object, isNew: false });
        return { type: change.type, object: new CachedObject(key, value, revision) };
      }
      const newest = result.current[0];
      if (newest?.modRevision === current.revision) refuse(refused, compares, result.current);
      current = newest && new CachedObject(key, newest.value, newest.modRevision);
    }
    throw conflict(resource, ref.name, MODIFIED);
  }

  #claims(
    resource: Resource,
    [object, old]: readonly [KubeObject | undefined, KubeObject | undefined],
    { refused, dryRun }: { readonly refused: ReadonlySet<string>; readonly dryRun: boolean },
  ): Claims | Promise<Claims> {
    const random = (): number => this.#random.next();
    const claiming = resource.strategy.claims?.(object, old, { dryRun, random });
    return claiming === undefined ? NO_CLAIMS : this.#answered(claiming, refused);
  }

  async #answered(claiming: Claiming, refused: ReadonlySet<string>): Promise<Claims> {
    let step = claiming.next();
    while (step.done !== true) {
      if (step.value.length >= MANY_KEYS) await yieldToLoop();
      const keys = step.value.filter((key) => !refused.has(key));
      step = claiming.next(keys.length === 0 ? undefined : await this.#storage.unclaimed(keys));
    }
    return step.value;
  }

  #put(resource: Resource, key: string, value: Uint8Array): Op | Promise<Op> {
    const seconds = resource.strategy.leaseSeconds;
    if (seconds === undefined) return { type: 'put', key, value };
    return this.#storage.lease(seconds).then((lease) => ({ type: 'put', key, value, lease }));
  }
}

/** Remembers which claims lost, so that the next try picks others. */
function refuse(
  refused: Set<string>,
  compares: readonly Compare[],
  current: readonly (KeyValue | undefined)[],
): void {
  compares.forEach((compare, i) => {
    if (compare.modRevision === 0 && current[i] !== undefined) refused.add(compare.key);
  });
}

/** Nothing but the times at which managers have written: then nothing has been written. */
function isUnchanged(object: KubeObject, current: KubeObject): boolean {
  const { resourceVersion: _a, managedFields: owners, ...metadata } = object.metadata;
  const { resourceVersion: _b, managedFields: before, ...previous } = current.metadata;
  return (
    jsonEqual({ ...object, metadata }, { ...current, metadata: previous }) &&
    jsonEqual(withoutTimes(owners), withoutTimes(before))
  );
}

function withoutTimes(owners: JsonValue | undefined): JsonValue {
  if (!Array.isArray(owners)) return [];
  return owners.map((entry) => {
    if (!isJsonObject(entry)) return entry;
    const { time: _time, ...rest } = entry;
    return rest;
  });
}

/** True when a store has compacted the revision away that was asked for. */
export function isExpired(error: unknown): boolean {
  return isPlatformError(error, 'expired');
}
