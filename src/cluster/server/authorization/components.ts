import type { UserInfo } from '../../api/transport.ts';
import { ABSTAIN, type Attributes, type Authorizer } from './authorizer.ts';

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

/** Administrators and our own components may do everything, anyone may ask for health. */
export const componentsAuthorizer: Authorizer = {
  decide({ user, verb, path }: Attributes) {
    if (isTrusted(user)) return { answer: 'allow' };
    if (path === undefined || verb !== 'get') return ABSTAIN;
    const open = OPEN.has(path) || /^\/(live|ready|health)z\//.test(path);
    return open ? { answer: 'allow' } : ABSTAIN;
  },
};

function isTrusted(user: UserInfo): boolean {
  return user.groups.includes(ADMINS) || COMPONENTS.has(user.name) || user.name.startsWith('system:node:');
}
