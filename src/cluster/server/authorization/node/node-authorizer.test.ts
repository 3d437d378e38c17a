import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringAt, type JsonObject } from '../../../api/json.ts';
import type { ApiRequest, UserInfo } from '../../../api/transport.ts';
import { wholeBody } from '../../encoding/list-body.ts';
import type { KubeObject } from '../../object.ts';
import { configMap, pod, TestServer } from '../../testing/test-server.ts';

const DEFAULT = '/api/v1/namespaces/default';
const node = (name: string): UserInfo => ({
  name: `system:node:${name}`,
  groups: ['system:nodes', 'system:authenticated'],
});
const N1 = node('n1');

interface Answered {
  readonly status: number;
  readonly message: string;
  readonly body: JsonObject;
}

async function as(
  api: TestServer,
  user: UserInfo,
  [method, url, sent]: readonly [ApiRequest['method'], string, unknown?],
): Promise<Answered> {
  const body = sent === undefined ? {} : { body: Buffer.from(JSON.stringify(sent)) };
  const stop = new AbortController();
  const headers = {
    'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
  };
  const answer = await api.server.handle({ method, url, headers, signal: stop.signal, ...body }, user);
  if (url.includes('watch=')) {
    stop.abort();
    if (answer.status === 200) return { status: 200, message: '', body: {} };
  }
  const parsed = JSON.parse(Buffer.from(await wholeBody(answer.body)).toString()) as JsonObject;
  return { status: answer.status, message: stringAt(parsed, 'message'), body: parsed };
}

async function reads(api: TestServer, user: UserInfo, url: string): Promise<number> {
  return (await as(api, user, ['GET', url])).status;
}

const secret = (name: string): unknown => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name } });

/** A pod that names one of everything, bound to n1, beside things that nobody names. */
async function opened(): Promise<TestServer> {
  const api = await TestServer.open();
  for (const name of ['env', 'volume', 'projected', 'pull', 'csi', 'of-volume', 'unrelated']) {
    await api.create(`${DEFAULT}/secrets`, secret(name));
  }
  for (const name of ['settings', 'unrelated']) await api.create(`${DEFAULT}/configmaps`, configMap(name));
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, volumeName: 'disk' },
  };
  await api.create(`${DEFAULT}/persistentvolumeclaims`, claim);
  await api.create('/api/v1/persistentvolumes', {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'disk' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      claimRef: { namespace: 'default', name: 'data' },
      csi: {
        driver: 'csi.example.com',
        volumeHandle: 'v',
        nodeStageSecretRef: { namespace: 'default', name: 'of-volume' },
        controllerPublishSecretRef: { namespace: 'default', name: 'unrelated' },
      },
    },
  });
  await api.create(
    `${DEFAULT}/pods`,
    pod('web', {
      nodeName: 'n1',
      serviceAccountName: 'robot',
      imagePullSecrets: [{ name: 'pull' }],
      containers: [
        {
          name: 'main',
          image: 'busybox',
          env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'env', key: 'a' } } }],
          envFrom: [{ configMapRef: { name: 'settings' } }],
        },
      ],
      volumes: [
        { name: 'a', secret: { secretName: 'volume' } },
        { name: 'b', projected: { sources: [{ secret: { name: 'projected' } }] } },
        { name: 'c', persistentVolumeClaim: { claimName: 'data' } },
        { name: 'd', csi: { driver: 'csi.example.com', nodePublishSecretRef: { name: 'csi' } } },
      ],
    }),
  );
  return api;
}

test('a node reads what its pods name, and nothing else', async () => {
  await using api = await opened();
  for (const name of ['env', 'volume', 'projected', 'pull', 'csi', 'of-volume']) {
    assert.equal(await reads(api, N1, `${DEFAULT}/secrets/${name}`), 200, name);
    assert.equal(await reads(api, node('n2'), `${DEFAULT}/secrets/${name}`), 403, name);
  }
  const one = `${DEFAULT}/secrets?fieldSelector=metadata.name%3Denv`;
  assert.equal(await reads(api, N1, one), 200);
  assert.equal(await reads(api, N1, `${one}&watch=1`), 200);
  assert.equal(await reads(api, N1, `${DEFAULT}/configmaps/settings`), 200);
  assert.equal(await reads(api, N1, `${DEFAULT}/persistentvolumeclaims/data`), 200);
  assert.equal(await reads(api, N1, '/api/v1/persistentvolumes/disk'), 200);
  const refused = await as(api, N1, ['GET', `${DEFAULT}/secrets/unrelated`]);
  assert.equal(refused.status, 403);
  assert.equal(
    refused.message,
    `secrets "unrelated" is forbidden: User "system:node:n1" cannot get resource "secrets" in API group "" in the namespace "default": no relationship found between node 'n1' and this object`,
  );
  const cases: readonly [url: string, why: RegExp][] = [
    [`${DEFAULT}/configmaps/unrelated`, /no relationship found between node 'n1' and this object$/],
    [`${DEFAULT}/secrets`, /: No Object name found$/],
    ['/api/v1/secrets', /at the cluster scope: can only read namespaced object of this type$/],
    [`${DEFAULT}/persistentvolumeclaims`, /: can only get individual resources of this type$/],
    ['/api/v1/pods', /: can only list\/watch pods with spec.nodeName field selector$/],
    ['/api/v1/nodes', /: node 'n1' cannot read all nodes, only its own Node object$/],
    ['/api/v1/nodes/n2', /: node 'n1' cannot read 'n2', only its own Node object$/],
    [`${DEFAULT}/endpoints`, /in the namespace "default"$/],
  ];
  for (const [url, why] of cases) {
    const { status, message } = await as(api, N1, ['GET', url]);
    assert.equal(status, 403, url);
    assert.match(message, why);
  }
});

test('relations come and go with the pods, whatever they were called before', async () => {
  await using api = await opened();
  const url = `${DEFAULT}/secrets/env`;
  assert.equal(await reads(api, N1, url), 200);
  await api.call('DELETE', `${DEFAULT}/pods/web`, { gracePeriodSeconds: 0 });
  assert.equal(await reads(api, N1, url), 403);
  const naming = (nodeName?: string): unknown =>
    pod('web', {
      ...(nodeName !== undefined && { nodeName }),
      volumes: [{ name: 'a', secret: { secretName: 'env' } }],
    });
  await api.create(`${DEFAULT}/pods`, naming('n2'));
  assert.equal(await reads(api, N1, url), 403);
  assert.equal(await reads(api, node('n2'), url), 200);
  await api.call('DELETE', `${DEFAULT}/pods/web`, { gracePeriodSeconds: 0 });
  await api.create(`${DEFAULT}/pods`, naming());
  assert.equal(await reads(api, N1, url), 403);
  await api.create(`${DEFAULT}/pods/web/binding`, {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'web' },
    target: { apiVersion: 'v1', kind: 'Node', name: 'n1' },
  });
  assert.equal(await reads(api, N1, url), 200);
});

test('a mirror pod lets its node read nothing', async () => {
  await using api = await TestServer.open();
  await api.create(`${DEFAULT}/secrets`, secret('env'));
  const mirror = pod('static', {
    nodeName: 'n1',
    volumes: [{ name: 'a', secret: { secretName: 'env' } }],
  }) as KubeObject;
  mirror.metadata.annotations = { 'kubernetes.io/config.mirror': 'x' };
  await api.create(`${DEFAULT}/pods`, mirror);
  assert.equal(await reads(api, N1, `${DEFAULT}/secrets/env`), 403);
  assert.equal(await reads(api, N1, `${DEFAULT}/pods/static`), 200);
});

test('a node sees its own pods, itself, its lease, and what every node needs', async () => {
  await using api = await opened();
  await api.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  const allowed = [
    '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1',
    '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1,status.phase!%3DFailed&watch=1',
    `${DEFAULT}/pods/web`,
    '/api/v1/nodes/n1',
    '/api/v1/nodes?fieldSelector=metadata.name%3Dn1',
    '/api/v1/services',
    '/apis/storage.k8s.io/v1/csidrivers',
    '/apis/node.k8s.io/v1/runtimeclasses',
    '/apis/certificates.k8s.io/v1/certificatesigningrequests',
    '/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dn1',
  ];
  for (const url of allowed) assert.equal(await reads(api, N1, url), 200, url);
  const refused = [
    '/api/v1/pods?fieldSelector=spec.nodeName%3Dn2',
    '/api/v1/pods?fieldSelector=spec.nodeName!%3Dn1',
    '/apis/resource.k8s.io/v1/resourceslices',
    '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases',
    '/apis/coordination.k8s.io/v1/namespaces/default/leases/n1',
    '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2',
    '/apis/storage.k8s.io/v1/csinodes/n2',
    '/apis/storage.k8s.io/v1/volumeattachments/none',
    '/apis/apps/v1/deployments',
  ];
  for (const url of refused) assert.equal(await reads(api, N1, url), 403, url);
  assert.equal(await reads(api, node('n2'), `${DEFAULT}/pods/web`), 403);
  const attachment = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'VolumeAttachment',
    metadata: { name: 'a' },
    spec: { attacher: 'csi.example.com', nodeName: 'n1', source: { persistentVolumeName: 'disk' } },
  };
  await api.create('/apis/storage.k8s.io/v1/volumeattachments', attachment);
  assert.equal(await reads(api, N1, '/apis/storage.k8s.io/v1/volumeattachments/a'), 200);
  assert.equal(await reads(api, node('n2'), '/apis/storage.k8s.io/v1/volumeattachments/a'), 403);
  assert.equal((await as(api, N1, ['DELETE', `${DEFAULT}/secrets/env`])).status, 403);
});

test('a user in the group who is no node in particular is told so', async () => {
  await using api = await opened();
  const nameless = { name: 'system:node:', groups: ['system:nodes', 'system:authenticated'] };
  const { status, message } = await as(api, nameless, ['GET', '/api/v1/services']);
  assert.equal(status, 403);
  assert.match(message, /: unknown node for user "system:node:"$/);
  const stranger = { name: 'alice', groups: ['system:nodes', 'system:authenticated'] };
  assert.equal(await reads(api, stranger, '/api/v1/services'), 403);
});

test('reviews: of selectors, and of what a node may do', async () => {
  await using api = await opened();
  const reviews = '/apis/authorization.k8s.io/v1';
  const ask = async (resourceAttributes: JsonObject): Promise<JsonObject> => {
    const { user, groups } = { user: N1.name, groups: [...N1.groups] };
    const spec = { user, groups, resourceAttributes };
    return (await api.call('POST', `${reviews}/subjectaccessreviews`, { spec })).body;
  };
  const pods = { verb: 'list', resource: 'pods', version: 'v1' };
  const narrowed = { key: 'spec.nodeName', operator: 'In', values: ['n1'] };
  assert.deepEqual((await ask({ ...pods, fieldSelector: { requirements: [narrowed] } }))['status'], {
    allowed: true,
  });
  assert.deepEqual((await ask({ ...pods, fieldSelector: { rawSelector: 'spec.nodeName=n1' } }))['status'], {
    allowed: true,
  });
  assert.deepEqual((await ask(pods))['status'], {
    allowed: false,
    reason: 'can only list/watch pods with spec.nodeName field selector',
  });
  const both = { rawSelector: 'a=b', requirements: [narrowed] };
  assert.match(
    stringAt(await ask({ ...pods, fieldSelector: both }), 'message'),
    /may not specified at the same time/,
  );
  const empty = await ask({ ...pods, labelSelector: {} });
  assert.match(
    stringAt(empty, 'message'),
    /spec\.resourceAttributes\.labelSelector\.requirements: Required value: when spec\.resourceAttributes\.labelSelector is specified/,
  );
  const rules = await as(api, N1, [
    'POST',
    `${reviews}/selfsubjectrulesreviews`,
    { spec: { namespace: 'default' } },
  ]);
  const { incomplete, evaluationError } = rules.body['status'] as JsonObject;
  assert.deepEqual(
    [incomplete, evaluationError],
    [true, 'node authorizer does not support user rule resolution'],
  );
});
