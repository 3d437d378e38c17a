import { fieldErrorsError } from '../../api/field-error.ts';
import { listAt, textOf } from '../../api/json.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { validateFinalizerName, validateStandardFinalizer } from '../../api/validate/metadata.ts';
import type { ResourceContext } from '../context.ts';
import { mayVanish } from '../deletion.ts';
import { conflict, MODIFIED } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import { checkUnknown, decodeBody } from '../request-body.ts';
import { showObject } from './read.ts';
import { checkAddress } from './write.ts';

/** Sets a namespace's spec.finalizers; with the last one gone, a deleted namespace goes too. */
export async function finalizeNamespace(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info, request } = context;
  const decoded = await decodeBody(request, resource.type);
  checkUnknown(decoded.unknown, resource.type, info.query);
  const sent = decoded.object as KubeObject;
  checkAddress(context, sent);
  const finalizers = listAt(sent, 'spec', 'finalizers').map((item) => textOf(item));
  const errors = finalizers.flatMap((name, index) => {
    const at = `spec.finalizers[${index}]`;
    return [...validateFinalizerName(name, at), ...validateStandardFinalizer(name, at)];
  });
  if (errors.length > 0) throw fieldErrorsError(errors);
  const changed = await server.registry.modify(resource, info, {
    change: (old) => {
      const version = sent.metadata?.resourceVersion ?? '';
      if (version !== '' && version !== old.metadata.resourceVersion)
        throw conflict(resource, info.name, MODIFIED);
      const { finalizers: _before, ...spec } = old.spec ?? {};
      const object = { ...old, spec: { ...spec, ...(finalizers.length > 0 && { finalizers }) } };
      return mayVanish(resource, object) ? { type: 'delete', last: object } : { type: 'put', object };
    },
  });
  return showObject(context, changed.object);
}
