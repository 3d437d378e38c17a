/** How default roles say what they allow. */
import type { JsonObject } from '../../../api/json.ts';

export const RBAC = 'rbac.authorization.k8s.io';
export const READ = 'get list watch';
export const WRITE = 'create delete deletecollection patch update';
export const ALL_VERBS = 'create delete deletecollection get list patch update watch';

/** `on('get list', 'apps', 'deployments replicasets')`; `core` is the group without a name. */
export function on(
  verbs: string,
  group: string,
  resources: string,
  names: readonly string[] = [],
): JsonObject {
  return {
    verbs: verbs.split(' '),
    apiGroups: group.split(' ').map((one) => (one === 'core' ? '' : one)),
    resources: resources.split(' '),
    ...(names.length > 0 && { resourceNames: [...names] }),
  };
}

export function urls(verbs: string, paths: string): JsonObject {
  return { verbs: verbs.split(' '), nonResourceURLs: paths.split(' ') };
}

/** Whoever does something tells about it. */
export const EVENTS = on('create patch update', 'core events.k8s.io', 'events');

export type Grants = Readonly<Record<string, readonly JsonObject[]>>;

export function group(name: string): JsonObject {
  return { kind: 'Group', apiGroup: RBAC, name };
}

export function user(name: string): JsonObject {
  return { kind: 'User', apiGroup: RBAC, name };
}

/** All that Kubernetes makes for programs of its own is in one namespace. */
export function serviceAccount(name: string): JsonObject {
  return { kind: 'ServiceAccount', name, namespace: 'kube-system' };
}
