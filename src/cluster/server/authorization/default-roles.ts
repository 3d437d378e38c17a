/**
 * The roles and bindings that every cluster has
 * (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings). Made when missing and
 * completed at every start, unless annotated `rbac.authorization.kubernetes.io/autoupdate: "false"`.
 */
import type { JsonObject } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import { rulesOf, type Rule } from './rules.ts';

const RBAC = 'rbac.authorization.k8s.io';
const READ = 'get list watch';
const WRITE = 'create delete deletecollection patch update';
const ALL_VERBS = `create delete deletecollection get list patch update watch`;

/** `on('get list', 'apps', 'deployments replicasets')`; `core` is the group without a name. */
function on(verbs: string, group: string, resources: string, names: readonly string[] = []): JsonObject {
  return {
    verbs: verbs.split(' '),
    apiGroups: group.split(' ').map((one) => (one === 'core' ? '' : one)),
    resources: resources.split(' '),
    ...(names.length > 0 && { resourceNames: [...names] }),
  };
}

const urls = (verbs: string, paths: string): JsonObject => ({
  verbs: verbs.split(' '),
  nonResourceURLs: paths.split(' '),
});

const EVENTS = on('create patch update', 'core events.k8s.io', 'events');

const DISCOVERY = urls(
  'get',
  '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/',
);

const VIEWED: readonly JsonObject[] = [
  on(
    READ,
    'core',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  on(
    READ,
    'core',
    'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  on(READ, 'core', 'namespaces'),
  on(READ, 'discovery.k8s.io', 'endpointslices'),
  on(
    READ,
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ),
  on(READ, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  on(READ, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  on(READ, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  on(READ, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
  on(READ, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
];

const EDITED: readonly JsonObject[] = [
  on(READ, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  on('impersonate', 'core', 'serviceaccounts'),
  on(WRITE, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  on('create', 'core', 'pods/eviction'),
  on(
    WRITE,
    'core',
    'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  on('create', 'core', 'serviceaccounts/token'),
  on(
    WRITE,
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
  ),
  on(WRITE, 'autoscaling', 'horizontalpodautoscalers'),
  on(WRITE, 'batch', 'cronjobs jobs'),
  on(WRITE, 'policy', 'poddisruptionbudgets'),
  on(WRITE, 'networking.k8s.io', 'ingresses networkpolicies'),
  on(`${READ} ${WRITE}`, 'coordination.k8s.io', 'leases'),
  on(WRITE, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
];

const ADMINISTERED: readonly JsonObject[] = [
  on('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
  on(ALL_VERBS, RBAC, 'rolebindings roles'),
];

const aggregated = (to: string): JsonObject => ({
  clusterRoleSelectors: [{ matchLabels: { [`rbac.authorization.k8s.io/aggregate-to-${to}`]: 'true' } }],
});

interface RoleFacts {
  readonly rules?: readonly JsonObject[];
  readonly aggregationRule?: JsonObject;
  readonly labels?: Readonly<Record<string, string>>;
}

const toRole = (role: string): { labels: Record<string, string> } => ({
  labels: { [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true' },
});

const CLUSTER_ROLES: Readonly<Record<string, RoleFacts>> = {
  'cluster-admin': { rules: [on('*', '*', '*'), urls('*', '*')] },
  admin: { aggregationRule: aggregated('admin') },
  edit: { aggregationRule: aggregated('edit'), ...toRole('admin') },
  view: { aggregationRule: aggregated('view'), ...toRole('edit') },
  'system:aggregate-to-admin': { rules: ADMINISTERED, ...toRole('admin') },
  'system:aggregate-to-edit': { rules: EDITED, ...toRole('edit') },
  'system:aggregate-to-view': { rules: VIEWED, ...toRole('view') },
  'system:discovery': { rules: [DISCOVERY] },
  'system:basic-user': {
    rules: [
      on('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
      on('create', 'authentication.k8s.io', 'selfsubjectreviews'),
    ],
  },
  'system:public-info-viewer': { rules: [urls('get', '/healthz /livez /readyz /version /version/')] },
  'system:monitoring': {
    rules: [urls('get', '/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*')],
  },
  'system:auth-delegator': {
    rules: [
      on('create', 'authentication.k8s.io', 'tokenreviews'),
      on('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    ],
  },
  'system:service-account-issuer-discovery': {
    rules: [
      urls(
        'get',
        '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/',
      ),
    ],
  },
  'system:heapster': {
    rules: [on(READ, 'core', 'events namespaces nodes pods'), on(READ, 'apps', 'deployments')],
  },
  'system:kube-dns': { rules: [on('list watch', 'core', 'endpoints services')] },
  'system:kube-aggregator': { rules: [on(READ, 'core', 'endpoints services')] },
  'system:kubelet-api-admin': {
    rules: [
      on(READ, 'core', 'nodes'),
      on('proxy', 'core', 'nodes'),
      on(
        '*',
        'core',
        'nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats',
      ),
    ],
  },
  'system:node-bootstrapper': {
    rules: [on('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests')],
  },
  'system:node-proxier': {
    rules: [
      on('list watch', 'core', 'endpoints services'),
      on(READ, 'core', 'nodes'),
      EVENTS,
      on('list watch', 'discovery.k8s.io', 'endpointslices'),
      on('list watch', 'networking.k8s.io', 'servicecidrs'),
    ],
  },
  'system:node-problem-detector': {
    rules: [on('get', 'core', 'nodes'), on('patch', 'core', 'nodes/status'), EVENTS],
  },
  'system:persistent-volume-provisioner': {
    rules: [
      on('create delete get list watch', 'core', 'persistentvolumes'),
      on('get list update watch', 'core', 'persistentvolumeclaims'),
      on(READ, 'storage.k8s.io', 'storageclasses'),
      on('watch', 'core', 'events'),
      EVENTS,
    ],
  },
  'system:kube-scheduler': {
    rules: [
      EVENTS,
      on('create', 'coordination.k8s.io', 'leases'),
      on('get list update watch', 'coordination.k8s.io', 'leases', ['kube-scheduler']),
      on('get list watch', 'coordination.k8s.io', 'leasecandidates'),
      on(READ, 'core', 'nodes'),
      on('delete get list watch', 'core', 'pods'),
      on('create', 'core', 'bindings pods/binding'),
      on('patch update', 'core', 'pods/status'),
      on(READ, 'core', 'namespaces persistentvolumes replicationcontrollers services'),
      on('get list patch update watch', 'core', 'persistentvolumeclaims persistentvolumes'),
      on(READ, 'apps', 'replicasets statefulsets'),
      on(READ, 'policy', 'poddisruptionbudgets'),
      on(READ, 'storage.k8s.io', 'csidrivers csinodes csistoragecapacities storageclasses volumeattachments'),
      on(READ, 'resource.k8s.io', 'deviceclasses resourceclaims resourceslices'),
      on('get patch update', 'resource.k8s.io', 'resourceclaims/status'),
      on('create', 'authentication.k8s.io', 'tokenreviews'),
      on('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    ],
  },
  'system:kube-controller-manager': {
    rules: [
      EVENTS,
      on('create', 'coordination.k8s.io', 'leases'),
      on('get list update watch', 'coordination.k8s.io', 'leases', ['kube-controller-manager']),
      on('create', 'core', 'secrets serviceaccounts serviceaccounts/token'),
      on('delete', 'core', 'secrets'),
      on('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
      on('update', 'core', 'secrets serviceaccounts'),
      on('list watch', '*', '*'),
      on('create', 'authentication.k8s.io', 'tokenreviews'),
      on('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    ],
  },
  'system:node': {
    rules: [
      on('create', 'authentication.k8s.io', 'tokenreviews'),
      on('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
      on(READ, 'core', 'services'),
      on('create get list watch', 'core', 'nodes'),
      on('patch update', 'core', 'nodes nodes/status'),
      EVENTS,
      on('create delete get list watch', 'core', 'pods'),
      on('patch update', 'core', 'pods/status'),
      on('create', 'core', 'pods/eviction serviceaccounts/token'),
      on(READ, 'core', 'configmaps secrets'),
      on('get', 'core', 'persistentvolumeclaims persistentvolumes serviceaccounts'),
      on('get patch update', 'core', 'persistentvolumeclaims/status'),
      on('create delete get patch update', 'coordination.k8s.io', 'leases'),
      on('get', 'storage.k8s.io', 'volumeattachments'),
      on(READ, 'storage.k8s.io', 'csidrivers'),
      on('create delete get patch update', 'storage.k8s.io', 'csinodes'),
      on(READ, 'node.k8s.io', 'runtimeclasses'),
      on('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
      on('get list watch', 'resource.k8s.io', 'resourceclaims'),
      on('create delete deletecollection get list patch update watch', 'resource.k8s.io', 'resourceslices'),
    ],
  },
};

const group = (name: string): JsonObject => ({ kind: 'Group', apiGroup: RBAC, name });
const user = (name: string): JsonObject => ({ kind: 'User', apiGroup: RBAC, name });

const CLUSTER_BINDINGS: Readonly<Record<string, readonly [role: string, subjects: readonly JsonObject[]]>> = {
  'cluster-admin': ['cluster-admin', [group('system:masters')]],
  'system:discovery': ['system:discovery', [group('system:authenticated')]],
  'system:basic-user': ['system:basic-user', [group('system:authenticated')]],
  'system:public-info-viewer': [
    'system:public-info-viewer',
    [group('system:authenticated'), group('system:unauthenticated')],
  ],
  'system:monitoring': ['system:monitoring', [group('system:monitoring')]],
  'system:service-account-issuer-discovery': [
    'system:service-account-issuer-discovery',
    [group('system:serviceaccounts')],
  ],
  'system:node-proxier': ['system:node-proxier', [user('system:kube-proxy')]],
  'system:kube-controller-manager': [
    'system:kube-controller-manager',
    [user('system:kube-controller-manager')],
  ],
  'system:kube-scheduler': ['system:kube-scheduler', [user('system:kube-scheduler')]],
  // Nobody: the Node authorizer gives nodes what they need, and no more than that.
  'system:node': ['system:node', []],
};

const EXTENSION_READER = 'extension-apiserver-authentication-reader';

interface NamespaceRole {
  readonly namespace: string;
  readonly name: string;
  readonly rules: readonly JsonObject[];
  readonly subjects: readonly JsonObject[];
}

const COMPONENT_USERS = [user('system:kube-controller-manager'), user('system:kube-scheduler')];

const ROLES: readonly NamespaceRole[] = [
  {
    namespace: 'kube-system',
    name: EXTENSION_READER,
    rules: [on(READ, 'core', 'configmaps', ['extension-apiserver-authentication'])],
    subjects: COMPONENT_USERS,
  },
];

const metadata = (name: string, labels: Readonly<Record<string, string>> = {}): KubeObject['metadata'] => ({
  name,
  annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
});

const API_VERSION = `${RBAC}/v1`;

/** What a node may do, as far as it does not depend on which pods it has. */
export function nodeRules(): readonly Rule[] {
  return rulesOf({ rules: [...(CLUSTER_ROLES['system:node']?.rules ?? [])] });
}

/** New objects at each call: whoever stores them changes them. */
export function defaultRbacObjects(): readonly KubeObject[] {
  const clusterRoles = Object.entries(CLUSTER_ROLES).map(
    ([name, { rules, aggregationRule, labels }]): KubeObject => ({
      apiVersion: API_VERSION,
      kind: 'ClusterRole',
      metadata: metadata(name, labels),
      ...(rules !== undefined && { rules: [...rules] }),
      ...(aggregationRule !== undefined && { aggregationRule }),
    }),
  );
  const clusterBindings = Object.entries(CLUSTER_BINDINGS).map(([name, [role, subjects]]): KubeObject => ({
    apiVersion: API_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: metadata(name),
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
    ...(subjects.length > 0 && { subjects: [...subjects] }),
  }));
  const roles = ROLES.flatMap(({ namespace, name, rules, subjects }): KubeObject[] => [
    {
      apiVersion: API_VERSION,
      kind: 'Role',
      metadata: { ...metadata(name), namespace },
      rules: [...rules],
    },
    {
      apiVersion: API_VERSION,
      kind: 'RoleBinding',
      metadata: { ...metadata(`system::${name}`), namespace },
      roleRef: { apiGroup: RBAC, kind: 'Role', name },
      subjects: [...subjects],
    },
  ]);
  return structuredClone([...clusterRoles, ...clusterBindings, ...roles]);
}
