import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { objectsAt, type JsonObject } from '../../../api/json.ts';
import type { UserInfo } from '../../../api/transport.ts';
import type { KubeObject } from '../../object.ts';
import { pod, TestServer, type Answer } from '../../testing/test-server.ts';

const PODS = '/api/v1/namespaces/default/pods';
const CLAIMS = '/api/v1/namespaces/default/persistentvolumeclaims';
const MERGE = { 'content-type': 'application/merge-patch+json' };

const priorityClass = (name: string, value: number, more: JsonObject = {}): JsonObject => ({
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  metadata: { name },
  value,
  ...more,
});
const CLASSES = '/apis/scheduling.k8s.io/v1/priorityclasses';

test('some namespaces are never deleted, and none takes objects while it goes', async () => {
  await using api = await TestServer.open();
  const refused = await api.call('DELETE', '/api/v1/namespaces/kube-system');
  assert.equal(refused.status, 403);
  assert.equal(
    refused.body.message,
    'namespaces "kube-system" is forbidden: this namespace may not be deleted',
  );
  const nowhere = await api.call('POST', '/api/v1/namespaces/nowhere/pods', pod('a'));
  assert.deepEqual([nowhere.status, nowhere.body.message], [404, 'namespaces "nowhere" not found']);
});

test('a pod has the priority of its class, or of the default one', async () => {
  await using api = await TestServer.open();
  const plain = await api.create(PODS, pod('plain'));
  assert.deepEqual(
    [plain.spec?.['priority'], plain.spec?.['preemptionPolicy'], plain.spec?.['priorityClassName']],
    [0, 'PreemptLowerPriority', undefined],
  );
  await api.create(CLASSES, priorityClass('high', 1000, { preemptionPolicy: 'Never' }));
  await api.create(CLASSES, priorityClass('usual', 5, { globalDefault: true }));
  const high = await api.create(PODS, pod('high', { priorityClassName: 'high' }));
  assert.deepEqual([high.spec?.['priority'], high.spec?.['preemptionPolicy']], [1000, 'Never']);
  const usual = await api.create(PODS, pod('usual'));
  assert.deepEqual([usual.spec?.['priority'], usual.spec?.['priorityClassName']], [5, 'usual']);
  const none = await api.call('POST', PODS, pod('none', { priorityClassName: 'missing' }));
  assert.equal(none.body.message, 'pods "none" is forbidden: no PriorityClass with name missing was found');
  const empty = await api.call('POST', PODS, pod('empty', { preemptionPolicy: '' }));
  assert.match(empty.body.message ?? '', /the string value of PreemptionPolicy \(\) must not be provided/);
  const forged = await api.call('POST', PODS, pod('forged', { priority: 7 }));
  assert.match(forged.body.message ?? '', /the integer value of priority \(7\) must not be provided/);
  const second = await api.call('POST', CLASSES, priorityClass('other', 1, { globalDefault: true }));
  assert.match(second.body.message ?? '', /PriorityClass usual is already marked as default/);
});

test('pods tolerate short absences of their node; new nodes are tainted', async () => {
  await using api = await TestServer.open();
  const own = {
    key: 'node.kubernetes.io/not-ready',
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 1,
  };
  const made = await api.create(PODS, pod('a', { tolerations: [own] }));
  assert.deepEqual(
    objectsAt(made, 'spec', 'tolerations').map(({ key, tolerationSeconds }) => [key, tolerationSeconds]),
    [
      ['node.kubernetes.io/not-ready', 1],
      ['node.kubernetes.io/unreachable', 300],
    ],
  );
  const node = await api.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } });
  assert.deepEqual(node.spec?.['taints'], [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
});

const account = (name: string, more: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name },
  ...more,
});
const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts';

test('a pod runs as an account that exists and gets its token', async () => {
  await using api = await TestServer.open({ admissionOptions: { mountTokens: true } });
  const missing = await api.call('POST', PODS, pod('a'));
  assert.equal(
    missing.body.message,
    'pods "a" is forbidden: error looking up service account default/default: serviceaccount "default" not found',
  );
  const unnamed = await api.call('POST', PODS, pod('a', { serviceAccountName: '../up' }));
  assert.equal(
    unnamed.body.message,
    `pods "a" is forbidden: error looking up service account default/../up: invalid resource name "../up": [may not contain '/']`,
  );
  await api.create(ACCOUNTS, account('default', { imagePullSecrets: [{ name: 'registry' }] }));
  const made = await api.create(PODS, pod('a'));
  const [volume] = objectsAt(made, 'spec', 'volumes');
  const name = volume?.['name'] as string;
  assert.match(name, /^kube-api-access-[a-z0-9]{5}$/);
  assert.deepEqual(volume?.['projected'], {
    defaultMode: 420,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
  });
  const [container] = objectsAt(made, 'spec', 'containers');
  assert.deepEqual(container?.['volumeMounts'], [
    { name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
  ]);
  assert.deepEqual(
    [made.spec?.['serviceAccountName'], made.spec?.['serviceAccount'], made.spec?.['imagePullSecrets']],
    ['default', 'default', [{ name: 'registry' }]],
  );
  const without = await api.create(PODS, pod('b', { automountServiceAccountToken: false }));
  assert.equal(without.spec?.['volumes'], undefined);
  await api.create(ACCOUNTS, account('quiet', { automountServiceAccountToken: false }));
  const quiet = await api.create(PODS, pod('c', { serviceAccountName: 'quiet' }));
  assert.equal(quiet.spec?.['volumes'], undefined);
});

test('limit ranges fill in and bound', async () => {
  await using api = await TestServer.open();
  await api.create('/api/v1/namespaces/default/limitranges', {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'limits' },
    spec: {
      limits: [
        {
          type: 'Container',
          default: { cpu: '500m', memory: '100Mi' },
          defaultRequest: { cpu: '250m' },
          max: { cpu: '1', memory: '200Mi' },
          min: { cpu: '100m' },
          maxLimitRequestRatio: { cpu: '4' },
        },
        { type: 'Pod', max: { cpu: '1500m' } },
        { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } },
      ],
    },
  });
  const made = await api.create(PODS, pod('a'));
  const [container] = objectsAt(made, 'spec', 'containers');
  assert.deepEqual(container?.['resources'], {
    limits: { cpu: '500m', memory: '100Mi' },
    requests: { cpu: '250m', memory: '100Mi' },
  });
  assert.equal(
    made.metadata.annotations?.['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu, memory request for container main; cpu, memory limit for container main',
  );
  const wanting = (name: string, resources: JsonObject): unknown =>
    pod(name, { containers: [{ name: 'main', image: 'x', resources }] });
  const cases: readonly [JsonObject, string][] = [
    [
      { limits: { cpu: '2' }, requests: { cpu: '1' } },
      'maximum cpu usage per Container is 1, but limit is 2',
    ],
    [{ requests: { cpu: '50m' } }, 'minimum cpu usage per Container is 100m, but request is 50m'],
    [
      { limits: { cpu: '900m' }, requests: { cpu: '100m' } },
      'cpu max limit to request ratio per Container is 4, but provided ratio is 9.000000',
    ],
  ];
  for (const [resources, text] of cases) {
    const refused = await api.call('POST', PODS, wanting('b', resources));
    assert.equal(refused.status, 403);
    assert.ok(refused.body.message?.includes(text), refused.body.message ?? '');
  }
  const two = { name: 'main', image: 'x', resources: { limits: { cpu: '800m' }, requests: { cpu: '800m' } } };
  const both = await api.call('POST', PODS, pod('c', { containers: [two, { ...two, name: 'other' }] }));
  assert.match(both.body.message ?? '', /maximum cpu usage per Pod is 1500m, but limit is 1600m/);
  const small = await api.call('POST', CLAIMS, claim('small', '1Mi'));
  assert.match(
    small.body.message ?? '',
    /minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi/,
  );
  await api.create('/api/v1/namespaces/default/limitranges', {
    metadata: { name: 'more' },
    spec: { limits: [{ type: 'Container', max: { cpu: '500m' } }] },
  });
  const large = await api.call('POST', PODS, wanting('d', { limits: { cpu: '2' }, requests: { cpu: '2' } }));
  assert.doesNotMatch(large.body.message ?? '', / 500m/, 'the first that refuses speaks');
});

test('an account may let its pods name its own secrets alone', async () => {
  await using api = await TestServer.open({ admissionOptions: { mountTokens: false } });
  await api.create('/api/v1/namespaces/default/serviceaccounts', {
    metadata: { name: 'strict', annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
  });
  const message = async (more: JsonObject, volumes: JsonObject[] = []): Promise<string> => {
    const containers = [{ name: 'c', image: 'i', ...more }];
    const made = pod('p', { serviceAccountName: 'strict', containers, volumes });
    return (await api.call('POST', `${PODS}?dryRun=All`, made)).body.message ?? '';
  };
  const why = 'is not allowed because service account strict does not reference that secret';
  const from = { secretKeyRef: { name: 's', key: 'k' } };
  assert.ok(
    (await message({ env: [{ name: 'A', valueFrom: from }] })).endsWith(
      `container c with envVar A referencing secret.secretName="s" ${why}`,
    ),
  );
  assert.ok(
    (await message({ envFrom: [{ secretRef: { name: 's' } }] })).endsWith(
      `container c with envFrom referencing secret.secretName="s" ${why}`,
    ),
  );
  const projected = { name: 'v', projected: { sources: [{ secret: { name: 's' } }] } };
  assert.equal(await message({}, [projected]), '');
});

function claim(name: string, storage: string, more: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, ...more },
  };
}

test('claims and ingresses get the class that is marked as default; claims are held and grow where they may', async () => {
  await using api = await TestServer.open();
  const mark = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  const storageClass = (name: string, annotations: JsonObject, more: JsonObject = {}): JsonObject => ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name, annotations },
    provisioner: 'example.com/disk',
    ...more,
  });
  const STORAGE = '/apis/storage.k8s.io/v1/storageclasses';
  await api.create(STORAGE, storageClass('old', mark));
  await api.clock.advance(1000);
  await api.create(STORAGE, storageClass('new', mark, { allowVolumeExpansion: true }));
  const made = await api.create(CLAIMS, claim('a', '1Gi'));
  assert.equal(made.spec?.['storageClassName'], 'new');
  assert.deepEqual(made.metadata.finalizers, ['kubernetes.io/pvc-protection']);
  const none = await api.create(CLAIMS, claim('b', '1Gi', { storageClassName: '' }));
  assert.equal(none.spec?.['storageClassName'], '');
  await api.create(CLAIMS, claim('fixed', '1Gi', { storageClassName: 'old' }));
  const grow = async (name: string): Promise<Answer> => {
    await api.call('PATCH', `${CLAIMS}/${name}/status`, { status: { phase: 'Bound' } }, MERGE);
    const spec = { resources: { requests: { storage: '2Gi' } } };
    return await api.call('PATCH', `${CLAIMS}/${name}`, { spec }, MERGE);
  };
  assert.match((await grow('fixed')).body.message ?? '', /only dynamically provisioned pvc can be resized/);
  const grown = await grow('a');
  assert.equal(grown.status, 200, grown.body.message ?? '');

  await api.create('/apis/networking.k8s.io/v1/ingressclasses', {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name: 'edge', annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
    spec: { controller: 'example.com/edge' },
  });
  const ingress = await api.create('/apis/networking.k8s.io/v1/namespaces/default/ingresses', {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'a' },
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
  });
  assert.equal(ingress.spec?.['ingressClassName'], 'edge');
});

test('a runtime class brings its overhead and where it runs', async () => {
  await using api = await TestServer.open();
  await api.create('/apis/node.k8s.io/v1/runtimeclasses', {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'vm' },
    handler: 'vm',
    overhead: { podFixed: { memory: '64Mi' } },
    scheduling: { nodeSelector: { vm: 'yes' }, tolerations: [{ key: 'vm', operator: 'Exists' }] },
  });
  const made = await api.create(PODS, pod('a', { runtimeClassName: 'vm' }));
  assert.deepEqual(made.spec?.['overhead'], { memory: '64Mi' });
  assert.deepEqual(made.spec?.['nodeSelector'], { vm: 'yes' });
  assert.ok(objectsAt(made, 'spec', 'tolerations').some(({ key }) => key === 'vm'));
  const cases: readonly [JsonObject, RegExp][] = [
    [{ runtimeClassName: 'no' }, /pod rejected: RuntimeClass "no" not found/],
    [{ runtimeClassName: 'vm', overhead: { memory: '1Mi' } }, /Overhead doesn't match RuntimeClass/],
    [{ overhead: { memory: '1Mi' } }, /Pod Overhead set without corresponding RuntimeClass/],
    [
      { runtimeClassName: 'vm', nodeSelector: { vm: 'no' } },
      /conflict: runtimeClass.scheduling.nodeSelector\[vm\]/,
    ],
  ];
  for (const [spec, text] of cases) {
    const { status, body } = await api.call('POST', PODS, pod('b', spec));
    assert.equal(status, 403);
    assert.match(body.message ?? '', text);
  }
  for (const [runtimeClassName, text] of [
    ['a/b', `invalid resource name "a/b": [may not contain '/']`],
    ['', 'resource name may not be empty'],
  ]) {
    const { status, body } = await api.call('POST', PODS, pod('b', { runtimeClassName }));
    assert.deepEqual([status, body.message], [500, text]);
  }
});

const NODE: UserInfo = { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };

async function asNode(
  api: TestServer,
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; message: string }> {
  const bytes = body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) };
  const response = await api.server.handle({ method, url, headers, ...bytes }, NODE);
  const answer = JSON.parse(Buffer.from(response.body as Uint8Array).toString()) as { message?: string };
  return { status: response.status, message: answer.message ?? '' };
}

test('a node writes itself and what runs on it, and nothing else', async () => {
  await using api = await TestServer.open();
  const node = (name: string, more: JsonObject = {}): JsonObject => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...more },
  });
  const other = await asNode(api, 'POST', '/api/v1/nodes', node('n2'));
  assert.match(other.message, /node "n1" is not allowed to modify node "n2"/);
  const labels = { 'node-restriction.kubernetes.io/a': 'b', 'kubernetes.io/hostname': 'n1' };
  const labelled = await asNode(api, 'POST', '/api/v1/nodes', node('n1', { labels }));
  assert.match(
    labelled.message,
    /not allowed to set the following labels: node-restriction.kubernetes.io\/a$/,
  );
  assert.equal((await asNode(api, 'POST', '/api/v1/nodes', node('n1'))).status, 201);
  const taints = await asNode(api, 'PATCH', '/api/v1/nodes/n1', { spec: { taints: [] } }, MERGE);
  assert.match(taints.message, /node "n1" is not allowed to modify taints/);

  await api.create(PODS, pod('mine', { nodeName: 'n1' }));
  await api.create(PODS, pod('theirs', { nodeName: 'n2' }));
  const status = { status: { phase: 'Running' } };
  assert.equal((await asNode(api, 'PATCH', `${PODS}/mine/status`, status, MERGE)).status, 200);
  const theirs = await asNode(api, 'PATCH', `${PODS}/theirs/status`, status, MERGE);
  assert.match(theirs.message, /can only update pod status for pods with spec.nodeName set to itself/);
  assert.match((await asNode(api, 'DELETE', `${PODS}/theirs`)).message, /can only delete pods with/);
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'theirs' } };
  const evicted = await asNode(api, 'POST', `${PODS}/theirs/eviction`, eviction);
  assert.match(evicted.message, /node n1 can only evict pods with spec.nodeName set to itself/);
  const made = await asNode(api, 'POST', PODS, pod('new', { nodeName: 'n1' }));
  assert.match(made.message, /pod does not have "kubernetes.io\/config.mirror" annotation/);
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'n2' } };
  const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  assert.match(
    (await asNode(api, 'POST', LEASES, lease)).message,
    /can only access node lease with the same name/,
  );
});

test('nobody gets a certificate of the administrators group, and signers need leave', async () => {
  await using api = await TestServer.open();
  const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
  const signing = (name: string, organization: string): KubeObject => ({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
      request: signingRequest(organization),
    },
  });
  const masters = await api.call('POST', REQUESTS, signing('a', 'system:masters'));
  assert.match(masters.body.message ?? '', /signer with system:masters group is not allowed/);
  const made = await api.call('POST', REQUESTS, signing('b', 'users'));
  assert.equal(made.status, 201, made.body.message ?? '');
});

/** Base64 of a PEM request, made by OpenSSL. */
function signingRequest(organization: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'csr-'));
  try {
    const out = join(folder, 'r.pem');
    const key = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      join(folder, 'k.pem'),
    ];
    execFileSync('openssl', ['req', '-new', ...key, '-subj', `/O=${organization}/CN=x`, '-out', out], {
      stdio: 'pipe',
    });
    return readFileSync(out).toString('base64');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a pod that gets a node is labelled with where that is', async () => {
  await using api = await TestServer.open();
  const zone = { 'topology.kubernetes.io/zone': 'z1', 'topology.kubernetes.io/region': 'r1' };
  await api.create('/api/v1/nodes', { metadata: { name: 'n1', labels: { ...zone, other: 'x' } } });
  const direct = await api.create(PODS, pod('direct', { nodeName: 'n1' }));
  assert.deepEqual(direct.metadata.labels, zone);
  const made = pod('bound') as { metadata: JsonObject };
  await api.create(PODS, {
    ...made,
    metadata: { name: 'bound', labels: { app: 'web', 'topology.kubernetes.io/zone': 'elsewhere' } },
  });
  const status = { nominatedNodeName: 'n2' };
  await api.call('PATCH', `${PODS}/bound/status`, { status }, MERGE);
  const binding = { metadata: { name: 'bound' }, target: { kind: 'Node', name: 'n1' } };
  assert.equal((await api.call('POST', `${PODS}/bound/binding`, binding)).status, 201);
  const bound = (await api.call('GET', `${PODS}/bound`)).body;
  assert.deepEqual(bound.metadata.labels, { app: 'web', ...zone });
  assert.equal(bound.status?.['nominatedNodeName'], undefined);
  const listed = await api.call('GET', `${PODS}?fieldSelector=spec.host%3Dn1`);
  assert.deepEqual(
    listed.body.items?.map(({ metadata }) => metadata.name),
    ['bound', 'direct'],
  );
});
