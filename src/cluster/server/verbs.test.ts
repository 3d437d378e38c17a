import assert from 'node:assert/strict';
import { test } from 'node:test';

import { configMap, deployment, TestServer, type Answer } from './testing/test-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const MERGE = { 'content-type': 'application/merge-patch+json' };

test('an object is created, read, changed and deleted', async () => {
  await using api = await TestServer.open();
  const created = await api.create(MAPS, configMap('a', { k: '1' }));
  assert.match(created.metadata.uid ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(created.metadata.creationTimestamp, '2026-01-01T00:00:00Z');
  const read = await api.call('GET', `${MAPS}/a`);
  assert.deepEqual(read.body, created);

  const changed = await api.call('PUT', `${MAPS}/a`, { ...created, data: { k: '2' } });
  assert.equal(changed.status, 200);
  assert.ok(Number(changed.body.metadata.resourceVersion) > Number(created.metadata.resourceVersion));
  const stale = await api.call('PUT', `${MAPS}/a`, { ...created, data: { k: '3' } });
  assert.equal(stale.status, 409);
  assert.equal(
    stale.body.message,
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  );
  const same = await api.call('PUT', `${MAPS}/a`, changed.body);
  assert.equal(same.body.metadata.resourceVersion, changed.body.metadata.resourceVersion);

  const other = { ...changed.body, metadata: { ...changed.body.metadata, uid: 'other' } };
  assert.equal(
    (await api.call('PUT', `${MAPS}/a`, other)).body.message,
    `Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: /configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in object meta: ${created.metadata.uid}`,
  );
  const wrong = await api.call('DELETE', `${MAPS}/a`, { preconditions: { uid: 'other' } });
  assert.equal(wrong.status, 409);
  assert.match(
    wrong.body.message ?? '',
    /on ConfigMap "a": the UID in the precondition \(other\) does not match the UID in record/,
  );
  const gone = await api.call('DELETE', `${MAPS}/a`);
  assert.deepEqual([gone.body.kind, gone.body.status], ['Status', 'Success']);
  const missing = await api.call('GET', `${MAPS}/a`);
  assert.deepEqual(
    [missing.status, missing.body.reason, missing.body.message],
    [404, 'NotFound', 'configmaps "a" not found'],
  );
});

test('create is refused with the usual words', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a'));
  const cases: readonly [string, unknown, number, RegExp][] = [
    [MAPS, configMap('a'), 409, /^configmaps "a" already exists$/],
    [MAPS, configMap(''), 422, /metadata.name: Required value: name or generateName is required/],
    [
      MAPS,
      { ...(configMap('') as object), data: { '!': '' } },
      422,
      /is invalid: \[metadata.name: Required value: .*, data\[!\]: Invalid value/,
    ],
    ['/api/v1/namespaces/none/configmaps', configMap('b'), 404, /^namespaces "none" not found$/],
    [
      MAPS,
      { ...(configMap('b') as object), metadata: { name: 'b', namespace: 'x' } },
      400,
      /does not match the namespace/,
    ],
    [
      MAPS,
      { ...(configMap('b') as object), metadata: { name: 'b', resourceVersion: '1' } },
      500,
      /should not be set/,
    ],
    [
      MAPS,
      { ...(configMap('b') as object), metadata: { name: 'b', generation: -1 } },
      422,
      /metadata.generation: Invalid value: -1: must be greater than or equal to 0$/,
    ],
    [
      MAPS,
      { ...(configMap('b') as object), apiVersion: 'v2' },
      400,
      /^ConfigMap in version "v2" .*: no kind "ConfigMap" is registered for version "v2" in scheme /,
    ],
    [
      MAPS,
      { ...(configMap('b') as object), kind: 'Service' },
      400,
      /^Service in version "v1" cannot be handled as a ConfigMap: converting \(v1.Service\) to \(core.ConfigMap\): unknown conversion$/,
    ],
    [
      DEPLOYMENTS,
      { apiVersion: 'apps/v1beta1', kind: 'Deployment' },
      400,
      /^the API version in the data \(apps\/v1beta1\) does not match the expected API version \(apps\/v1\)$/,
    ],
    [`${MAPS}/b`, configMap('b'), 405, /does not allow this method/],
    ['/api/v1/nosuch', configMap('b'), 404, /could not find the requested resource/],
  ];
  for (const [url, body, status, message] of cases) {
    const answer = await api.call('POST', url, body);
    assert.equal(answer.status, status, `${url}: ${answer.body.message}`);
    assert.match(answer.body.message ?? '', message);
  }
});

test('the server says its part of the metadata, and one reference of equal ones stays', async () => {
  await using api = await TestServer.open();
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' };
  const metadata = {
    name: 'a',
    uid: 'mine',
    selfLink: '/x',
    generation: 3,
    creationTimestamp: '2000-01-01T00:00:00Z',
    deletionTimestamp: '2000-01-01T00:00:00Z',
    deletionGracePeriodSeconds: 0,
    ownerReferences: [owner, owner, { ...owner, uid: 'v' }],
  };
  const made = await api.call('POST', MAPS, { ...(configMap('a') as object), metadata });
  const { uid, resourceVersion: _version, managedFields: _owners, ...others } = made.body.metadata;
  assert.notEqual(uid, 'mine');
  assert.deepEqual(others, {
    name: 'a',
    namespace: 'default',
    creationTimestamp: '2026-01-01T00:00:00Z',
    generation: 3,
    ownerReferences: [owner, { ...owner, uid: 'v' }],
  });
  const repeated = /^299 - "\.metadata\.ownerReferences contains duplicate entries; .* observed: u"$/;
  assert.match(made.headers['warning'] ?? '', repeated);
  // A failure carries the warnings as well.
  const refused = await api.call('POST', MAPS, {
    ...(configMap('b') as object),
    metadata: { ...metadata, name: 'B' },
  });
  assert.equal(refused.status, 422);
  assert.match(refused.headers['warning'] ?? '', repeated);
  const dry = await api.call('POST', `${MAPS}?dryRun=All`, {
    ...(configMap('c') as object),
    metadata: { name: 'c', resourceVersion: '7' },
  });
  assert.deepEqual([dry.status, dry.body.metadata.resourceVersion], [201, '7']);
});

test('an update neither marks an object as deleted nor moves it into a namespace', async () => {
  await using api = await TestServer.open();
  const made = await api.create(MAPS, configMap('a'));
  const marks = { deletionTimestamp: '2000-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 };
  for (const [field, value] of Object.entries(marks)) {
    const marked = { ...made, metadata: { ...made.metadata, [field]: value } };
    const refused = await api.call('PUT', `${MAPS}/a`, marked);
    assert.equal(
      refused.body.message,
      `ConfigMap "a" is invalid: metadata.${field}: Invalid value: ${JSON.stringify(value)}: field is immutable`,
    );
  }
  const held = { ...made, metadata: { ...made.metadata, finalizers: ['example.com/hold'] } };
  assert.equal((await api.call('PUT', `${MAPS}/a`, held)).status, 200);
  await api.call('DELETE', `${MAPS}/a`);
  const { metadata } = (await api.call('GET', `${MAPS}/a`)).body;
  const later = {
    ...metadata,
    deletionTimestamp: '2030-01-01T00:00:00Z',
    deletionGracePeriodSeconds: undefined,
  };
  const kept = await api.call('PUT', `${MAPS}/a`, { ...held, metadata: later });
  assert.equal(kept.status, 200);
  assert.equal(kept.body.metadata.deletionTimestamp, metadata.deletionTimestamp);
  assert.equal(kept.body.metadata.deletionGracePeriodSeconds, 0);

  const classes = '/apis/scheduling.k8s.io/v1/priorityclasses';
  const high = {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name: 'high' },
    value: 1,
  };
  await api.create(classes, high);
  const moved = { ...high, metadata: { name: 'high', namespace: 'default' } };
  const stayed = await api.call('PUT', `${classes}/high`, moved);
  assert.deepEqual([stayed.status, stayed.body.metadata.namespace], [200, undefined]);
});

test('a PUT makes what is not there, of some kinds', async () => {
  await using api = await TestServer.open();
  const put = (path: string, metadata: object): Promise<Answer> =>
    api.call('PUT', `/api/v1/namespaces/default/${path}`, { metadata });
  assert.equal((await put('configmaps/a', { name: 'a' })).status, 404);
  const { status, body } = await put('endpoints/a', { name: 'a', resourceVersion: '7' });
  assert.equal(status, 201, body.message ?? '');
  assert.equal((await put('endpoints/a', { name: 'a' })).body.metadata.uid, body.metadata.uid);
  const other = await put('endpoints/b', { name: 'b', uid: 'u' });
  assert.equal(other.status, 409);
  assert.match(
    other.body.message ?? '',
    /Key: \/registry\/services\/endpoints\/default\/b, .* object meta: $/,
  );
  assert.equal((await put('endpoints/A_B', { name: 'A_B' })).status, 422);
  assert.equal((await put('endpoints/c/status', { name: 'c' })).status, 404);
});

test('a range of limits that nobody names has a name all the same', async () => {
  await using api = await TestServer.open();
  const range = { apiVersion: 'v1', kind: 'LimitRange', spec: { limits: [] } };
  const { metadata } = await api.create('/api/v1/namespaces/default/limitranges', range);
  assert.match(metadata.name ?? '', /^[0-9a-f-]{36}$/);
});

test('names are generated, and dry runs leave nothing', async () => {
  await using api = await TestServer.open();
  const named = await api.create(MAPS, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { generateName: 'x-' },
  });
  assert.match(named.metadata.name ?? '', /^x-[a-z0-9]{5}$/);
  const dry = await api.call('POST', `${MAPS}?dryRun=All`, configMap('dry'));
  assert.equal(dry.status, 201);
  assert.equal((await api.call('GET', `${MAPS}/dry`)).status, 404);
  const bad = await api.call('POST', MAPS, { metadata: { generateName: 'A_' } });
  assert.match(bad.body.message ?? '', /^ConfigMap "A_[a-z0-9]{5}" is invalid: /, 'by the name that it got');
});

test('what is seldom meant is taken with a warning', async () => {
  await using api = await TestServer.open();
  const body = deployment('a.b');
  const { status, headers } = await api.call('POST', DEPLOYMENTS, body);
  assert.equal(status, 201);
  assert.equal(
    headers['warning'],
    '299 - "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"',
  );
  const changed = await api.call('PATCH', `${DEPLOYMENTS}/a.b`, { spec: { replicas: 2 } }, MERGE);
  assert.equal(changed.headers['warning'], undefined);
});

test('unknown fields: refused, warned of or ignored', async () => {
  await using api = await TestServer.open();
  const body = { ...(configMap('a') as object), colour: 'red' };
  const strict = await api.call('POST', `${MAPS}?fieldValidation=Strict`, body);
  assert.equal(strict.status, 400);
  assert.match(strict.body.message ?? '', /strict decoding error: unknown field "colour"$/);
  const warned = await api.call('POST', MAPS, body);
  assert.equal(warned.headers['warning'], '299 - "unknown field \\"colour\\""');
  const ignored = await api.call('POST', `${MAPS}?fieldValidation=Ignore`, {
    ...body,
    metadata: { name: 'b' },
  });
  assert.equal(ignored.headers['warning'], undefined);
});

test('patches of three kinds, and none of an unknown one', async () => {
  await using api = await TestServer.open();
  await api.create(DEPLOYMENTS, deployment('web'));
  const url = `${DEPLOYMENTS}/web`;
  const merged = await api.call('PATCH', url, { spec: { replicas: 2 } }, MERGE);
  assert.deepEqual([merged.body.spec?.['replicas'], merged.body.metadata.generation], [2, 2]);
  const json = await api.call('PATCH', url, [{ op: 'replace', path: '/spec/replicas', value: 3 }], {
    'content-type': 'application/json-patch+json',
  });
  assert.equal(json.body.spec?.['replicas'], 3);
  for (const [patch, format] of [
    [[], 'json-patch'],
    [{}, 'merge-patch'],
    [{}, 'strategic-merge-patch'],
  ] as const) {
    const same = await api.call('PATCH', url, patch, { 'content-type': `application/${format}+json` });
    assert.deepEqual(same.body, json.body, format);
  }
  const containers = [{ name: 'side', image: 'b' }];
  const strategic = await api.call(
    'PATCH',
    url,
    { spec: { template: { spec: { containers } } } },
    {
      'content-type': 'application/strategic-merge-patch+json',
    },
  );
  const template = strategic.body.spec?.['template'] as unknown as {
    spec: { containers: { name: string }[] };
  };
  assert.deepEqual(template.spec.containers.map(({ name }) => name).toSorted(), ['main', 'side']);
  const labelled = await api.call('PATCH', url, { metadata: { labels: { a: 'b' } } }, MERGE);
  assert.equal(labelled.body.metadata.generation, strategic.body.metadata.generation);
  const unknown = await api.call('PATCH', url, {}, { 'content-type': 'application/apply-patch+cbor' });
  assert.equal(unknown.status, 415);
  const strict = await api.call('PATCH', `${url}?fieldValidation=Strict`, { spec: { colour: 1 } }, MERGE);
  assert.deepEqual([strict.status, strict.body.reason], [422, 'Invalid']);
  assert.match(strict.body.message ?? '', /strict decoding error: unknown field "spec.colour"/);
});

test('what is wrong with a patch itself, and what it makes another kind of', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a'));
  const json = { 'content-type': 'application/json-patch+json' };
  const operations =
    '[{"op":"add","path":"/data","value":{"a":"b"},"extra":1},{"op":"test","op":"add","path":"/data/c","value":"d","zip":0}]';
  const complaints = [
    'json patch unknown field "[0].extra"',
    'json patch duplicate field "[1].op"',
    'json patch unknown field "[1].zip"',
  ];
  const warned = await api.call('PATCH', `${MAPS}/a`, operations, json);
  assert.deepEqual(
    warned.headers['warning']?.split(', '),
    complaints.map((text) => `299 - ${JSON.stringify(text)}`),
  );
  const strict = await api.call('PATCH', `${MAPS}/a?fieldValidation=Strict`, operations, json);
  assert.equal(strict.status, 422);
  assert.ok(strict.body.message?.endsWith(`: strict decoding error: ${complaints.join(', ')}`));
  const other = await api.call('PATCH', `${MAPS}/a`, { kind: 'Secret' }, MERGE);
  assert.equal(other.status, 422);
  assert.match(
    other.body.message ?? '',
    /^ "" is invalid: patch: Invalid value: .*: converting \(v1\.Secret\)/,
  );
});

test('ten thousand things that are wrong are told, and how many more there are', async () => {
  await using api = await TestServer.open();
  const labels = Object.fromEntries(Array.from({ length: 150_000 }, (_, index) => [`-${index}`, '']));
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', labels } };
  const { status, body } = await api.call('POST', MAPS, object);
  assert.deepEqual([status, body.reason], [422, 'Invalid']);
  assert.match(body.message ?? '', /] and 140000 more$/);
  const { causes } = (body as unknown as { details: { causes: readonly unknown[] } }).details;
  assert.equal(causes.length, 10_000);
});

test('status and spec are written apart', async () => {
  await using api = await TestServer.open();
  const made = await api.create(DEPLOYMENTS, { ...(deployment('web') as object), status: { replicas: 9 } });
  assert.deepEqual(made.status, {});
  const url = `${DEPLOYMENTS}/web`;
  const status = await api.call(
    'PATCH',
    `${url}/status`,
    { spec: { replicas: 7 }, status: { replicas: 1 } },
    MERGE,
  );
  assert.deepEqual([status.body.spec?.['replicas'], status.body.status?.['replicas']], [1, 1]);
  assert.equal(status.body.metadata.generation, 1);
  const spec = await api.call('PATCH', url, { spec: { replicas: 2 }, status: { replicas: 5 } }, MERGE);
  assert.deepEqual([spec.body.spec?.['replicas'], spec.body.status?.['replicas']], [2, 1]);
});

test('scale reads and writes replicas', async () => {
  await using api = await TestServer.open();
  await api.create(DEPLOYMENTS, deployment('web'));
  const url = `${DEPLOYMENTS}/web/scale`;
  const scale = await api.call('GET', url);
  assert.deepEqual(scale.body.status, { replicas: 0, selector: 'app=web' });
  const put = await api.call('PUT', url, { ...scale.body, spec: { replicas: 4 } });
  assert.deepEqual(put.body.spec, { replicas: 4 });
  assert.equal((await api.call('GET', `${DEPLOYMENTS}/web`)).body.spec?.['replicas'], 4);
  assert.equal((await api.call('PUT', url, { ...scale.body, spec: { replicas: 5 } })).status, 409);
  assert.equal((await api.call('PATCH', url, { spec: { replicas: -1 } }, MERGE)).status, 422);
  const refused = await api.call('PUT', url, { metadata: { name: 'web' }, spec: { replicas: -1 } });
  assert.match(refused.body.message ?? '', /^Scale\.autoscaling "web" is invalid: spec\.replicas: /);
});

test('YAML bodies are read; other types and large bodies are refused', async () => {
  await using api = await TestServer.open();
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\n';
  assert.equal((await api.call('POST', MAPS, yaml, { 'content-type': 'application/yaml' })).status, 201);
  for (const type of ['text/plain', 'application/yaml;x'])
    assert.equal((await api.call('POST', MAPS, yaml, { 'content-type': type })).status, 415);
  assert.equal((await api.call('POST', MAPS, '{', {})).status, 400);
  assert.equal((await api.call('POST', MAPS, ' '.repeat(3 * 1024 * 1024 + 1))).status, 413);
  assert.equal((await api.call('GET', MAPS, undefined, { accept: 'text/html' })).status, 406);
});

test('others than administrators and components are turned away', async () => {
  await using api = await TestServer.open();
  const ask = async (name: string, url: string): Promise<[number, string]> => {
    const answer = await api.server.handle(
      { method: 'GET', url, headers: {} },
      { name, groups: ['system:authenticated'] },
    );
    return [answer.status, Buffer.from(answer.body as Uint8Array).toString()];
  };
  const [status, text] = await ask('bob', MAPS);
  assert.equal(status, 403);
  assert.match(
    text,
    /configmaps is forbidden: User \\"bob\\" cannot list resource \\"configmaps\\" in API group \\"\\" in the namespace \\"default\\"/,
  );
  assert.equal((await ask('bob', '/metrics'))[0], 403);
  assert.equal((await ask('bob', '/healthz'))[0], 200);
  assert.equal((await ask('system:kube-scheduler', '/api/v1/pods'))[0], 200);
});

test('events are the same objects in both groups and expire', async () => {
  await using api = await TestServer.open();
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'Started',
    message: 'hello',
    type: 'Normal',
  };
  await api.create('/api/v1/namespaces/default/events', event);
  const { body } = await api.call('GET', '/apis/events.k8s.io/v1/namespaces/default/events/e');
  assert.deepEqual([body.apiVersion, body['note']], ['events.k8s.io/v1', 'hello']);
  const list = await api.call('GET', '/api/v1/events?fieldSelector=involvedObject.name=p,reason=Started');
  assert.equal(list.body.items?.length, 1);
  await api.clock.advance(62 * 60_000);
  assert.equal((await api.call('GET', '/api/v1/namespaces/default/events/e')).status, 404);
});

test('a large answer is compressed for those who take it', async () => {
  await using api = await TestServer.open();
  for (let i = 0; i < 3; i++) await api.create(MAPS, configMap(`big-${i}`, { k: 'x'.repeat(100_000) }));
  const response = await api.raw('GET', MAPS, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(response.headers['content-encoding'], 'gzip');
  assert.ok((response.body as Uint8Array).length < 10_000);
});

test('a review cannot be had as a table', async () => {
  await using api = await TestServer.open();
  const answer = await api.call(
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } },
    { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  );
  assert.deepEqual([answer.status, answer.body.reason], [406, 'NotAcceptable']);
});

test('the status endpoint writes labels and annotations where the kind leaves them to it', async () => {
  await using api = await TestServer.open();
  await api.create(DEPLOYMENTS, deployment('a'));
  const body = {
    metadata: { labels: { by: 'status' }, annotations: { by: 'status' } },
    status: { observedGeneration: 1 },
    spec: { replicas: 9 },
  };
  const patched = await api.call('PATCH', `${DEPLOYMENTS}/a/status`, body, MERGE);
  const { metadata, spec, status } = patched.body;
  assert.equal(metadata.annotations?.['by'], 'status');
  assert.notEqual(metadata.labels?.['by'], 'status');
  assert.notEqual(spec?.['replicas'], 9);
  assert.deepEqual([status?.['observedGeneration'], metadata.generation], [1, 1]);

  const schemas = '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas';
  const exempt = await api.call('PATCH', `${schemas}/exempt/status`, body, MERGE);
  assert.equal(exempt.body.metadata.annotations?.['by'], undefined);
});
