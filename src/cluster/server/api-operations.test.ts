/** What Kubernetes' conformance asks of every kind's API: all verbs, its status apart, events of each change. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { objectsAt, type JsonObject } from '../api/json.ts';
import { TestServer } from './testing/test-server.ts';

const MERGE = { 'content-type': 'application/merge-patch+json' };
const MINE = 'labelSelector=mine%3Dyes';

interface Kind {
  readonly path: string;
  readonly content: JsonObject;
  /** A merge patch of something else than metadata. */
  readonly change: JsonObject;
  readonly status?: true;
}

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const FLOWS = '/apis/flowcontrol.apiserver.k8s.io/v1';
const deployments = {
  resourceRules: [
    { operations: ['CREATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] },
  ],
};
const mutation = {
  patchType: 'ApplyConfiguration',
  applyConfiguration: { expression: 'Object{metadata: Object.metadata{annotations: {"a": "b"}}}' },
};
const anyone = {
  subjects: [{ kind: 'User', user: { name: 'nobody' } }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
};

const KINDS: readonly Kind[] = [
  {
    path: `${FLOWS}/flowschemas`,
    content: {
      spec: {
        matchingPrecedence: 10_000,
        priorityLevelConfiguration: { name: 'global-default' },
        rules: [anyone],
      },
    },
    change: { spec: { matchingPrecedence: 9999 } },
    status: true,
  },
  {
    path: `${FLOWS}/prioritylevelconfigurations`,
    content: {
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
    },
    change: { spec: { limited: { nominalConcurrencyShares: 4 } } },
    status: true,
  },
  {
    path: `${ADMISSION}/validatingadmissionpolicies`,
    content: {
      spec: { validations: [{ expression: 'object.spec.replicas <= 9' }], matchConstraints: deployments },
    },
    change: { spec: { failurePolicy: 'Ignore' } },
    status: true,
  },
  {
    path: `${ADMISSION}/validatingadmissionpolicybindings`,
    content: { spec: { policyName: 'some.example.com', validationActions: ['Deny'] } },
    change: { spec: { validationActions: ['Warn'] } },
  },
  {
    path: `${ADMISSION}/mutatingadmissionpolicies`,
    content: {
      spec: { reinvocationPolicy: 'Never', mutations: [mutation], matchConstraints: deployments },
    },
    change: { spec: { failurePolicy: 'Ignore' } },
  },
  {
    path: `${ADMISSION}/mutatingadmissionpolicybindings`,
    content: { spec: { policyName: 'some.example.com' } },
    change: { spec: { matchResources: { namespaceSelector: { matchLabels: { a: 'b' } } } } },
  },
  {
    path: '/api/v1/namespaces/default/resourcequotas',
    content: { spec: { hard: { cpu: '1' } } },
    change: { spec: { hard: { cpu: '2' } } },
    status: true,
  },
];

for (const { path, content, change, status } of KINDS) {
  test(`${path.split('/').at(-1)}: created, found, changed, watched, deleted one by one and together`, async () => {
    await using server = await TestServer.open();
    const made = [];
    for (let i = 0; i < 3; i++)
      made.push(
        await server.create(path, {
          metadata: { generateName: 'one-', labels: { mine: 'yes' } },
          ...content,
        }),
      );
    const name = made[0]?.metadata.name;
    const list = await server.call('GET', `${path}?${MINE}`);
    assert.equal(list.body.items?.length, 3);
    const since = list.body.metadata.resourceVersion;
    const watch = await server.watch(`${path}?watch=1&${MINE}&resourceVersion=${since}`);

    const note = { metadata: { annotations: { patched: 'true' } } };
    const patched = await server.call('PATCH', `${path}/${name}`, { ...note, ...change }, MERGE);
    assert.equal(patched.status, 200, patched.body.message ?? '');
    assert.ok(Number(patched.body.metadata.resourceVersion) > Number(made[0]?.metadata.resourceVersion));
    for (let seen = false; !seen;) {
      const frame = await watch.next();
      assert.equal(frame?.type, 'MODIFIED');
      seen = frame.object.metadata.annotations?.['patched'] === 'true';
    }
    watch.stop();
    if (status === true) await writeStatus(server, `${path}/${name}`);

    assert.equal((await server.call('DELETE', `${path}/${name}`)).status, 200);
    assert.equal((await server.call('GET', `${path}/${name}`)).status, 404);
    assert.equal((await server.call('DELETE', `${path}?${MINE}`)).status, 200);
    assert.deepEqual((await server.call('GET', `${path}?${MINE}`)).body.items, []);
  });
}

/** The status endpoint takes the status and nothing of what the user wants. */
async function writeStatus(server: TestServer, url: string): Promise<void> {
  await server.server.settled();
  const before = await server.call('GET', `${url}/status`);
  const quota = before.body.kind === 'ResourceQuota';
  const condition = { type: 'Seen', status: 'True', reason: 'Test', message: 'm' };
  const time = { lastTransitionTime: '2026-01-01T00:00:00Z' };
  const wanted = quota ? { hard: { cpu: '7' } } : { conditions: [{ ...condition, ...time }] };
  const sent = { status: wanted, spec: null };
  const answer = await server.call('PATCH', `${url}/status`, sent, MERGE);
  assert.equal(answer.status, 200, answer.body.message ?? '');
  assert.deepEqual(answer.body.spec, before.body.spec);
  if (quota) assert.deepEqual(answer.body.status?.['hard'], { cpu: '7' });
  else assert.equal(objectsAt(answer.body.status, 'conditions')[0]?.['type'], 'Seen');
}

suite('namespaces', () => {
  test('conditions come by the status endpoint, finalizers by their own', async () => {
    await using server = await TestServer.open();
    await server.create('/api/v1/namespaces', { metadata: { name: 'n' } });
    const url = '/api/v1/namespaces/n';
    const condition = { type: 'Patched', status: 'True', reason: 'Test', message: 'm' };
    const patched = await server.call(
      'PATCH',
      `${url}/status`,
      { status: { conditions: [condition] } },
      MERGE,
    );
    assert.deepEqual([patched.body.status?.['phase'], patched.status], ['Active', 200]);
    const { body } = await server.call('GET', url);
    const odd = await server.call('PUT', `${url}/finalize`, { ...body, spec: { finalizers: ['odd'] } });
    assert.equal(odd.status, 422);
    assert.match(odd.body.message ?? '', /spec.finalizers\[0\]: Invalid value: "odd": name is neither/);
    const finalizers = ['kubernetes', 'example.com/mine'];
    const sent = { ...body, spec: { finalizers } };
    assert.equal((await server.call('PUT', `${url}/finalize`, sent)).status, 200);
    assert.deepEqual((await server.call('GET', url)).body.spec, { finalizers });
    assert.equal((await server.call('DELETE', '/api/v1/namespaces')).status, 405);
  });
});
