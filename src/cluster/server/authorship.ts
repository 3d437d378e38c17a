/** Who a write is attributed to in metadata.managedFields. */
import { rfc3339, type Clock } from '../../base/clock.ts';
import type { FieldSet } from '../api/managed-fields/field-set.ts';
import { managerName, unownedWith, type ManagedWrite } from '../api/managed-fields/managed-fields.ts';
import type { ResourceContext } from './context.ts';
import type { Resource } from './resource.ts';

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
    ignored: unownedAt(resource, subresource === 'status'),
    now: rfc3339(clock.now()),
  };
}

const unownedOf = new WeakMap<Resource, { main?: FieldSet; status?: FieldSet }>();

/** The status endpoint writes the status, the main one everything else: neither owns what it cannot write. */
function unownedAt(resource: Resource, isStatus: boolean): FieldSet {
  let known = unownedOf.get(resource);
  if (known === undefined) unownedOf.set(resource, (known = {}));
  return isStatus
    ? (known.status ??= unownedWith(notInStatus(resource)))
    : (known.main ??= unownedWith(resource.declaration.hasStatus ? [['status']] : []));
}

function notInStatus({ strategy, type }: Resource): readonly (readonly string[])[] {
  const fixed = (strategy.fixedInStatus ?? []).map((field) => ['metadata', field]);
  const others = type.fieldNames.filter((name) => name !== 'status' && name !== 'metadata');
  return [...others.map((name) => [name]), ...fixed];
}
