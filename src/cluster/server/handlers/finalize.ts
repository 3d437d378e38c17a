import type { ApiResponse } from '../../api/transport.ts';
import type { ResourceContext } from '../context.ts';
import { mayVanish } from '../deletion.ts';
import { conflict, MODIFIED } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import { checkUnknown, decodeBody } from '../request-body.ts';
import { showObject } from './read.ts';

/** Sets a namespace's spec.finalizers; with the last one gone, a deleted namespace goes too. */
export async function finalizeNamespace(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info, request } = context;
  const decoded = await decodeBody(request, resource.type);
  checkUnknown(decoded.unknown, resource.type, info.query);
  const sent = decoded.object as KubeObject;
  const changed = await server.registry.modify(resource, info, {
    change: (object) => {
      const version = sent.metadata?.resourceVersion ?? '';
      if (version !== '' && version !== object.metadata.resourceVersion)
        throw conflict(resource, info.name, MODIFIED);
      object.spec = { ...object.spec, finalizers: sent.spec?.['finalizers'] ?? [] };
      return mayVanish(resource, object) ? { type: 'delete' } : { type: 'put', object };
    },
  });
  return showObject(context, changed.object);
}
