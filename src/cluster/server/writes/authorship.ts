/** Who a write is attributed to in metadata.managedFields. */
import { rfc3339, type Clock } from '../../../base/clock.ts';
import type { FieldSet } from '../../api/managed-fields/field-set.ts';
import { managerName, unownedWith, type ManagedWrite } from '../../api/managed-fields/managed-fields.ts';
import type { ResourceContext } from '../context.ts';
import type { FieldPath, Resource } from '../resource.ts';

export function authorOf(context: ResourceContext): ManagedWrite {
  const { resource, info, request, server } = context;
  const manager = managerName(info.query.get('fieldManager'), request.headers['user-agent']);
  return authored(resource, { manager, subresource: info.subresource, clock: server.clock });
}

export function authored(
  resource: Resource,
  { manager, subresource, clock }: { manager: string; subresource: string; clock: Clock },
): ManagedWrite {
  return {
    schema: resource.type.ownership,
    apiVersion: resource.apiVersion,
    manager,
    subresource,
    ignored: unownedAt(resource, subresource),
    now: rfc3339(clock.now()),
  };
}

const unownedOf = new WeakMap<Resource, Map<string, FieldSet>>();

/** Nobody owns what an endpoint does not write; each is asked about once. */
function unownedAt(resource: Resource, subresource: string): FieldSet {
  let known = unownedOf.get(resource);
  if (known === undefined) unownedOf.set(resource, (known = new Map()));
  let unowned = known.get(subresource);
  if (unowned === undefined) {
    const paths = resource.strategy.unowned?.[subresource] ?? unwrittenAt(resource, subresource);
    known.set(subresource, (unowned = unownedWith(paths)));
  }
  return unowned;
}

/** The status endpoint writes the status, the main one everything else. */
function unwrittenAt(resource: Resource, subresource: string): readonly FieldPath[] {
  if (subresource === 'status') return notInStatus(resource);
  return resource.declaration.hasStatus ? [['status']] : [];
}

function notInStatus({ strategy, type }: Resource): readonly FieldPath[] {
  const fixed = (strategy.fixedInStatus ?? []).map((field) => ['metadata', field]);
  const others = type.fieldNames.filter((name) => name !== 'status' && name !== 'metadata');
  return [...others.map((name) => [name]), ...fixed];
}
