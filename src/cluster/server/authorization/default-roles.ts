/**
 * The roles and bindings that every cluster has
 * (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings). Made when missing and
 * completed at every start, unless annotated `rbac.authorization.kubernetes.io/autoupdate: "false"`.
 */
import type { JsonObject } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import { KUBELET_CLIENT } from '../pki.ts';
import { COMPONENTS } from './defaults/components.ts';
import { CONTROLLERS } from './defaults/controllers.ts';
import { EVENTS, group, on, RBAC, READ, serviceAccount, user } from './defaults/grants.ts';
import { PEOPLE } from './defaults/people.ts';
import { rulesOf, type Rule } from './rules.ts';

type Labels = Readonly<Record<string, string>>;

const aggregatedTo = (role: string): Labels => ({
  [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true',
});

/** Roles whose rules are those of others, which are labelled so; and their own labels. */
const AGGREGATED: Readonly<Record<string, Labels>> = {
  admin: {},
  edit: aggregatedTo('admin'),
  view: aggregatedTo('edit'),
};

/** `system:controller:` and the name of its service account. */
const controllerRole = (name: string): string => `system:controller:${name}`;

const AUTHENTICATED = group('system:authenticated');
const EVERYBODY = [AUTHENTICATED, group('system:unauthenticated')];
const MANAGER = user('system:kube-controller-manager');
const SCHEDULER = user('system:kube-scheduler');

/** Whose each cluster role is; the binding has its name. */
const SUBJECTS: Readonly<Record<string, readonly JsonObject[]>> = {
  'cluster-admin': [group('system:masters')],
  'system:discovery': [AUTHENTICATED],
  'system:basic-user': [AUTHENTICATED],
  'system:public-info-viewer': EVERYBODY,
  'system:monitoring': [group('system:monitoring')],
  'system:service-account-issuer-discovery': [group('system:serviceaccounts')],
  // Upstream leaves this one to whoever sets a cluster up.
  'system:kubelet-api-admin': [user(KUBELET_CLIENT)],
  'system:node-proxier': [user('system:kube-proxy')],
  'system:kube-controller-manager': [MANAGER],
  'system:kube-dns': [serviceAccount('kube-dns')],
  'system:kube-scheduler': [SCHEDULER],
  'system:volume-scheduler': [SCHEDULER],
  // Nobody: the Node authorizer gives nodes what they need, and no more than that.
  'system:node': [],
  ...Object.fromEntries(
    Object.keys(CONTROLLERS).map((name) => [controllerRole(name), [serviceAccount(name)]]),
  ),
};

interface NamespaceRole {
  readonly namespace: 'kube-public' | 'kube-system';
  readonly name: string;
  readonly rules: readonly JsonObject[];
  readonly subjects: readonly JsonObject[];
  /** The name of the binding; that of the role when absent. */
  readonly binding?: string;
}

const ELECTIONS = ['leases', 'leasecandidates'].map((resource) =>
  on('create get list update watch', 'coordination.k8s.io', resource),
);

const ROLES: readonly NamespaceRole[] = [
  {
    namespace: 'kube-system',
    name: 'extension-apiserver-authentication-reader',
    rules: [on(READ, 'core', 'configmaps', ['extension-apiserver-authentication'])],
    subjects: [MANAGER, SCHEDULER],
    binding: 'system::extension-apiserver-authentication-reader',
  },
  {
    namespace: 'kube-system',
    name: 'system::leader-locking-kube-controller-manager',
    rules: ELECTIONS,
    subjects: [
      MANAGER,
      serviceAccount('kube-controller-manager'),
      serviceAccount('leader-election-controller'),
    ],
  },
  {
    namespace: 'kube-system',
    name: 'system::leader-locking-kube-scheduler',
    rules: ELECTIONS,
    subjects: [SCHEDULER, serviceAccount('kube-scheduler')],
  },
  {
    namespace: 'kube-system',
    name: controllerRole('bootstrap-signer'),
    rules: [on(READ, 'core', 'secrets')],
    subjects: [serviceAccount('bootstrap-signer')],
  },
  {
    namespace: 'kube-public',
    name: controllerRole('bootstrap-signer'),
    rules: [on(READ, 'core', 'configmaps'), on('update', 'core', 'configmaps', ['cluster-info']), EVENTS],
    subjects: [serviceAccount('bootstrap-signer')],
  },
  {
    namespace: 'kube-system',
    name: controllerRole('cloud-provider'),
    rules: [on('create get list watch', 'core', 'configmaps')],
    subjects: [serviceAccount('cloud-provider')],
  },
  {
    namespace: 'kube-system',
    name: controllerRole('token-cleaner'),
    rules: [on('delete get list watch', 'core', 'secrets'), EVENTS],
    subjects: [serviceAccount('token-cleaner')],
  },
];

const API_VERSION = `${RBAC}/v1`;

/** What a node may do, as far as it does not depend on which pods it has. */
export function nodeRules(): readonly Rule[] {
  return rulesOf({ rules: [...(COMPONENTS['system:node'] ?? [])] });
}

/** New objects at each call: whoever stores them changes them. */
export function defaultRbacObjects(): readonly KubeObject[] {
  const controllers = Object.entries(CONTROLLERS).map(
    ([name, rules]) => [controllerRole(name), rules] as const,
  );
  const plain = [...Object.entries(PEOPLE), ...Object.entries(COMPONENTS), ...controllers];
  return structuredClone([
    ...Object.entries(AGGREGATED).map(([name, labels]): KubeObject => ({
      ...head('ClusterRole', name, labels),
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregatedTo(name) }] },
    })),
    ...plain.map(([name, rules]): KubeObject => {
      const [, to] = /^system:aggregate-to-(.*)/.exec(name) ?? [];
      return { ...head('ClusterRole', name, to === undefined ? {} : aggregatedTo(to)), rules: [...rules] };
    }),
    ...Object.entries(SUBJECTS).map(([name, subjects]) =>
      bound(head('ClusterRoleBinding', name), { kind: 'ClusterRole', name, subjects }),
    ),
    ...ROLES.flatMap(({ name, namespace, rules, subjects, binding = name }): KubeObject[] => [
      { ...head('Role', name, {}, namespace), rules: [...rules] },
      bound(head('RoleBinding', binding, {}, namespace), { kind: 'Role', name, subjects }),
    ]),
  ]);
}

function head(kind: string, name: string, labels: Labels = {}, namespace?: string): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
      labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
    },
  };
}

function bound(
  binding: KubeObject,
  {
    kind,
    name,
    subjects,
  }: { readonly kind: string; readonly name: string; readonly subjects: readonly JsonObject[] },
): KubeObject {
  return {
    ...binding,
    roleRef: { apiGroup: RBAC, kind, name },
    ...(subjects.length > 0 && { subjects: [...subjects] }),
  };
}
