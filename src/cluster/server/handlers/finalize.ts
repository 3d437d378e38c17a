import { fieldErrorsError } from '../../api/field-error.ts';
import { listAt, sharing, textOf } from '../../api/json.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { validateFinalizerName, validateStandardFinalizer } from '../../api/validate/metadata.ts';
import { authorOf } from '../writes/authorship.ts';
import type { ResourceContext } from '../context.ts';
import { negotiate } from '../encoding/negotiate.ts';
import type { KubeObject } from '../object.ts';
import { checkUnknown, decodeBody } from '../encoding/request-body.ts';
import { warningHeader } from '../encoding/respond.ts';
import { planUpdate } from '../writes/writing.ts';
import { showObject } from './read.ts';
import { checkAddress, modifyAs } from './write.ts';

/** Updates a namespace, its spec.finalizers too, which no other endpoint changes; with the last one gone, a deleted one goes. */
export async function finalizeNamespace(context: ResourceContext): Promise<ApiResponse> {
  const { resource, info, request } = context;
  negotiate(request.headers['accept'], { protobuf: true, table: false });
  const decoded = await decodeBody(request, resource.type);
  const warnings = checkUnknown(decoded.unknown, resource.type, info.query);
  const sent = decoded.object as KubeObject;
  checkAddress(context, sent);
  const finalizers = listAt(sent, 'spec', 'finalizers').map((item) => textOf(item));
  const errors = finalizers.flatMap((name, index) => {
    const at = `spec.finalizers[${index}]`;
    return [...validateFinalizerName(name, at), ...validateStandardFinalizer(name, at)];
  });
  if (errors.length > 0) throw fieldErrorsError(errors);
  const author = authorOf(context);
  const changed = await modifyAs(context, (old, gate) =>
    planUpdate(resource, sharing(sent, old), { old, endpoint: 'finalize', author, gate }),
  );
  const headers = warningHeader([...warnings, ...changed.admissionWarnings]);
  return showObject(context, changed.object, { headers });
}
