import type { UserInfo } from '../../api/transport.ts';
import { ABSTAIN, type Authorizer } from './authorizer.ts';

export const ADMINS = 'system:masters';
export const ANONYMOUS: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

export const isAdministrator = ({ groups }: UserInfo): boolean => groups.includes(ADMINS);

/** Members of system:masters may do everything, also when no role says so any more. */
export const administrators: Authorizer = {
  decide: ({ user }) => (isAdministrator(user) ? { answer: 'allow' } : ABSTAIN),
};
