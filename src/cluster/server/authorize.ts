import type { UserInfo } from '../api/transport.ts';
import { forbidden, forbiddenPath } from './failure.ts';
import type { RequestInfo } from './request-info.ts';

export const ADMINS = 'system:masters';
export const ANONYMOUS: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** What anyone may read, known or not: enough to see that a server lives and which one it is. */
const OPEN = new Set(['/healthz', '/livez', '/readyz', '/version', '/version/']);

const COMPONENTS = new Set([
  'system:apiserver',
  'system:kube-controller-manager',
  'system:kube-scheduler',
  'system:kube-proxy',
]);

export function isTrusted(user: UserInfo): boolean {
  return user.groups.includes(ADMINS) || COMPONENTS.has(user.name) || user.name.startsWith('system:node:');
}

/** Administrators and our own components may do everything, anyone may ask for health; all else is refused. */
export function authorize(user: UserInfo, request: RequestInfo): void {
  if (isTrusted(user)) return;
  if (!request.isResource) {
    const open = OPEN.has(request.path) || /^\/(live|ready|health)z\//.test(request.path);
    if (open && request.verb === 'get') return;
    throw forbiddenPath(user.name, request.verb, request.path);
  }
  const { group, resource, subresource, namespace, name, verb } = request;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const why = `User "${user.name}" cannot ${verb} resource "${full}" in API group "${group}" ${where}`;
  throw forbidden({ group, resource }, name, why);
}
