/** Who a write is attributed to in metadata.managedFields. */
import { rfc3339, type Clock } from '../../base/clock.ts';
import { managerName, type ManagedWrite } from '../api/managed-fields/managed-fields.ts';
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
    resets: resetFields(resource, subresource),
    now: rfc3339(clock.now()),
  };
}

/** The status endpoint writes the status, the main one everything else: neither owns what it cannot write. */
function resetFields(resource: Resource, subresource: string): readonly (readonly string[])[] {
  if (subresource === 'status') {
    const fixed = (resource.strategy.fixedInStatus ?? []).map((field) => ['metadata', field]);
    const others = resource.type.fieldNames.filter((name) => name !== 'status' && name !== 'metadata');
    return [...others.map((name) => [name]), ...fixed];
  }
  return resource.declaration.hasStatus ? [['status']] : [];
}
