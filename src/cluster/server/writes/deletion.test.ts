import assert from 'node:assert/strict';
import { test } from 'node:test';

import { objectsAt } from '../../api/json.ts';
import { configMap, deployment, pod, TestServer } from '../testing/test-server.ts';

const PODS = '/api/v1/namespaces/default/pods';
const MAPS = '/api/v1/namespaces/default/configmaps';
const MERGE = { 'content-type': 'application/merge-patch+json' };

function binding(node: string): unknown {
  return { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { kind: 'Node', name: node } };
}

test('a pod is bound once', async () => {
  await using api = await TestServer.open();
  const made = await api.create(PODS, pod('p'));
  assert.deepEqual(made.status, { phase: 'Pending', qosClass: 'BestEffort' });
  assert.equal((await api.call('POST', `${PODS}/p/binding`, binding('n1'))).status, 201);
  const again = await api.call('POST', `${PODS}/p/binding`, binding('n2'));
  assert.equal(again.status, 409);
  assert.equal(
    again.body.message,
    'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
  );
  const { body } = await api.call('GET', `${PODS}/p`);
  assert.equal(body.spec?.['nodeName'], 'n1');
  assert.equal(objectsAt(body, 'status', 'conditions')[0]?.['type'], 'PodScheduled');
});

test('a binding for another pod of that name is refused', async () => {
  await using api = await TestServer.open();
  const made = await api.create(PODS, pod('p'));
  const bind = (uid: string | undefined) =>
    api.call('POST', `${PODS}/p/binding`, { ...(binding('n1') as object), metadata: { name: 'p', uid } });
  const wrong = await bind('other');
  assert.equal(wrong.status, 409);
  assert.match(wrong.body.message ?? '', /UID in precondition: other, UID in object meta: /);
  assert.equal((await bind(made.metadata.uid)).status, 201);
});

test('a gated pod says so from the start and is bound only once its gates are gone', async () => {
  await using api = await TestServer.open();
  const plain = pod('p') as { spec: object };
  const spec = { ...plain.spec, schedulingGates: [{ name: 'example.com/wait' }] };
  const made = await api.create(PODS, { ...plain, spec });
  const [condition] = objectsAt(made, 'status', 'conditions');
  assert.deepEqual(
    [condition?.['type'], condition?.['status'], condition?.['reason']],
    ['PodScheduled', 'False', 'SchedulingGated'],
  );
  const bound = await api.call('POST', `${PODS}/p/binding`, binding('n1'));
  assert.equal(bound.status, 409);
  assert.match(bound.body.message ?? '', /pod p has non-empty \.spec\.schedulingGates/);
  const gates = (names: readonly string[]) =>
    api.call('PATCH', `${PODS}/p`, { spec: { schedulingGates: names.map((name) => ({ name })) } }, MERGE);
  const more = await gates(['example.com/wait', 'example.com/more']);
  assert.equal(more.status, 422);
  assert.match(
    more.body.message ?? '',
    /spec\.schedulingGates\[\d\]\.name: Forbidden: only deletion is allowed, but found new scheduling gate 'example\.com\/more'/,
  );
  assert.equal((await gates([])).status, 200);
  assert.equal((await api.call('POST', `${PODS}/p/binding`, binding('n1'))).status, 201);
});

test('a bound pod goes in two phases, and a second delete only shortens the wait', async () => {
  await using api = await TestServer.open();
  await api.create(PODS, pod('p'));
  await api.call('POST', `${PODS}/p/binding`, binding('n1'));
  const first = await api.call('DELETE', `${PODS}/p`);
  assert.equal(first.body.metadata.deletionTimestamp, '2026-01-01T00:00:30Z');
  assert.equal(first.body.metadata.deletionGracePeriodSeconds, 30);
  const longer = await api.call('DELETE', `${PODS}/p`, { gracePeriodSeconds: 60 });
  assert.equal(longer.body.metadata.resourceVersion, first.body.metadata.resourceVersion);
  const shorter = await api.call('DELETE', `${PODS}/p`, { gracePeriodSeconds: 5 });
  assert.equal(shorter.body.metadata.deletionTimestamp, '2026-01-01T00:00:05Z');
  await api.clock.advance(8000);
  const late = await api.call('DELETE', `${PODS}/p`, { gracePeriodSeconds: 3 });
  assert.equal(late.body.metadata.deletionTimestamp, '2026-01-01T00:00:08Z');
  assert.equal(late.body.metadata.deletionGracePeriodSeconds, 1);
  const last = await api.call('DELETE', `${PODS}/p`, { gracePeriodSeconds: 0 });
  assert.equal(last.body.metadata.deletionGracePeriodSeconds, 0);
  assert.equal((await api.call('GET', `${PODS}/p`)).status, 404);
});

test('less than no grace is a second', async () => {
  await using api = await TestServer.open();
  await api.create(PODS, pod('p', { nodeName: 'n1' }));
  const { body } = await api.call('DELETE', `${PODS}/p?gracePeriodSeconds=-7`);
  assert.equal(body.metadata.deletionGracePeriodSeconds, 1);
});

test('what goes is shown as it has become by it', async () => {
  await using api = await TestServer.open();
  await api.create(PODS, pod('p', { nodeName: 'n1' }));
  const { body } = await api.call('DELETE', `${PODS}/p?gracePeriodSeconds=0`);
  const { deletionTimestamp, deletionGracePeriodSeconds, generation } = body.metadata;
  assert.deepEqual(
    [deletionTimestamp, deletionGracePeriodSeconds, generation],
    ['2026-01-01T00:00:00Z', 0, 2],
  );
});

test('options of a delete are read from the body or from the query, and refused as upstream does', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a'));
  const bodies: readonly [unknown, number, string][] = [
    [
      [],
      400,
      'couldn\'t get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
    ],
    [
      { kind: 5 },
      400,
      "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string",
    ],
    [{ apiVersion: 'a/b/c' }, 400, 'unexpected GroupVersion string: a/b/c'],
    [
      { kind: 'ConfigMap', apiVersion: 'v1' },
      400,
      'no kind "ConfigMap" is registered for version "v1" in scheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"',
    ],
    [
      { kind: 'Status', apiVersion: 'v1' },
      400,
      'converting (v1.Status) to (v1.DeleteOptions): unknown conversion',
    ],
    [
      { gracePeriodSeconds: 'a' },
      400,
      'json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64',
    ],
    [{ dryRun: ['All'], kind: 'DeleteOptions', apiVersion: 'apps/v1' }, 200, ''],
  ];
  for (const [body, status, message] of bodies) {
    const answer = await api.call('DELETE', `${MAPS}/a`, body);
    assert.equal(answer.body.message ?? '', message);
    assert.equal(answer.status, status);
  }
  const queries: readonly [string, number, RegExp][] = [
    ['gracePeriodSeconds=abc', 400, /^strconv.ParseInt: parsing "abc": invalid syntax$/],
    ['gracePeriodSeconds=99999999999999999999', 400, /value out of range$/],
    ['dryRun=', 422, /dryRun: Unsupported value: \[""\]: supported values: "All"$/],
    ['uid=x', 409, /on ConfigMap "a": the UID in the precondition \(x\) does not match/],
    [
      'resourceVersion=1',
      409,
      /on ConfigMap "a": the ResourceVersion in the precondition \(1\) does not match/,
    ],
  ];
  for (const [query, status, message] of queries) {
    const answer = await api.call('DELETE', `${MAPS}/a?${query}`);
    assert.equal(answer.status, status, query);
    assert.match(answer.body.message ?? '', message);
  }
  // Of a query beside a body nothing counts.
  await api.call('DELETE', `${MAPS}/a?dryRun=All`, { gracePeriodSeconds: 0 });
  assert.equal((await api.call('GET', `${MAPS}/a`)).status, 404);
});

test('a pod that no node has goes at once', async () => {
  await using api = await TestServer.open();
  await api.create(PODS, pod('p'));
  await api.call('DELETE', `${PODS}/p`);
  assert.equal((await api.call('GET', `${PODS}/p`)).status, 404);
});

test('finalizers hold an object until the last is gone', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, {
    ...(configMap('a') as object),
    metadata: { name: 'a', finalizers: ['x.io/hold'] },
  });
  const held = await api.call('DELETE', `${MAPS}/a`);
  assert.equal(held.body.metadata.deletionTimestamp, '2026-01-01T00:00:00Z');
  assert.equal((await api.call('GET', `${MAPS}/a`)).status, 200);
  const freed = await api.call('PATCH', `${MAPS}/a`, { metadata: { finalizers: null } }, MERGE);
  assert.equal(freed.status, 200);
  assert.equal(freed.body.metadata.finalizers, undefined);
  assert.equal((await api.call('GET', `${MAPS}/a`)).status, 404);
});

test('the propagation policy is marked for the garbage collector', async () => {
  await using api = await TestServer.open();
  const url = '/apis/apps/v1/namespaces/default/deployments';
  await api.create(url, deployment('a'));
  const foreground = await api.call('DELETE', `${url}/a`, { propagationPolicy: 'Foreground' });
  assert.deepEqual(foreground.body.metadata.finalizers, ['foregroundDeletion']);
  const orphan = await api.call('DELETE', `${url}/a?propagationPolicy=Orphan`);
  assert.deepEqual(orphan.body.metadata.finalizers, ['orphan']);
  assert.equal((await api.call('DELETE', `${url}/a`, { propagationPolicy: 'Sideways' })).status, 422);
  await api.call('DELETE', `${url}/a`, { propagationPolicy: 'Background' });
  assert.equal((await api.call('GET', `${url}/a`)).status, 404);
});

test('dependents of kinds older than garbage collection stay, unless someone says otherwise', async () => {
  await using api = await TestServer.open();
  const template = {
    metadata: { labels: { app: 'a' } },
    spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
  };
  const jobs = '/apis/batch/v1/namespaces/default/jobs';
  for (const name of ['a', 'b'])
    await api.create(jobs, { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: { template } });
  const kept = await api.call('DELETE', `${jobs}/a`);
  assert.deepEqual(kept.body.metadata.finalizers, ['orphan']);
  assert.match(kept.headers['warning'] ?? '', /child pods are preserved by default/);
  const gone = await api.call('DELETE', `${jobs}/b`, { propagationPolicy: 'Background' });
  assert.deepEqual([gone.body.status, gone.headers['warning']], ['Success', undefined]);

  const sets = '/api/v1/namespaces/default/replicationcontrollers';
  const running = { ...template, spec: { ...template.spec, restartPolicy: 'Always' } };
  const made = { apiVersion: 'v1', kind: 'ReplicationController', metadata: { name: 'a' } };
  await api.create(sets, { ...made, spec: { template: running } });
  const foreground = await api.call('DELETE', `${sets}/a`, { propagationPolicy: 'Foreground' });
  assert.deepEqual(foreground.body.metadata.finalizers, ['foregroundDeletion']);
  // What was said first holds.
  const again = await api.call('DELETE', `${sets}/a`);
  assert.deepEqual(again.body.metadata.finalizers, ['foregroundDeletion']);
});

test('a collection goes by selector', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a', {}, { app: 'x' }));
  await api.create(MAPS, configMap('b'));
  const answer = await api.call('DELETE', `${MAPS}?labelSelector=app%3Dx`, { propagationPolicy: 'Orphan' });
  assert.equal(answer.body.kind, 'ConfigMapList');
  // As it was, not as it has become.
  assert.equal(answer.body.items?.[0]?.metadata.deletionTimestamp, undefined);
  // The version is the list's, and without a body what each object must be of too.
  const { body: last } = await api.call('GET', `${MAPS}/b`);
  const then = `${MAPS}?dryRun=All&resourceVersion=${last.metadata.resourceVersion}`;
  const refused = await api.call('DELETE', then);
  assert.equal(refused.status, 409);
  assert.match(
    refused.body.message ?? '',
    /"a": the ResourceVersion in the precondition \(\d+\) does not match/,
  );
  assert.equal((await api.call('DELETE', then, { dryRun: ['All'] })).status, 200);
  // Of that version exactly, so that what has come since is left.
  const first = await api.call('DELETE', `${MAPS}?dryRun=All&resourceVersion=1`);
  assert.deepEqual(first.body.items, []);
  await api.call('DELETE', `${MAPS}?labelSelector=app%3Dx`, { propagationPolicy: 'Background' });
  const { body } = await api.call('GET', MAPS);
  assert.deepEqual(
    body.items?.map(({ metadata }) => metadata.name),
    ['b'],
  );
});

test('a namespace is emptied before it goes', async () => {
  await using api = await TestServer.open();
  await api.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } });
  const { body: ending } = await api.call('DELETE', '/api/v1/namespaces/n');
  assert.deepEqual(ending.status, { phase: 'Terminating' });
  assert.equal(ending.metadata.deletionGracePeriodSeconds, undefined);
  const refused = await api.call('POST', '/api/v1/namespaces/n/configmaps', configMap('a'));
  assert.equal(refused.status, 403);
  assert.equal(
    refused.body.message,
    'configmaps "a" is forbidden: unable to create new content in namespace n because it is being terminated',
  );
  const emptied = await api.call('PUT', '/api/v1/namespaces/n/finalize', {
    ...ending,
    spec: { finalizers: [] },
  });
  assert.equal(emptied.status, 200);
  assert.equal((await api.call('GET', '/api/v1/namespaces/n')).status, 404);
  const immortal = await api.call('DELETE', '/api/v1/namespaces/default');
  assert.equal(immortal.body.message, 'namespaces "default" is forbidden: this namespace may not be deleted');
});

test('a namespace is deleted twice: to be emptied, and for good', async () => {
  await using api = await TestServer.open();
  const url = '/api/v1/namespaces/n';
  const metadata = { name: 'n', finalizers: ['x.io/hold'] };
  await api.create('/api/v1/namespaces', { metadata });
  const wrong = await api.call('DELETE', url, { preconditions: { uid: 'x' } });
  assert.match(
    wrong.body.message ?? '',
    /on namespaces "n": Precondition failed: UID in precondition: x, UID in/,
  );
  const finalized = await api.call('PUT', `${url}/finalize`, { metadata, spec: {}, what: 1 });
  assert.deepEqual(finalized.body.spec, {});
  assert.match(String(finalized.headers['warning']), /unknown field/);
  const marked = await api.call('DELETE', url);
  assert.equal(marked.body.status?.['phase'], 'Terminating');
  assert.equal(marked.body.metadata.deletionGracePeriodSeconds, undefined);
  const again = await api.call('POST', '/api/v1/namespaces', { metadata });
  assert.equal(again.body.message, 'object is being deleted: namespaces "n" already exists');
  const inside = await api.call('POST', `${url}/configmaps`, { metadata: { generateName: 'a-' } });
  assert.match(inside.body.message ?? '', /^configmaps "a-" is forbidden: unable to create new content/);
  // The whole of it is written there, so that what is not said is gone.
  const free = await api.call('PUT', `${url}/finalize`, { metadata: { name: 'n' }, spec: {} });
  assert.equal(free.status, 200, free.body.message ?? '');
  assert.equal((await api.call('GET', url)).status, 404);
});

test('while a namespace is held in its spec another delete does nothing', async () => {
  await using api = await TestServer.open();
  const url = '/api/v1/namespaces/n';
  await api.create('/api/v1/namespaces', { metadata: { name: 'n' } });
  await api.call('DELETE', url);
  const orphaned = await api.call('DELETE', url, { propagationPolicy: 'Orphan' });
  assert.equal(orphaned.body.metadata.finalizers, undefined);
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const shown = await api.call('PUT', `${url}/finalize`, { metadata: { name: 'n' } }, { accept });
  assert.equal(shown.status, 406);
  const other = { metadata: { name: 'n', uid: 'x' } };
  assert.equal((await api.call('PUT', `${url}/finalize`, other)).status, 409);
});

test('logs come from the node', async () => {
  const asked: string[] = [];
  await using api = await TestServer.open({
    nodes: (node) => ({
      request: async ({ url }) => {
        asked.push(`${node} ${url}`);
        const lines = async function* (): AsyncGenerator<Uint8Array> {
          yield Buffer.from('line\n');
        };
        return { status: 200, headers: { 'content-type': 'text/plain' }, body: lines() };
      },
    }),
  });
  await api.create(PODS, pod('p'));
  assert.equal(((await api.raw('GET', `${PODS}/p/log`)).body as Uint8Array).length, 0);
  await api.call('POST', `${PODS}/p/binding`, binding('n1'));
  const { body } = await api.raw('GET', `${PODS}/p/log?tailLines=3&follow=true`);
  const chunks = await Array.fromAsync(body as AsyncIterable<Uint8Array>);
  assert.equal(Buffer.concat(chunks).toString(), 'line\n');
  assert.deepEqual(asked, ['n1 /containerLogs/default/p/main?follow=true&tailLines=3']);
  const wrong = await api.call('GET', `${PODS}/p/log?container=nope`);
  assert.equal(wrong.body.message, 'container nope is not valid for pod p');
});
