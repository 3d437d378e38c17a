/** Which node a user is: kubelets are `system:node:<name>` in the group `system:nodes`. */
import type { UserInfo } from '../../../api/transport.ts';

const PREFIX = 'system:node:';
export const NODES = 'system:nodes';

/** The node's name, empty when the user says none; undefined for who is no node. */
export function nodeOf({ name, groups }: UserInfo): string | undefined {
  return groups.includes(NODES) && name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined;
}
