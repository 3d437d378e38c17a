/** What `kubectl get -o wide` shows of each kind: column by column. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '../json.ts';
import { mergePatch } from '../patch.ts';
import { findResource } from '../resources.ts';
import { tableRows } from '../table.ts';
import { minimalObject } from '../testing/minimal-objects.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const MADE = new Date(NOW - 90_000).toISOString();

function row(path: string, patch: JsonObject): Record<string, JsonValue> {
  const [group = '', version = '', resource = ''] = path.split('/');
  const declaration = findResource(group, version, resource);
  assert.ok(declaration, path);
  const base = minimalObject(declaration) ?? { metadata: { name: 'web' } };
  const object = mergePatch(base, mergePatch({ metadata: { creationTimestamp: MADE } }, patch));
  const { columnDefinitions, rows } = tableRows(declaration, [object as JsonObject], NOW);
  const cells = rows[0]?.cells ?? [];
  assert.equal(cells.length, columnDefinitions.length);
  return Object.fromEntries(columnDefinitions.map((column, index) => [column.name, cells[index] ?? null]));
}

const WORKLOAD = { Age: '90s', Containers: 'web', Images: 'web:1' };

const CASES: readonly (readonly [string, JsonObject, Record<string, JsonValue>])[] = [
  [
    '/v1/persistentvolumes',
    {
      spec: {
        claimRef: { namespace: 'default', name: 'data' },
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: 'fast',
      },
      status: { phase: 'Bound' },
    },
    {
      Name: 'web',
      Capacity: '1Gi',
      'Access Modes': 'RWO',
      'Reclaim Policy': 'Retain',
      Status: 'Bound',
      Claim: 'default/data',
      StorageClass: 'fast',
      VolumeAttributesClass: '<unset>',
      Reason: '',
      Age: '90s',
      VolumeMode: '<unset>',
    },
  ],
  [
    '/v1/persistentvolumeclaims',
    {
      metadata: { deletionTimestamp: MADE },
      spec: { volumeName: 'pv', volumeMode: 'Filesystem' },
      status: {
        phase: 'Bound',
        accessModes: ['ReadWriteMany', 'ReadWriteOnce'],
        capacity: { storage: '2Gi' },
      },
    },
    {
      Name: 'web',
      Status: 'Terminating',
      Volume: 'pv',
      Capacity: '2Gi',
      'Access Modes': 'RWO,RWX',
      StorageClass: '',
      VolumeAttributesClass: '<unset>',
      Age: '90s',
      VolumeMode: 'Filesystem',
    },
  ],
  [
    '/v1/replicationcontrollers',
    { spec: { replicas: 3, selector: { app: 'web' } }, status: { replicas: 2, readyReplicas: 1 } },
    { Name: 'web', Desired: 3, Current: 2, Ready: 1, ...WORKLOAD, Selector: 'app=web' },
  ],
  ['/v1/limitranges', {}, { Name: 'web', 'Created At': MADE }],
  [
    '/v1/resourcequotas',
    { status: { hard: { 'limits.cpu': '2', pods: '10', cpu: '1' }, used: { pods: '3' } } },
    { Name: 'web', Request: 'cpu: 0/1, pods: 3/10', Limit: 'limits.cpu: 0/2', Age: '90s' },
  ],
  ['/v1/podtemplates', {}, { Name: 'web', Containers: 'web', Images: 'web:1', 'Pod Labels': 'app=web' }],
  [
    '/v1/componentstatuses',
    { conditions: [{ type: 'Healthy', status: 'False', message: 'm', error: 'e' }] },
    { Name: 'web', Status: 'Unhealthy', Message: 'm', Error: 'e' },
  ],
  [
    'apps/v1/statefulsets',
    { spec: { replicas: 2 }, status: { readyReplicas: 1 } },
    { Name: 'web', Ready: '1/2', ...WORKLOAD },
  ],
  [
    'apps/v1/daemonsets',
    { status: { desiredNumberScheduled: 3, currentNumberScheduled: 2, numberReady: 1, numberAvailable: 1 } },
    {
      Name: 'web',
      Desired: 3,
      Current: 2,
      Ready: 1,
      'Up-to-date': 0,
      Available: 1,
      'Node Selector': '<none>',
      ...WORKLOAD,
      Selector: 'app=web',
    },
  ],
  [
    'apps/v1/controllerrevisions',
    {
      metadata: {
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', controller: true }],
      },
    },
    { Name: 'web', Controller: 'statefulset.apps/db', Revision: 1, Age: '90s' },
  ],
  [
    'batch/v1/jobs',
    {
      spec: { completions: 3 },
      status: {
        succeeded: 3,
        startTime: MADE,
        completionTime: new Date(NOW - 60_000).toISOString(),
        conditions: [{ type: 'Complete', status: 'True' }],
      },
    },
    { Name: 'web', Status: 'Complete', Completions: '3/3', Duration: '30s', ...WORKLOAD, Selector: '<none>' },
  ],
  [
    'batch/v1/jobs',
    {
      spec: { parallelism: 4, suspend: true },
      status: { conditions: [{ type: 'Suspended', status: 'True' }] },
    },
    {
      Name: 'web',
      Status: 'Suspended',
      Completions: '0/1 of 4',
      Duration: '',
      ...WORKLOAD,
      Selector: '<none>',
    },
  ],
  [
    'batch/v1/cronjobs',
    { spec: { suspend: false, timeZone: 'Etc/UTC' }, status: { active: [{}], lastScheduleTime: MADE } },
    {
      Name: 'web',
      Schedule: '*/5 * * * *',
      Timezone: 'Etc/UTC',
      Suspend: 'False',
      Active: 1,
      'Last Schedule': '90s',
      ...WORKLOAD,
      Selector: '<none>',
    },
  ],
  [
    'autoscaling/v2/horizontalpodautoscalers',
    {
      spec: {
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { averageUtilization: 80 } } },
          { type: 'Pods', pods: { metric: { name: 'rps' }, target: { averageValue: '100' } } },
          { type: 'External', external: { metric: { name: 'q' }, target: { value: '5' } } },
        ],
      },
      status: {
        currentReplicas: 2,
        currentMetrics: [
          { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12 } } },
        ],
      },
    },
    {
      Name: 'web',
      Reference: 'Deployment/web',
      Targets: 'cpu: 12%/80%, <unknown>/100 + 1 more...',
      MinPods: '<unset>',
      MaxPods: 3,
      Replicas: 2,
      Age: '90s',
    },
  ],
  [
    'policy/v1/poddisruptionbudgets',
    { status: { disruptionsAllowed: 2 } },
    { Name: 'web', 'Min Available': '1', 'Max Unavailable': 'N/A', 'Allowed Disruptions': 2, Age: '90s' },
  ],
  [
    'networking.k8s.io/v1/ingresses',
    {
      spec: { ingressClassName: 'nginx', tls: [{}], rules: ['a', 'b', 'c', 'd'].map((host) => ({ host })) },
      status: { loadBalancer: { ingress: [{ hostname: 'lb' }, { ip: '10.0.0.1' }] } },
    },
    {
      Name: 'web',
      Class: 'nginx',
      Hosts: 'a,b,c + 1 more...',
      Address: '10.0.0.1,lb',
      Ports: '80, 443',
      Age: '90s',
    },
  ],
  [
    'networking.k8s.io/v1/ingressclasses',
    { spec: { parameters: { apiGroup: 'a.io', kind: 'Conf', name: 'c' } } },
    { Name: 'web', Controller: 'example.com/controller', Parameters: 'Conf.a.io/c', Age: '90s' },
  ],
  [
    'networking.k8s.io/v1/networkpolicies',
    { spec: { podSelector: { matchLabels: { app: 'web' } } } },
    { Name: 'web', 'Pod-Selector': 'app=web', Age: '90s' },
  ],
  ['networking.k8s.io/v1/ipaddresses', {}, { Name: '10.96.200.200', ParentRef: 'services/default/web' }],
  ['networking.k8s.io/v1/servicecidrs', {}, { Name: 'web', CIDRs: '10.97.0.0/16', Age: '90s' }],
  [
    'storage.k8s.io/v1/storageclasses',
    { metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } },
    {
      Name: 'web (default)',
      Provisioner: 'example.com/provisioner',
      ReclaimPolicy: 'Delete',
      VolumeBindingMode: 'Immediate',
      AllowVolumeExpansion: false,
      Age: '90s',
    },
  ],
  [
    'storage.k8s.io/v1/volumeattachments',
    { status: { attached: true } },
    { Name: 'web', Attacher: 'example.com', PV: 'web', Node: 'web', Attached: true, Age: '90s' },
  ],
  [
    'storage.k8s.io/v1/csidrivers',
    { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'b' }] } },
    {
      Name: 'web',
      AttachRequired: true,
      PodInfoOnMount: false,
      StorageCapacity: false,
      TokenRequests: 'a,b',
      RequiresRepublish: false,
      Modes: '<none>',
      Age: '90s',
    },
  ],
  ['storage.k8s.io/v1/csinodes', { spec: { drivers: [{}] } }, { Name: 'web', Drivers: 1, Age: '90s' }],
  ['storage.k8s.io/v1/csistoragecapacities', { capacity: '5Gi' }, { Name: 'web', 'Created At': MADE }],
  ['storage.k8s.io/v1/volumeattributesclasses', {}, { Name: 'web', DriverName: 'example.com', Age: '90s' }],
  [
    'scheduling.k8s.io/v1/priorityclasses',
    { preemptionPolicy: 'Never' },
    { Name: 'web', Value: 100, 'Global-Default': false, Age: '90s', PreemptionPolicy: 'Never' },
  ],
  ['node.k8s.io/v1/runtimeclasses', {}, { Name: 'web', Handler: 'runc', Age: '90s' }],
  [
    'certificates.k8s.io/v1/certificatesigningrequests',
    {
      spec: { username: 'jane', expirationSeconds: 86_400 },
      status: { certificate: 'YQ==', conditions: [{ type: 'Approved' }] },
    },
    {
      Name: 'web',
      Age: '90s',
      SignerName: 'example.com/signer',
      Requestor: 'jane',
      RequestedDuration: '24h',
      Condition: 'Approved,Issued',
    },
  ],
  [
    'flowcontrol.apiserver.k8s.io/v1/flowschemas',
    { spec: { matchingPrecedence: 5 }, status: { conditions: [{ type: 'Dangling', status: 'False' }] } },
    {
      Name: 'web',
      PriorityLevel: 'workload-low',
      MatchingPrecedence: 5,
      DistinguisherMethod: '<none>',
      Age: '90s',
      MissingPL: 'False',
    },
  ],
  [
    'flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations',
    { spec: { limited: { nominalConcurrencyShares: 7 } } },
    {
      Name: 'web',
      Type: 'Limited',
      NominalConcurrencyShares: 7,
      Queues: '<none>',
      HandSize: '<none>',
      QueueLengthLimit: '<none>',
      Age: '90s',
    },
  ],
  [
    'admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
    {},
    { Name: 'web', Webhooks: 1, Age: '90s' },
  ],
  [
    'admissionregistration.k8s.io/v1/validatingadmissionpolicies',
    { spec: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } } },
    { Name: 'web', Validations: 1, ParamKind: 'v1/ConfigMap', Age: '90s' },
  ],
  [
    'admissionregistration.k8s.io/v1/mutatingadmissionpolicies',
    {},
    { Name: 'web', Mutations: 1, ParamKind: '<unset>', Age: '90s' },
  ],
  [
    'admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
    { spec: { paramRef: { name: 'p' } } },
    { Name: 'web', PolicyName: 'absent', ParamRef: '*/p', Age: '90s' },
  ],
  [
    'resource.k8s.io/v1/resourceclaims',
    { status: { allocation: {}, reservedFor: [{}] } },
    { Name: 'web', State: 'allocated,reserved', Age: '90s' },
  ],
  ['resource.k8s.io/v1/deviceclasses', {}, { Name: 'web', Age: '90s' }],
  [
    'resource.k8s.io/v1/resourceslices',
    { spec: { nodeName: 'n1' } },
    { Name: 'web', Node: 'n1', Driver: 'example.com', Pool: 'web', Age: '90s' },
  ],
];

for (const [path, patch, cells] of CASES) {
  test(`a row of ${path} with ${JSON.stringify(patch).slice(0, 80)}`, () =>
    assert.deepEqual(row(path, patch), cells));
}
