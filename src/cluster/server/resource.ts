/** What the server knows of a resource: its declaration (names, verbs, columns) and its strategy (what writing means). */
import type { Compare, Op } from '../store/store.ts';
import type { ObjectType } from '../api/object-type.ts';
import type { ResourceDeclaration } from '../api/resource-declaration.ts';
import type { UserInfo } from '../api/transport.ts';
import type { GroupResource } from './failure.ts';
import type { Json, KubeObject } from './object.ts';
import type { CachedEvent } from './cache/cached-event.ts';
import type { CachedObject } from './cache/cached-object.ts';
import type { Answered } from './webhooks/json-exchange.ts';

export interface Resource extends GroupResource {
  readonly declaration: ResourceDeclaration;
  readonly version: string;
  readonly kind: string;
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  readonly namespaced: boolean;
  readonly type: ObjectType;
  /** `/registry/pods/`. */
  readonly prefix: string;
  readonly strategy: Strategy;
  /** Set when objects are stored in another group's version. */
  readonly conversion?: Conversion;
}

/** Between this version and the stored one; both directions make new objects. */
export interface Conversion {
  fromStorage(object: KubeObject): KubeObject;
  toStorage(object: KubeObject): KubeObject;
  /** Set where another program converts: the two above only take what it has converted already. */
  readonly program?: ConvertingProgram;
}

/** Objects that are many or wide are bytes on the way to the program and from it, which nobody here reads. */
export interface ConvertingProgram {
  /** `example.com/v2`: the version that objects are stored in. */
  readonly stored: string;
  /** Stored objects as if they were stored in this version, in the same order; what is in it already stays as it is. */
  shown(objects: readonly CachedObject[]): Promise<readonly CachedObject[]>;
  /** The same of what has happened to objects. */
  shownEvents(events: readonly CachedEvent[]): Promise<readonly CachedEvent[]>;
  fromStorage(object: KubeObject): Promise<KubeObject>;
  toStorage(object: KubeObject): Promise<KubeObject>;
  /** JSON of the objects in its answer to a review, as they are stored. */
  read(review: Uint8Array, answer: Answered): Promise<readonly Uint8Array[]>;
}

/** One object as the resource shows it. */
export async function shownAs({ conversion }: Resource, stored: KubeObject): Promise<KubeObject> {
  if (conversion === undefined) return stored;
  return await (conversion.program ?? conversion).fromStorage(stored);
}

/** One of the resource's objects as it is stored. */
export async function storedAs({ conversion }: Resource, shown: KubeObject): Promise<KubeObject> {
  if (conversion === undefined) return shown;
  return await (conversion.program ?? conversion).toStorage(shown);
}

/** What must hold and be written in the same transaction as the object: allocated addresses and ports. */
export interface Claims {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
}

/**
 * The way to them: yields keys below a cached prefix, and is told which of those is the first that neither exists nor has
 * been refused in an earlier try of this write; undefined when there is none.
 */
export type Claiming<T = Claims> = Generator<readonly string[], T, string | undefined>;

export interface ClaimContext {
  /** Nothing will be written. */
  readonly dryRun: boolean;
  /** A number in [0, 1). */
  random(): number;
}

/** The metadata that users write. */
export const USERS_METADATA: readonly string[] = ['annotations', 'finalizers', 'labels', 'ownerReferences'];

/** Who asks for a write, and how. */
export interface Asked {
  /** Absent for the server itself. */
  readonly user?: UserInfo | undefined;
  readonly dryRun: boolean;
  /** At the endpoint that writes what others leave alone. */
  readonly finalizes?: boolean;
}

export interface Window {
  readonly endpoint: 'status' | 'approval';
  /** RFC 3339. */
  readonly now: string;
}

/** The fields that lead there, outermost first. */
export type FieldPath = readonly string[];

export interface Strategy {
  /** A PUT has to say which state it changes. */
  readonly conditional?: boolean;
  /** A PUT makes what is not there. */
  readonly createdByUpdate?: boolean;
  /** Many are made that differ in nothing but their names. */
  readonly isReplicated?: boolean;
  /** Objects vanish this long after their last write. */
  readonly leaseSeconds?: number;
  /** After defaulting, before validation. Returns what the answer says beside the object. */
  prepareForCreate?(object: KubeObject, asked: Asked): readonly string[] | void;
  prepareForUpdate?(object: KubeObject, old: KubeObject, asked: Asked): void;
  /** What of `object`'s spec an endpoint takes over that writes a part of it; the rest is the old one's. */
  specAt?(endpoint: 'ephemeralcontainers' | 'resize', object: KubeObject, old: KubeObject): Json;
  /** The same for what only writes the status. */
  prepareForStatus?(object: KubeObject, old: KubeObject, window: Window): void;
  /** Fills in allocated fields of `object`. `old` is absent on create, `object` on delete. */
  claims?(object: KubeObject | undefined, old: KubeObject | undefined, context: ClaimContext): Claiming;
  /** Fields of USERS_METADATA that the status endpoint does not write. */
  readonly fixedInStatus?: readonly string[];
  /** By subresource, `''` for none, where it is not what is usual: what is sent there and belongs to nobody. */
  readonly unowned?: Readonly<Record<string, readonly FieldPath[]>>;
  /** What happens to dependents when nobody says: kinds older than garbage collection leave them. */
  readonly orphansDependents?: boolean;
  /** Told to who deletes without saying. */
  readonly orphaningWarning?: string;
  /** Seconds between a delete and the removal; 0 (the default) removes at once. */
  graceSeconds?(object: KubeObject, requested: number | undefined): number;
  /** Throws when an object may not be deleted at all. */
  checkDelete?(object: KubeObject): void;
  /** Something other than metadata.finalizers holds a deleted object back. */
  isHeldBack?(object: KubeObject): boolean;
  /** The first delete marks it, and until what it holds is gone there is no other. */
  readonly emptiedFirst?: boolean;
  /** Marks an object whose deletion has begun. */
  markDeleted?(object: KubeObject): void;
}
