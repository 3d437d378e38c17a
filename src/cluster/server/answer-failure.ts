/** What goes wrong with a request, as the Status that answers it. */
import { isPlatformError } from '../../base/errors.ts';
import { statusOf } from '../api/status.ts';
import type { ApiResponse } from '../api/transport.ts';
import type { RequestContext } from './context.ts';
import { metadataOf } from './encoding/request-body.ts';
import type { Resource } from './resource.ts';
import { statusResponse, warningHeader } from './encoding/respond.ts';

/** Not the client's fault: somebody has to hear of it. */
export function isBug(error: unknown): boolean {
  return !isPlatformError(error) || error.code === 'internal';
}

export async function failureAnswer(
  context: Pick<RequestContext, 'info' | 'request' | 'warnings'>,
  error: unknown,
  resource: Resource | undefined,
): Promise<ApiResponse> {
  const { info, request } = context;
  const about = {
    // Of a second view of another group's objects it is that group which complains.
    group: resource?.declaration.storage.group ?? info.group,
    resource: info.resource,
    kind: resource?.kind,
    name: await nameOf(context),
  };
  const response = statusResponse(statusOf(error, info.isResource ? about : {}), request.headers['accept']);
  // Upstream's router knows of no warnings.
  const isUnheard =
    isPlatformError(error) && error.details['bare'] === true && resource?.type.wire !== undefined;
  const warnings = isUnheard ? {} : warningHeader([...new Set(context.warnings)]);
  return { ...response, headers: { ...response.headers, ...warnings } };
}

/** The name that a Status is about: the path's, or on create the one in the body. */
async function nameOf({ info, request }: Pick<RequestContext, 'info' | 'request'>): Promise<string> {
  if (info.name !== '' || info.verb !== 'create' || request.body === undefined) return info.name;
  const { name, generateName } = await metadataOf(request);
  return name ?? generateName ?? '';
}
