/**
 * What a cluster has from the start beside namespaces, roles and the API's own service: the bootstrapper makes each that
 * is not there. Names and numbers are those that upstream's clusters have, because dashboards and runbooks name them.
 */
import { stringAt, type JsonObject } from '../../api/json.ts';
import { MANDATORY_LEVELS, MANDATORY_SCHEMAS } from '../../api/validate/flow-control-mandatory.ts';
import { danglingCondition } from '../flow-control/dangling.ts';
import type { KubeObject } from '../object.ts';
import { SYSTEM_CLASSES } from './priority-classes.ts';

export interface InitialObject {
  readonly group: string;
  /** Plural. */
  readonly resource: string;
  readonly object: KubeObject;
}

/** `serviceCidr` as configured: `10.96.0.0/16`; `now` as metav1.Time. */
export function initialObjects(serviceCidr: string, now: string): readonly InitialObject[] {
  return [
    ...priorityClasses(),
    ...priorityLevels(),
    ...flowSchemas().map((schema) => toldOfLevel(schema, now)),
    {
      group: 'networking.k8s.io',
      resource: 'servicecidrs',
      object: {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'ServiceCIDR',
        metadata: { name: 'kubernetes' },
        spec: { cidrs: [serviceCidr] },
        status: { conditions: [{ ...CIDR_READY, lastTransitionTime: now }] },
      },
    },
  ];
}

const CIDR_READY = {
  type: 'Ready',
  status: 'True',
  message: 'Kubernetes default Service CIDR is ready',
  reason: '',
};

const CLASS_TEXTS: Readonly<Record<string, string>> = {
  'system-node-critical': 'Used for system critical pods that must not be moved from their current node.',
  'system-cluster-critical':
    'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
};

function priorityClasses(): InitialObject[] {
  return Object.entries(SYSTEM_CLASSES).map(([name, value]) => ({
    group: 'scheduling.k8s.io',
    resource: 'priorityclasses',
    object: {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name },
      value,
      description: CLASS_TEXTS[name],
    },
  }));
}

const FLOWS = 'flowcontrol.apiserver.k8s.io';

/** Says that nobody has taken the object over: its spec follows what is here. */
const AUTO_UPDATE = { 'apf.kubernetes.io/autoupdate-spec': 'true' };

function flowObject(kind: string, name: string, spec: JsonObject): InitialObject {
  return {
    group: FLOWS,
    resource: kind === 'FlowSchema' ? 'flowschemas' : 'prioritylevelconfigurations',
    object: {
      apiVersion: `${FLOWS}/v1`,
      kind,
      metadata: { name, annotations: { ...AUTO_UPDATE } },
      spec,
    },
  };
}

function mandatory(kind: string, specs: Readonly<Record<string, JsonObject>>): InitialObject[] {
  return Object.entries(specs).map(([name, spec]) => flowObject(kind, name, structuredClone(spec)));
}

/** Shares, lendable percent, then queues, hand size and queue length; without those, requests are refused at once. */
const LEVELS: readonly (readonly [string, number, number, (readonly [number, number, number])?])[] = [
  ['global-default', 20, 50, [128, 6, 50]],
  ['leader-election', 10, 0, [16, 4, 50]],
  ['node-high', 40, 25, [64, 6, 50]],
  ['system', 30, 33, [64, 6, 50]],
  ['workload-high', 40, 50, [128, 6, 50]],
  ['workload-low', 100, 90, [128, 6, 50]],
];

function priorityLevels(): InitialObject[] {
  const kind = 'PriorityLevelConfiguration';
  return [
    ...mandatory(kind, MANDATORY_LEVELS),
    ...LEVELS.map(([name, nominalConcurrencyShares, lendablePercent, queuing]) => {
      const limitResponse: JsonObject =
        queuing === undefined
          ? { type: 'Reject' }
          : {
              type: 'Queue',
              queuing: { queues: queuing[0], handSize: queuing[1], queueLengthLimit: queuing[2] },
            };
      const limited = { nominalConcurrencyShares, lendablePercent, limitResponse };
      return flowObject(kind, name, { type: 'Limited', limited });
    }),
  ];
}

const group = (name: string): JsonObject => ({ kind: 'Group', group: { name } });
const user = (name: string): JsonObject => ({ kind: 'User', user: { name } });
const account = (name: string): JsonObject => ({
  kind: 'ServiceAccount',
  serviceAccount: { namespace: 'kube-system', name },
});

const ANY_RESOURCE: JsonObject = {
  verbs: ['*'],
  apiGroups: ['*'],
  resources: ['*'],
  clusterScope: true,
  namespaces: ['*'],
};
const ANY_PATH: JsonObject = { verbs: ['*'], nonResourceURLs: ['*'] };
const ANYTHING: JsonObject = { resourceRules: [ANY_RESOURCE], nonResourceRules: [ANY_PATH] };
const NODES = group('system:nodes');
const EVERYONE = [group('system:unauthenticated'), group('system:authenticated')];

function resourceRule(apiGroup: string, resources: string[], more: JsonObject): JsonObject {
  return { verbs: ['*'], apiGroups: [apiGroup], resources, ...more };
}

const EVERYWHERE: JsonObject = { clusterScope: true, namespaces: ['*'] };
const LEASES = resourceRule('coordination.k8s.io', ['leases'], { namespaces: ['*'] });
const WRITE_VERBS = ['get', 'create', 'update'];

interface Flow {
  readonly name: string;
  readonly level: string;
  readonly precedence: number;
  /** `ByUser`, `ByNamespace`, or none. */
  readonly by?: string;
  readonly rules: readonly JsonObject[];
}

/** In the order in which they are asked. */
const SCHEMAS: readonly Flow[] = [
  {
    name: 'probes',
    level: 'exempt',
    precedence: 2,
    rules: [
      {
        subjects: EVERYONE,
        nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
      },
    ],
  },
  {
    name: 'system-leader-election',
    level: 'leader-election',
    precedence: 100,
    by: 'ByUser',
    rules: [
      {
        subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler'), account('*')],
        resourceRules: [{ ...LEASES, verbs: WRITE_VERBS }],
      },
    ],
  },
  {
    name: 'system-node-high',
    level: 'node-high',
    precedence: 400,
    by: 'ByUser',
    rules: [
      {
        subjects: [NODES],
        resourceRules: [resourceRule('', ['nodes', 'nodes/status'], EVERYWHERE), LEASES],
      },
    ],
  },
  {
    name: 'system-nodes',
    level: 'system',
    precedence: 500,
    by: 'ByUser',
    rules: [{ subjects: [NODES], ...ANYTHING }],
  },
  {
    name: 'kube-controller-manager',
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    rules: [{ subjects: [user('system:kube-controller-manager')], ...ANYTHING }],
  },
  {
    name: 'kube-scheduler',
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    rules: [{ subjects: [user('system:kube-scheduler')], ...ANYTHING }],
  },
  {
    name: 'kube-system-service-accounts',
    level: 'workload-high',
    precedence: 900,
    by: 'ByNamespace',
    rules: [{ subjects: [account('*')], ...ANYTHING }],
  },
  {
    name: 'service-accounts',
    level: 'workload-low',
    precedence: 9000,
    by: 'ByUser',
    rules: [{ subjects: [group('system:serviceaccounts')], ...ANYTHING }],
  },
  {
    name: 'global-default',
    level: 'global-default',
    precedence: 9900,
    by: 'ByUser',
    rules: [{ subjects: EVERYONE, ...ANYTHING }],
  },
];

/** Told at once that its level is there: that saves as many writes at the start. */
function toldOfLevel({ object, ...schema }: InitialObject, now: string): InitialObject {
  const level = stringAt(object.spec, 'priorityLevelConfiguration', 'name');
  return { ...schema, object: { ...object, status: { conditions: [danglingCondition(level, true, now)] } } };
}

function flowSchemas(): InitialObject[] {
  return [...mandatory('FlowSchema', MANDATORY_SCHEMAS), ...suggestedSchemas()];
}

function suggestedSchemas(): InitialObject[] {
  return SCHEMAS.map(({ name, level, precedence, by, rules }) =>
    flowObject('FlowSchema', name, {
      priorityLevelConfiguration: { name: level },
      matchingPrecedence: precedence,
      ...(by !== undefined && { distinguisherMethod: { type: by } }),
      rules: structuredClone(rules) as JsonObject[],
    }),
  );
}
