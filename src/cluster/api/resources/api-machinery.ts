/** Groups by which the API itself is extended, guarded and coordinated. */
import { apiServiceColumns } from '../printers/aggregation.ts';
import { signingRequestColumns } from '../printers/certificates.ts';
import { plainColumns } from '../printers/columns.ts';
import { eventColumns, leaseColumns } from '../printers/core.ts';
import {
  byPrecedence,
  flowSchemaColumns,
  mutatingPolicyColumns,
  policyBindingColumns,
  priorityLevelColumns,
  validatingPolicyColumns,
  webhookColumns,
} from '../printers/policy.ts';
import { bindingColumns } from '../printers/rbac.ts';
import type { ResourceDeclaration } from '../resource-declaration.ts';
import { declare, STATUS } from './declare.ts';

const RBAC = 'rbac.authorization.k8s.io';
const ADMISSION = 'admissionregistration.k8s.io';
const FLOWS = 'flowcontrol.apiserver.k8s.io';
const EVENT_STORAGE = { group: '', version: 'v1', resource: 'events' };
const EXTENSIONS = ['api-extensions'];

export const apiMachineryResources: readonly ResourceDeclaration[] = [
  declare({
    group: 'events.k8s.io',
    resource: 'events',
    kind: 'Event',
    shortNames: ['ev'],
    columns: eventColumns,
    selectableFields: [
      'regarding.kind',
      'regarding.namespace',
      'regarding.name',
      'regarding.uid',
      'regarding.apiVersion',
      'regarding.resourceVersion',
      'regarding.fieldPath',
      'reason',
      'reportingController',
      'type',
    ],
    storage: EVENT_STORAGE,
  }),
  declare({ group: 'coordination.k8s.io', resource: 'leases', kind: 'Lease', columns: leaseColumns }),
  declare({ group: RBAC, resource: 'roles', kind: 'Role', columns: plainColumns }),
  declare({
    group: RBAC,
    resource: 'clusterroles',
    kind: 'ClusterRole',
    namespaced: false,
    columns: plainColumns,
  }),
  declare({ group: RBAC, resource: 'rolebindings', kind: 'RoleBinding', columns: bindingColumns }),
  declare({
    group: RBAC,
    resource: 'clusterrolebindings',
    kind: 'ClusterRoleBinding',
    namespaced: false,
    columns: bindingColumns,
  }),
  declare({
    group: 'apiextensions.k8s.io',
    resource: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    shortNames: ['crd', 'crds'],
    categories: EXTENSIONS,
    namespaced: false,
    subresources: [STATUS],
    columns: plainColumns,
    hasGeneration: true,
  }),
  declare({
    group: 'apiregistration.k8s.io',
    resource: 'apiservices',
    kind: 'APIService',
    categories: EXTENSIONS,
    namespaced: false,
    subresources: [STATUS],
    columns: apiServiceColumns,
  }),
  declare({
    group: ADMISSION,
    resource: 'validatingwebhookconfigurations',
    kind: 'ValidatingWebhookConfiguration',
    categories: EXTENSIONS,
    namespaced: false,
    columns: webhookColumns,
    hasGeneration: true,
  }),
  declare({
    group: ADMISSION,
    resource: 'mutatingwebhookconfigurations',
    kind: 'MutatingWebhookConfiguration',
    categories: EXTENSIONS,
    namespaced: false,
    columns: webhookColumns,
    hasGeneration: true,
  }),
  declare({
    group: ADMISSION,
    resource: 'validatingadmissionpolicies',
    kind: 'ValidatingAdmissionPolicy',
    categories: EXTENSIONS,
    namespaced: false,
    subresources: [STATUS],
    columns: validatingPolicyColumns,
    hasGeneration: true,
  }),
  declare({
    group: ADMISSION,
    resource: 'validatingadmissionpolicybindings',
    kind: 'ValidatingAdmissionPolicyBinding',
    categories: EXTENSIONS,
    namespaced: false,
    columns: policyBindingColumns,
    hasGeneration: true,
  }),
  declare({
    group: ADMISSION,
    resource: 'mutatingadmissionpolicies',
    kind: 'MutatingAdmissionPolicy',
    categories: EXTENSIONS,
    namespaced: false,
    columns: mutatingPolicyColumns,
    hasGeneration: true,
  }),
  declare({
    group: ADMISSION,
    resource: 'mutatingadmissionpolicybindings',
    kind: 'MutatingAdmissionPolicyBinding',
    categories: EXTENSIONS,
    namespaced: false,
    columns: policyBindingColumns,
    hasGeneration: true,
  }),
  declare({
    group: FLOWS,
    resource: 'flowschemas',
    kind: 'FlowSchema',
    namespaced: false,
    subresources: [STATUS],
    columns: flowSchemaColumns,
    rowOrder: byPrecedence,
    hasGeneration: true,
  }),
  declare({
    group: FLOWS,
    resource: 'prioritylevelconfigurations',
    kind: 'PriorityLevelConfiguration',
    namespaced: false,
    subresources: [STATUS],
    columns: priorityLevelColumns,
    hasGeneration: true,
  }),
  declare({
    group: 'certificates.k8s.io',
    resource: 'certificatesigningrequests',
    kind: 'CertificateSigningRequest',
    shortNames: ['csr'],
    namespaced: false,
    subresources: [STATUS, { name: 'approval', verbs: ['get', 'patch', 'update'] }],
    columns: signingRequestColumns,
    selectableFields: ['spec.signerName'],
  }),
  ...[
    { group: 'authentication.k8s.io', kind: 'SelfSubjectReview' },
    { group: 'authentication.k8s.io', kind: 'TokenReview' },
    { group: 'authorization.k8s.io', kind: 'LocalSubjectAccessReview', namespaced: true },
    { group: 'authorization.k8s.io', kind: 'SelfSubjectAccessReview' },
    { group: 'authorization.k8s.io', kind: 'SelfSubjectRulesReview' },
    { group: 'authorization.k8s.io', kind: 'SubjectAccessReview' },
  ].map(({ group, kind, namespaced = false }) =>
    declare({
      group,
      resource: `${kind.toLowerCase()}s`,
      kind,
      namespaced,
      verbs: ['create'],
      columns: [],
      virtual: true,
    }),
  ),
];
