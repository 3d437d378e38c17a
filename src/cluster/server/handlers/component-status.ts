/** The componentstatuses of old: nothing is stored, each answer asks the components how they are. */
import { errorMessage } from '../../../base/errors.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { ResourceContext } from '../context.ts';
import { CachedObject } from '../cache/cached-object.ts';
import { notFound } from '../failure.ts';
import type { HealthCheck } from '../health/health.ts';
import { listResponse } from '../encoding/list-body.ts';
import type { Resource } from '../resource.ts';
import { selectionOf } from '../cache/selection.ts';
import { toBytes } from '../encoding/view.ts';
import { showObject, viewOf } from './read.ts';

export async function componentStatus(context: ResourceContext): Promise<ApiResponse> {
  const { resource, info, server } = context;
  if (info.verb === 'list') {
    const selection = selectionOf({ resource, namespace: '', query: info.query });
    const all = await Promise.all(server.components.map((component) => statusOf(resource, component)));
    const objects = all.filter((object) => selection.matches(object));
    return await listResponse({
      resource,
      view: viewOf(context),
      objects,
      revision: 0,
      clock: server.clock,
    });
  }
  const component = server.components.find(({ name }) => name === info.name);
  if (component === undefined) throw notFound(resource, info.name);
  return showObject(context, await statusOf(resource, component));
}

async function statusOf(resource: Resource, component: HealthCheck): Promise<CachedObject> {
  const { name } = component;
  const object = {
    kind: 'ComponentStatus',
    apiVersion: 'v1',
    metadata: { name, creationTimestamp: null },
    conditions: [{ type: 'Healthy', ...(await healthOf(component)) }],
  };
  // It has no version, as nothing that was never written has one.
  return new CachedObject(`${resource.prefix}${name}`, toBytes(object), 0);
}

async function healthOf(component: HealthCheck): Promise<Readonly<Record<string, string>>> {
  try {
    await component.check();
    return { status: 'True', message: 'ok' };
  } catch (error) {
    return { status: 'False', message: errorMessage(error) };
  }
}
