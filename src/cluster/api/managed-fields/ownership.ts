/**
 * Who owns which fields, and what a write does to it: the rules of server-side apply
 * (https://kubernetes.io/docs/reference/using-api/server-side-apply/, KEP-555). Pure: objects in, objects and sets out.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { FieldSet } from './field-set.ts';
import { compare, merge, removePaths, toFieldSet, withNamedFields, type Comparison } from './typed-value.ts';
import type { ValueSchema } from './value-schema.ts';

export interface Owned {
  readonly fields: FieldSet;
  readonly apiVersion: string;
  /** By apply; false: by any other write. */
  readonly applied: boolean;
}

/** By the manager's identity (name, operation, subresource, version), as `managed-fields.ts` makes it. */
export type Owners<O extends Owned = Owned> = ReadonlyMap<string, O>;

export interface OwnershipChange {
  readonly object: JsonValue;
  readonly owners: Owners;
}

export interface Conflict {
  readonly manager: string;
  readonly fields: FieldSet;
}

export interface WriteContext {
  readonly schema: ValueSchema;
  readonly manager: string;
  readonly apiVersion: string;
  /** Nobody owns these: what the server sets, and what this endpoint does not write. */
  readonly ignored: FieldSet;
}

/** Any write but apply: what it changes becomes the writer's alone. Owners of whom nothing changes stay what they are. */
export function ownByUpdate(
  before: JsonObject,
  after: JsonObject,
  options: WriteContext & { readonly owners: Owners },
): { readonly owners: Owners; readonly changed: boolean } {
  const { manager, apiVersion } = options;
  const change = compare(before, after, options);
  const owners = disowned(options.owners, change, manager);
  const mine = owners.get(manager);
  const fields = (mine?.fields ?? FieldSet.empty).union(change.touched);
  if (fields !== mine?.fields && !fields.isEmpty) owners.set(manager, { fields, apiVersion, applied: false });
  return { owners, changed: !change.touched.isEmpty };
}

export type ApplyResult = OwnershipChange | { readonly conflicts: readonly Conflict[] };

/**
 * Apply: the configuration is laid over the live object, what the manager has owned and does not name any more goes
 * unless somebody else owns it, and changing what somebody else owns is a conflict unless forced.
 */
export function ownByApply(
  live: JsonObject,
  configuration: JsonObject,
  options: WriteContext & { readonly owners: Owners; readonly force: boolean },
): ApplyResult {
  const { schema, manager, apiVersion, ignored, force } = options;
  const last = options.owners.get(manager)?.fields;
  const fields = toFieldSet(configuration, schema).withoutTrees(ignored);
  const owners = new Map(options.owners);
  owners.delete(manager);
  if (!fields.isEmpty) owners.set(manager, { fields, apiVersion, applied: true });
  const merged = merge(live, configuration, schema);
  const object = last === undefined || last.isEmpty ? merged : pruned(merged, { last, owners, schema });
  const change = compare(live, object as JsonObject, options);
  if (!force) {
    const conflicts = conflictsOf(owners, change, manager);
    if (conflicts.length > 0) return { conflicts };
  }
  return { object, owners: disowned(owners, change, manager) };
}

/** Takes away what only the manager's last apply had set. */
function pruned(
  merged: JsonValue,
  { last, owners, schema }: { last: FieldSet; owners: Owners; schema: ValueSchema },
): JsonValue {
  const named = (set: FieldSet): FieldSet => withNamedFields(set, schema);
  const all = toFieldSet(merged, schema);
  let result = removePaths(merged, schema, named(last));
  // What was below a removed part and belongs to somebody (the applier's new set included) comes back.
  let owned = FieldSet.empty;
  for (const { fields } of owners.values()) owned = owned.union(fields);
  let left = toFieldSet(result, schema);
  result = removePaths(merged, schema, named(all).difference(named(left).union(named(owned))));
  // And what was below it and belongs to nobody was not the applier's to remove.
  left = toFieldSet(result, schema);
  return removePaths(merged, schema, all.difference(left).intersection(last));
}

function conflictsOf(owners: Owners, change: Comparison, manager: string): Conflict[] {
  return [...owners].flatMap(([other, { fields }]) => {
    const both = other === manager ? FieldSet.empty : fields.intersection(change.touched);
    return both.isEmpty ? [] : [{ manager: other, fields: both }];
  });
}

/** Nobody but the writer owns what was changed, nobody at all what is gone. */
function disowned(owners: Owners, { touched, removed }: Comparison, manager: string): Map<string, Owned> {
  const result = new Map<string, Owned>();
  for (const [other, owned] of owners) {
    let fields = owned.fields.difference(removed);
    if (other !== manager) fields = fields.difference(touched);
    if (!fields.isEmpty) result.set(other, fields === owned.fields ? owned : { ...owned, fields });
  }
  return result;
}
