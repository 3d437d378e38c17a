import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/json.ts';
import { pod, TestServer, type Answer } from '../testing/test-server.ts';

const PODS = '/api/v1/namespaces/default/pods';
const BUDGETS = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const MERGE = { 'content-type': 'application/merge-patch+json' };

async function podNamed(
  api: TestServer,
  name: string,
  { phase = 'Running', ready = true } = {},
): Promise<void> {
  const made = pod(name, { nodeName: 'n1' }) as { metadata: JsonObject };
  await api.create(PODS, { ...made, metadata: { name, labels: { app: 'web' } } });
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  await api.call('PATCH', `${PODS}/${name}/status`, { status: { phase, conditions } }, MERGE);
}

async function budget(
  api: TestServer,
  status: JsonObject,
  spec: JsonObject = {},
  name = 'pdb',
): Promise<void> {
  await api.create(BUDGETS, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } }, ...spec },
  });
  await statusOf(api, { observedGeneration: 1, ...status }, name);
}

async function statusOf(api: TestServer, status: JsonObject, name = 'pdb'): Promise<void> {
  const { status: code } = await api.call('PATCH', `${BUDGETS}/${name}/status`, { status }, MERGE);
  assert.equal(code, 200);
}

const evict = async (api: TestServer, name: string, deleteOptions?: JsonObject): Promise<Answer> =>
  await api.call('POST', `${PODS}/${name}/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name },
    ...(deleteOptions && { deleteOptions }),
  });

const causes = ({ body }: Answer): unknown => (body['details'] as JsonObject)['causes'];
const read = async (api: TestServer, url: string): Promise<Answer['body']> =>
  (await api.call('GET', url)).body;

test('without a budget a pod goes, and says why', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'a');
  const answer = await evict(api, 'a');
  assert.equal(answer.status, 201);
  assert.equal(answer.body['status'], 'Success');
  const left = await read(api, `${PODS}/a`);
  assert.ok(left.metadata.deletionTimestamp !== undefined);
  const conditions = left.status?.['conditions'] as JsonObject[];
  const target = conditions.find(({ type }) => type === 'DisruptionTarget');
  assert.equal(target?.['reason'], 'EvictionByEvictionAPI');
  assert.equal(target['message'], 'Eviction API: evicting');
});

test('a budget that allows nothing refuses with its numbers', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'a');
  await budget(api, { disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 });
  const answer = await evict(api, 'a');
  assert.equal(answer.status, 429);
  assert.equal(answer.body.reason, 'TooManyRequests');
  assert.equal(answer.body.message, "Cannot evict pod as it would violate the pod's disruption budget.");
  assert.deepEqual(causes(answer), [
    {
      reason: 'DisruptionBudget',
      message: 'The disruption budget pdb needs 1 healthy pods and has 1 currently',
    },
  ]);
  assert.equal((await read(api, `${PODS}/a`)).metadata.deletionTimestamp, undefined);
});

test('a failed sync is the reason when there was one', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'a');
  const condition = {
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'SyncFailed',
    message: 'found no controllers for pod "a"',
    lastTransitionTime: '2024-01-01T00:00:00Z',
  };
  await budget(api, { disruptionsAllowed: 0, conditions: [condition] });
  const why =
    'The disruption budget pdb does not allow evicting pods currently because it failed sync: found no controllers for pod "a"';
  assert.deepEqual(causes(await evict(api, 'a')), [{ reason: 'DisruptionBudget', message: why }]);
});

test('each eviction takes one disruption, however many come at once', async () => {
  await using api = await TestServer.open();
  for (const name of ['a', 'b', 'c', 'd']) await podNamed(api, name);
  await budget(api, { disruptionsAllowed: 2, currentHealthy: 4, desiredHealthy: 2, expectedPods: 4 });
  const answers = await Promise.all(['a', 'b', 'c', 'd'].map(async (name) => await evict(api, name)));
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 201, 429, 429]);
  const { status } = await read(api, `${BUDGETS}/pdb`);
  assert.equal(status?.['disruptionsAllowed'], 0);
  assert.equal(Object.keys(status['disruptedPods'] as JsonObject).length, 2);
  const [condition] = status['conditions'] as JsonObject[];
  assert.equal(condition?.['reason'], 'InsufficientPods');
});

test('a dry run changes neither the pod nor the budget', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'a');
  await budget(api, { disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 });
  const before = [await read(api, `${PODS}/a`), await read(api, `${BUDGETS}/pdb`)];
  assert.equal((await evict(api, 'a', { dryRun: ['All'] })).status, 201);
  assert.deepEqual([await read(api, `${PODS}/a`), await read(api, `${BUDGETS}/pdb`)], before);
});

test('a budget that the controller has not seen yet lets nothing through', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'a');
  await budget(api, { disruptionsAllowed: 1, observedGeneration: 0 });
  const answer = await evict(api, 'a');
  assert.equal(answer.status, 429);
  assert.equal((answer.body['details'] as JsonObject)['retryAfterSeconds'], 10);
  assert.equal(answer.headers['retry-after'], '10');
  assert.deepEqual(causes(answer), [
    {
      reason: 'DisruptionBudget',
      message: 'The disruption budget pdb is still being processed by the server.',
    },
  ]);
});

test('pods that have not begun or have ended are not guarded', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'waits', { phase: 'Pending', ready: false });
  await podNamed(api, 'over', { phase: 'Succeeded', ready: false });
  await budget(api, { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 1, expectedPods: 2 });
  assert.equal((await evict(api, 'waits')).status, 201);
  assert.equal((await evict(api, 'over')).status, 201);
});

test('a pod that is not ready goes while enough are, or always when the budget says so', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'a', { ready: false });
  await podNamed(api, 'b', { ready: false });
  await budget(api, { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 1, expectedPods: 2 });
  assert.equal((await evict(api, 'a')).status, 429);
  await statusOf(api, { currentHealthy: 1 });
  assert.equal((await evict(api, 'a')).status, 201);
  await statusOf(api, { currentHealthy: 0, observedGeneration: 2 });
  assert.equal((await evict(api, 'b')).status, 429);
  const spec = { unhealthyPodEvictionPolicy: 'AlwaysAllow' };
  await api.call('PATCH', `${BUDGETS}/pdb`, { spec }, MERGE);
  assert.equal((await evict(api, 'b')).status, 201);
});

test('two budgets for one pod, another name, and preconditions', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'a');
  const uid = (await evict(api, 'a', { preconditions: { uid: 'other' } })).body;
  assert.equal(uid.reason, 'Conflict');
  assert.match(
    uid.message ?? '',
    /on Pod "a": the UID in the precondition \(other\) does not match the UID in record/,
  );
  const named = await api.call('POST', `${PODS}/a/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: 'b' },
  });
  assert.equal(named.body.message, 'name in URL does not match name in Eviction object');
  await budget(api, { disruptionsAllowed: 1 });
  await budget(api, { disruptionsAllowed: 1 }, { selector: {} }, 'all');
  const answer = await evict(api, 'a');
  assert.deepEqual([answer.status, answer.body.code], [500, 500]);
  assert.match(answer.body.message ?? '', /^This pod has more than one PodDisruptionBudget/);
  assert.equal((await evict(api, 'nobody')).status, 404);
});

test('what an eviction says is read as a delete and a creation are', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'a');
  const dryRun = ['All'];
  const cases: readonly [JsonObject, number, RegExp][] = [
    [
      { deleteOptions: { dryRun: ['Some'] } },
      422,
      /^DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported/,
    ],
    [{ deleteOptions: { propagationPolicy: 'Twist' } }, 422, /propagationPolicy: Unsupported value: "Twist"/],
    [{ deleteOptions: { propagationPolicy: 'Orphan', orphanDependents: true } }, 422, /cannot be both set$/],
    [
      { deleteOptions: { ignoreStoreReadErrorWithClusterBreakingPotential: true } },
      422,
      /^Eviction.policy "a" is invalid: deleteOptions.ignoreStore.*: Invalid value: true: can not be set for pod/,
    ],
    [
      { metadata: { name: 'a', namespace: 'other' } },
      400,
      /^the namespace of the provided object does not match/,
    ],
    [{ apiVersion: 'policy/v1beta1', deleteOptions: { dryRun } }, 201, /^$/],
    [{ apiVersion: 'policy/v2', deleteOptions: { dryRun } }, 400, /./],
  ];
  const path = `${PODS}/a/eviction`;
  const named = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'a' } };
  for (const [change, status, message] of cases) {
    const answer = await api.call('POST', path, { ...named, ...change });
    assert.equal(answer.status, status, JSON.stringify(change));
    assert.match(answer.body.message ?? '', message);
  }
  const both = await api.call('POST', `${path}?dryRun=All`, {
    ...named,
    deleteOptions: { dryRun: ['Some'] },
  });
  assert.equal(both.body.message, 'Non-matching dry-run options in request and content: [All] and [Some]');
  const warned = await api.call('POST', `${path}?dryRun=All`, { ...named, what: 1 });
  assert.equal(warned.headers['warning'], '299 - "unknown field \\"what\\""');
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  assert.equal((await api.call('POST', `${path}?dryRun=All`, named, { accept })).status, 406);
  await budget(api, { disruptionsAllowed: 0 });
  assert.equal((await evict(api, 'a', { propagationPolicy: 'Twist' })).status, 429);
});

test('what an eviction takes from a budget belongs to the server', async () => {
  await using api = await TestServer.open();
  await podNamed(api, 'a');
  await budget(api, { disruptionsAllowed: 2, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 });
  await evict(api, 'a');
  const { metadata } = await read(api, `${BUDGETS}/pdb`);
  const entries = metadata.managedFields as unknown as JsonObject[];
  const own = entries.find(({ manager }) => manager === 'kube-apiserver');
  assert.equal(own?.['subresource'], 'status');
  assert.deepEqual(own['fieldsV1'], {
    'f:status': { 'f:disruptionsAllowed': {}, 'f:disruptedPods': { '.': {}, 'f:a': {} } },
  });
});
