import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '../json.ts';
import { findResource } from '../resources.ts';
import { tableRows } from '../table.ts';
import { humanDuration } from '../time.ts';

const NOW = Date.UTC(2026, 0, 1, 12);

function ago(seconds: number): string {
  return new Date(NOW - seconds * 1000).toISOString();
}

/** Column name → cell. */
function row(group: string, resource: string, object: JsonObject): Record<string, JsonValue> {
  const declaration = findResource(group, 'v1', resource);
  assert.ok(declaration);
  const { columnDefinitions, rows } = tableRows(declaration, [object], NOW);
  const cells = rows[0]?.cells ?? [];
  assert.equal(cells.length, columnDefinitions.length);
  return Object.fromEntries(columnDefinitions.map((column, index) => [column.name, cells[index] ?? null]));
}

function pod(
  status: JsonObject,
  spec: JsonObject = {},
  metadata: JsonObject = {},
): Record<string, JsonValue> {
  return row('', 'pods', {
    metadata: { name: 'web', creationTimestamp: ago(90), ...metadata },
    spec: { containers: [{ name: 'a' }, { name: 'b' }], ...spec },
    status,
  });
}

const RUNNING = { ready: true, restartCount: 0, state: { running: {} } };

test('a running pod', () => {
  const cells = pod(
    {
      phase: 'Running',
      podIP: '10.0.0.7',
      containerStatuses: [
        { ...RUNNING, name: 'a' },
        {
          ...RUNNING,
          name: 'b',
          ready: false,
          restartCount: 3,
          lastState: { terminated: { finishedAt: ago(300) } },
        },
      ],
    },
    { nodeName: 'n1' },
  );
  assert.deepEqual(cells, {
    Name: 'web',
    Ready: '1/2',
    Status: 'Running',
    Restarts: '3 (5m ago)',
    Age: '90s',
    IP: '10.0.0.7',
    Node: 'n1',
    'Nominated Node': '<none>',
    'Readiness Gates': '<none>',
  });
});

const STATUSES: readonly (readonly [string, JsonObject, JsonObject?, JsonObject?])[] = [
  ['Pending', { phase: 'Pending' }],
  [
    'CrashLoopBackOff',
    {
      phase: 'Running',
      containerStatuses: [{ state: { waiting: { reason: 'CrashLoopBackOff' } } }, RUNNING],
    },
  ],
  [
    'ContainerCreating',
    { phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } } }] },
  ],
  [
    'Error',
    { phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 1, reason: 'Error' } } }] },
  ],
  ['ExitCode:3', { phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 3 } } }] }],
  [
    'Signal:9',
    { phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 137, signal: 9 } } }] },
  ],
  [
    'NotReady',
    {
      phase: 'Running',
      containerStatuses: [{ state: { terminated: { exitCode: 0, reason: 'Completed' } } }, RUNNING],
    },
  ],
  [
    'Running',
    {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ state: { terminated: { exitCode: 0, reason: 'Completed' } } }, RUNNING],
    },
  ],
  [
    'Init:1/2',
    {
      phase: 'Pending',
      initContainerStatuses: [
        { name: 'i', state: { terminated: { exitCode: 0 } } },
        { name: 'j', state: { running: {} } },
      ],
    },
    { initContainers: [{ name: 'i' }, { name: 'j' }] },
  ],
  [
    'Init:Error',
    {
      phase: 'Pending',
      initContainerStatuses: [{ name: 'i', state: { terminated: { exitCode: 1, reason: 'Error' } } }],
    },
    { initContainers: [{ name: 'i' }] },
  ],
  [
    'SchedulingGated',
    { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
  ],
  ['Evicted', { phase: 'Failed', reason: 'Evicted' }],
  ['Terminating', { phase: 'Running', containerStatuses: [RUNNING] }, {}, { deletionTimestamp: ago(1) }],
  ['Unknown', { phase: 'Running', reason: 'NodeLost' }, {}, { deletionTimestamp: ago(1) }],
];

test('the status of a pod is what holds it up', () => {
  for (const [expected, status, spec, metadata] of STATUSES) {
    assert.equal(pod(status, spec, metadata)['Status'], expected, JSON.stringify(status));
  }
});

test('a sidecar counts as a container', () => {
  const cells = pod(
    {
      phase: 'Running',
      initContainerStatuses: [{ ...RUNNING, name: 's', started: true, restartCount: 2 }],
      containerStatuses: [RUNNING, RUNNING],
    },
    { initContainers: [{ name: 's', restartPolicy: 'Always' }] },
  );
  assert.equal(cells['Ready'], '3/3');
  assert.equal(cells['Restarts'], '2');
  assert.equal(cells['Status'], 'Running');
});

test('a node', () => {
  const cells = row('', 'nodes', {
    metadata: {
      name: 'n1',
      labels: { 'node-role.kubernetes.io/control-plane': '' },
      creationTimestamp: ago(7200),
    },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '192.0.2.1' }],
      nodeInfo: {
        kubeletVersion: 'v1.36.0',
        osImage: 'Debian',
        kernelVersion: '6.1',
        containerRuntimeVersion: 'x://1',
      },
    },
  });
  assert.deepEqual(cells, {
    Name: 'n1',
    Status: 'Ready,SchedulingDisabled',
    Roles: 'control-plane',
    Age: '120m',
    Version: 'v1.36.0',
    'Internal-IP': '192.0.2.1',
    'External-IP': '<none>',
    'OS-Image': 'Debian',
    'Kernel-Version': '6.1',
    'Container-Runtime': 'x://1',
  });
});

test('a deployment', () => {
  const cells = row('apps', 'deployments', {
    metadata: { name: 'web', creationTimestamp: ago(86_400 * 3) },
    spec: {
      replicas: 3,
      selector: {
        matchLabels: { app: 'web' },
        matchExpressions: [{ key: 't', operator: 'In', values: ['b', 'a'] }],
      },
      template: {
        spec: {
          containers: [
            { name: 'a', image: 'x:1' },
            { name: 'b', image: 'y:2' },
          ],
        },
      },
    },
    status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 },
  });
  assert.deepEqual(cells, {
    Name: 'web',
    Ready: '2/3',
    'Up-to-date': 3,
    Available: 2,
    Age: '3d',
    Containers: 'a,b',
    Images: 'x:1,y:2',
    Selector: 'app=web,t in (a,b)',
  });
});

test('services and endpoints', () => {
  const service = row('', 'services', {
    metadata: { name: 'web', creationTimestamp: ago(5) },
    spec: {
      type: 'NodePort',
      clusterIP: '10.0.0.9',
      selector: { b: '2', a: '1' },
      ports: [
        { port: 80, nodePort: 30_080, protocol: 'TCP' },
        { port: 53, protocol: 'UDP' },
      ],
    },
  });
  assert.deepEqual(service, {
    Name: 'web',
    Type: 'NodePort',
    'Cluster-IP': '10.0.0.9',
    'External-IP': '<none>',
    'Port(s)': '80:30080/TCP,53/UDP',
    Age: '5s',
    Selector: 'a=1,b=2',
  });
  const endpoints = ['1', '2', '3', '4', '5'].map((n): JsonObject => ({ addresses: [`10.0.0.${n}`] }));
  const slice = row('discovery.k8s.io', 'endpointslices', {
    metadata: { name: 'web-x' },
    addressType: 'IPv4',
    endpoints,
    ports: [{ port: 80 }],
  });
  assert.deepEqual(slice, {
    Name: 'web-x',
    AddressType: 'IPv4',
    Ports: '80',
    Endpoints: '10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...',
    Age: '<unknown>',
  });
});

test('an event, in both of its groups', () => {
  const core = row('', 'events', {
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', name: 'web' },
    type: 'Normal',
    reason: 'Started',
    message: 'Started container\n',
    count: 2,
    firstTimestamp: ago(60),
    lastTimestamp: ago(10),
    source: { component: 'kubelet', host: 'n1' },
  });
  assert.equal(core['Last Seen'], '10s');
  assert.equal(core['Object'], 'pod/web');
  assert.equal(core['Message'], 'Started container');
  assert.equal(core['Source'], 'kubelet, n1');
  const newer = row('events.k8s.io', 'events', {
    metadata: { name: 'e' },
    regarding: { kind: 'Pod', name: 'web' },
    note: 'hi',
    eventTime: ago(3),
    reportingController: 'c',
  });
  assert.equal(newer['Last Seen'], '3s');
  assert.equal(newer['Message'], 'hi');
  assert.equal(newer['Source'], 'c');
});

test('ages get coarser as they grow', () => {
  const cases: readonly (readonly [number, string])[] = [
    [-5, '<invalid>'],
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [192, '3m12s'],
    [600, '10m'],
    [3 * 3600, '3h'],
    [3 * 3600 + 300, '3h5m'],
    [47 * 3600, '47h'],
    [50 * 3600, '2d2h'],
    [9 * 86_400, '9d'],
    [800 * 86_400, '2y70d'],
    [3000 * 86_400, '8y'],
  ];
  for (const [seconds, expected] of cases) assert.equal(humanDuration(seconds * 1000), expected);
});

test('what has been initialized once is shown by what its containers do now', () => {
  const again = {
    phase: 'Running',
    conditions: [{ type: 'Initialized', status: 'True' }],
    initContainerStatuses: [
      { name: 'i', state: { waiting: { reason: 'PodInitializing' } }, restartCount: 4 },
    ],
    containerStatuses: [{ ...RUNNING, name: 'a', restartCount: 1 }],
  };
  const spec = { containers: [{ name: 'a' }], initContainers: [{ name: 'i' }] };
  const { Ready, Status, Restarts } = pod(again, spec);
  assert.deepEqual({ Ready, Status, Restarts }, { Ready: '1/1', Status: 'Init:0/1', Restarts: '1' });
  const { Status: before } = pod({ ...again, conditions: [] }, spec);
  assert.equal(before, 'Init:0/1');
});

test('restarts of init containers that have not had their turn do not count', () => {
  const status = {
    phase: 'Pending',
    initContainerStatuses: [
      { name: 'i', restartCount: 2, state: { waiting: { reason: 'CrashLoopBackOff' } } },
      { name: 'j', restartCount: 5, state: { waiting: {} } },
    ],
  };
  const { Status, Restarts } = pod(status, { initContainers: [{ name: 'i' }, { name: 'j' }] });
  assert.deepEqual({ Status, Restarts }, { Status: 'Init:CrashLoopBackOff', Restarts: '2' });
});

test('rows of pods say that they have ended', () => {
  const declaration = findResource('', 'v1', 'pods');
  assert.ok(declaration);
  const conditions = (phase: string): unknown =>
    tableRows(declaration, [{ metadata: {}, status: { phase } }], NOW).rows[0]?.conditions;
  assert.equal(conditions('Running'), undefined);
  const failed = { type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' };
  assert.deepEqual(conditions('Failed'), [failed]);
});

test('endpoints that are not ready are not no endpoints', () => {
  const cell = (object: JsonObject): unknown =>
    row('', 'endpoints', { metadata: {}, ...object })['Endpoints'];
  assert.equal(cell({}), '<none>');
  assert.equal(cell({ subsets: [{ notReadyAddresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] }), '');
  const addresses = ['1', '2', '3', '4'].map((last) => ({ ip: `10.0.0.${last}` }));
  assert.equal(
    cell({ subsets: [{ addresses, ports: [{ port: 80 }] }] }),
    '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...',
  );
});
