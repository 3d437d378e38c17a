/** Of what the API is extended, guarded and coordinated by. */
import type { Texts } from './texts.ts';

const RULES = 'What may be done.';
const SUBJECTS = 'To whom the role is granted.';
const ROLE_REF = 'The role. It cannot change.';

export const rbac: Readonly<Record<string, Texts>> = {
  Role: { '': 'What may be done in one namespace.', rules: RULES },
  ClusterRole: {
    '': 'What may be done in the whole cluster, or wherever it is bound.',
    rules: RULES,
    aggregationRule: 'Which other cluster roles the rules are put together from.',
  },
  AggregationRule: { clusterRoleSelectors: 'The cluster roles, by their labels.' },
  RoleBinding: { '': 'Grants a role in one namespace.', subjects: SUBJECTS, roleRef: ROLE_REF },
  ClusterRoleBinding: { '': 'Grants a cluster role everywhere.', subjects: SUBJECTS, roleRef: ROLE_REF },
  PolicyRule: {
    verbs: 'What: get, list, watch, create, update, patch, delete and others; * for all.',
    apiGroups: 'Of which groups; the empty one is the core, * for all.',
    resources: 'To which resources; pods/log is a subresource, * for all.',
    resourceNames: 'To objects of which names: all when empty.',
    nonResourceURLs:
      'To which paths that are no resources; * at the end stands for anything. In cluster roles only.',
  },
  Subject: {
    kind: 'User, Group or ServiceAccount.',
    apiGroup: 'rbac.authorization.k8s.io for users and groups, empty for service accounts.',
    name: 'Name of the subject.',
    namespace: 'Namespace of the service account.',
  },
  RoleRef: {
    apiGroup: 'rbac.authorization.k8s.io.',
    kind: 'Role or ClusterRole.',
    name: 'Name of the role.',
  },
};

export const coordination: Readonly<Record<string, Texts>> = {
  Lease: {
    '': 'Who has something at the moment, and until when: by it leaders are elected, and nodes are seen to live.',
  },
  LeaseSpec: {
    holderIdentity: 'Who has it.',
    leaseDurationSeconds: 'How many seconds after renewTime others may take it.',
    acquireTime: 'Since when the holder has it.',
    renewTime: 'When the holder last said that it is there.',
    leaseTransitions: 'How often it went to someone else.',
    strategy: 'How the next holder is chosen.',
    preferredHolder: 'Who should have it instead.',
  },
};

export const definitions: Readonly<Record<string, Texts>> = {
  CustomResourceDefinition: {
    '': 'A kind of objects that the server did not know before. Its name is plural.group.',
  },
  CustomResourceDefinitionSpec: {
    group: 'The group of the kind, like example.com.',
    names: 'What it is called.',
    scope: 'Whether objects are in namespaces: Namespaced or Cluster.',
    versions: 'The versions of the kind. Exactly one is stored.',
    conversion: 'How objects go from one version to another.',
    preserveUnknownFields: 'Not in use any more: must be false.',
  },
  CustomResourceDefinitionNames: {
    plural: 'The name in paths.',
    singular: 'The name for one. The kind in small letters when not given.',
    shortNames: 'Shorter names for the command line.',
    kind: 'The kind, in CamelCase.',
    listKind: 'The kind of lists. The kind with List when not given.',
    categories: 'Groups of resources that it belongs to, like all.',
  },
  CustomResourceDefinitionVersion: {
    name: 'Name of the version, like v1beta1.',
    served: 'Whether the API has it.',
    storage: 'Whether objects are stored in it.',
    deprecated: 'Whether those who use it are warned.',
    deprecationWarning: 'What they are told.',
    schema: 'What objects look like. Fields that are not in it are dropped.',
    subresources: 'Whether there are a status and a scale.',
    additionalPrinterColumns: 'What kubectl get shows besides the name.',
    selectableFields: 'Fields that lists may be selected by.',
  },
  CustomResourceDefinitionStatus: {
    conditions: 'Whether its names are accepted, and whether it is served.',
    acceptedNames: 'The names that it has got.',
    storedVersions: 'Versions in which objects have ever been stored.',
  },
};

export const meta: Readonly<Record<string, Texts>> = {
  LabelSelector: {
    '': 'Objects by their labels: all that is given must hold. An empty one selects all.',
    matchLabels: 'Labels that must have these values.',
    matchExpressions: 'Further demands on labels.',
  },
  LabelSelectorRequirement: {
    key: 'Key of the label.',
    operator: 'In, NotIn, Exists or DoesNotExist.',
    values: 'The values for In and NotIn; none for the others.',
  },
  Condition: {
    '': 'One thing that is true of an object, or not.',
    type: 'What it is about, in CamelCase.',
    status: 'True, False or Unknown.',
    observedGeneration: 'The generation of the object that it was seen of.',
    lastTransitionTime: 'When the status last changed.',
    reason: 'Why, in one word.',
    message: 'Why, for people.',
  },
};
