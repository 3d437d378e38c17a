import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectsAt, type JsonObject } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import { configMap, deployment, TestServer, type Answer } from '../testing/test-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const SERVICES = '/api/v1/namespaces/default/services';
const YAML = { 'content-type': 'application/apply-patch+yaml' };

interface ManagedEntry extends JsonObject {
  manager: string;
  operation: string;
  time: string;
  fieldsV1: JsonObject;
  subresource?: string;
}

const managers = (object: KubeObject): ManagedEntry[] =>
  (object.metadata.managedFields ?? []) as ManagedEntry[];

function entry(object: KubeObject, manager: string, operation = 'Apply'): ManagedEntry | undefined {
  return managers(object).find((each) => each.manager === manager && each.operation === operation);
}

interface Applied {
  readonly manager: string;
  readonly force?: boolean;
}

async function apply(
  api: TestServer,
  url: string,
  body: unknown,
  { manager, force }: Applied,
): Promise<Answer> {
  return await api.call('PATCH', `${url}?fieldManager=${manager}${force ? '&force=true' : ''}`, body, YAML);
}

const bare = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
const map = (data: Record<string, string>): unknown => configMap('a', data);

test('apply makes an object, owns what it names, and is idempotent', async () => {
  await using api = await TestServer.open();
  const made = await apply(
    api,
    `${MAPS}/a`,
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: "1"}\n',
    {
      manager: 'one',
    },
  );
  assert.equal(made.status, 201);
  assert.deepEqual(managers(made.body), [
    {
      manager: 'one',
      operation: 'Apply',
      apiVersion: 'v1',
      time: '2026-01-01T00:00:00Z',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:data': { 'f:k': {} } },
    },
  ]);
  await api.clock.advance(5000);
  const again = await apply(api, `${MAPS}/a`, map({ k: '1' }), { manager: 'one' });
  assert.equal(again.status, 200);
  assert.equal(again.body.metadata.resourceVersion, made.body.metadata.resourceVersion);
  assert.equal(entry(again.body, 'one')?.time, '2026-01-01T00:00:00Z');
});

test('changing what another owns is a conflict, unless forced; agreeing is shared ownership', async () => {
  await using api = await TestServer.open();
  await apply(api, `${MAPS}/a`, map({ k: '1', l: '1' }), { manager: 'one' });
  const shared = await apply(api, `${MAPS}/a`, map({ k: '1' }), { manager: 'two' });
  assert.equal(shared.status, 200);
  const refused = await apply(api, `${MAPS}/a`, map({ k: '2', l: '2' }), { manager: 'two' });
  assert.deepEqual([refused.status, refused.body.reason], [409, 'Conflict']);
  assert.equal(
    refused.body.message,
    'Apply failed with 2 conflicts: conflicts with "one":\n- .data.k\n- .data.l',
  );
  assert.deepEqual((refused.body as unknown as { details: { causes: unknown } }).details.causes, [
    { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.k' },
    { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.l' },
  ]);
  const forced = await apply(api, `${MAPS}/a`, map({ k: '2' }), { manager: 'two', force: true });
  assert.deepEqual(forced.body['data'], { k: '2', l: '1' });
  assert.deepEqual(entry(forced.body, 'one')?.fieldsV1, { 'f:data': { 'f:l': {} } });
  assert.deepEqual(entry(forced.body, 'two')?.fieldsV1, { 'f:data': { 'f:k': {} } });
});

test('what an applier does not name any more goes, unless another owns it', async () => {
  await using api = await TestServer.open();
  await apply(api, `${MAPS}/a`, map({ k: '1', l: '1', m: '1' }), { manager: 'one' });
  await apply(api, `${MAPS}/a`, map({ l: '1' }), { manager: 'two' });
  const less = await apply(api, `${MAPS}/a`, map({ m: '1' }), { manager: 'one' });
  assert.deepEqual(less.body['data'], { l: '1', m: '1' });
  const none = await apply(api, `${MAPS}/a`, bare, { manager: 'one' });
  assert.deepEqual(none.body['data'], { l: '1' });
  assert.equal(entry(none.body, 'one'), undefined);
  const empty = await apply(api, `${MAPS}/a`, bare, { manager: 'two' });
  assert.equal(empty.body['data'], undefined);
});

test('an update takes what it changes and conflicts name it with its version and time', async () => {
  await using api = await TestServer.open();
  const made = await apply(api, `${DEPLOYMENTS}/web`, deployment('web'), { manager: 'one' });
  const patched = await api.call(
    'PATCH',
    `${DEPLOYMENTS}/web?fieldManager=kubectl-scale`,
    { spec: { replicas: 4 } },
    { 'content-type': 'application/merge-patch+json' },
  );
  assert.deepEqual(entry(patched.body, 'kubectl-scale', 'Update')?.fieldsV1, {
    'f:spec': { 'f:replicas': {} },
  });
  assert.equal(made.body.spec?.['replicas'], 1);
  const wanted = deployment('web') as KubeObject;
  const conflict = await apply(
    api,
    `${DEPLOYMENTS}/web`,
    { ...wanted, spec: { ...wanted.spec, replicas: 3 } },
    { manager: 'one' },
  );
  assert.equal(conflict.status, 409);
  assert.equal(
    conflict.body.message,
    'Apply failed with 1 conflict: conflict with "kubectl-scale" using apps/v1: .spec.replicas',
  );
});

test('lists with keys are joined and owned item by item, with the default of a missing key', async () => {
  await using api = await TestServer.open();
  const service = (ports: readonly JsonObject[]): unknown => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: { ports },
  });
  await apply(api, `${SERVICES}/s`, service([{ name: 'a', port: 80 }]), { manager: 'one' });
  const both = await apply(api, `${SERVICES}/s`, service([{ name: 'b', port: 81, protocol: 'TCP' }]), {
    manager: 'two',
  });
  const ports = (object: KubeObject): unknown[] =>
    objectsAt(object, 'spec', 'ports').map((port) => [port['name'], port['port']]);
  assert.deepEqual(ports(both.body), [
    ['a', 80],
    ['b', 81],
  ]);
  const key = 'k:{"port":80,"protocol":"TCP"}';
  assert.deepEqual(entry(both.body, 'one')?.fieldsV1, {
    'f:spec': { 'f:ports': { [key]: { '.': {}, 'f:name': {}, 'f:port': {} } } },
  });
  const removed = await apply(api, `${SERVICES}/s`, service([{ name: 'c', port: 82 }]), { manager: 'one' });
  assert.deepEqual(ports(removed.body).toSorted(), [
    ['b', 81],
    ['c', 82],
  ]);
  const twice = await apply(api, `${SERVICES}/s`, service([{ port: 80 }, { port: 80, protocol: 'TCP' }]), {
    manager: 'one',
  });
  assert.equal(twice.status, 500);
  assert.match(
    twice.body.message ?? '',
    /\.spec\.ports: duplicate entries for key \[port=80,protocol="TCP"\]/,
  );
});

test('what has not the shape of its kind is told with the keys of its lists', async () => {
  await using api = await TestServer.open();
  const refused = async (url: string, object: object): Promise<string> => {
    const { status, body } = await apply(api, url, object, { manager: 'one' });
    assert.equal(status, 500);
    return (body.message ?? '').replace(/^failed to create typed patch object \(.*?\): /, '');
  };
  const ofMap: readonly [object, string][] = [
    [{ data: { k: true } }, '.data.k: expected string, got &value.valueUnstructured{Value:true}'],
    [
      { data: { k: { a: [1] } } },
      '.data.k: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":[]interface {}{1}}}',
    ],
    [{ data: ['x'] }, '.data: expected map, got &{[x]}'],
    [{ immutable: 'x' }, '.immutable: expected boolean, got &{x}'],
    [
      { data: { k: 1 }, zip: 1, nada: 2 },
      'errors:\n  .data.k: expected string, got &value.valueUnstructured{Value:1}\n  .nada: field not declared in schema',
    ],
    [
      { metadata: { name: 'a', finalizers: [1] } },
      '.metadata.finalizers[=1]: expected string, got &value.valueUnstructured{Value:1}',
    ],
    [
      { metadata: { name: 'a', ownerReferences: ['x'] } },
      '.metadata.ownerReferences: element 0: associative list with keys may not have non-map elements',
    ],
  ];
  for (const [wrong, told] of ofMap) assert.equal(await refused(`${MAPS}/a`, { ...bare, ...wrong }), told);
  const time = await refused(`${MAPS}/a`, { ...bare, metadata: { name: 'a', creationTimestamp: 'x' } });
  assert.match(
    time,
    /^failed to convert new object \(\/a; \/v1, Kind=ConfigMap\) to proper version: .*: parsing time "x"/,
  );
  const withSpec = (spec: object): object => ({ ...(deployment('web') as object), spec });
  assert.equal(
    await refused(`${DEPLOYMENTS}/web`, withSpec({ replicas: 'two' })),
    '.spec.replicas: expected numeric (int or float), got string',
  );
  const containers = [{ name: 'c', zip: 1 }];
  assert.equal(
    await refused(`${DEPLOYMENTS}/web`, withSpec({ template: { spec: { containers } } })),
    '.spec.template.spec.containers[name="c"].zip: field not declared in schema',
  );
  // A key that is not there is an empty one, which is for validation to judge.
  const nameless = await apply(
    api,
    `${DEPLOYMENTS}/web`,
    withSpec({ template: { spec: { containers: [{ image: 'x' }] } } }),
    { manager: 'one' },
  );
  assert.equal(nameless.status, 422);
  assert.match(nameless.body.message ?? '', /spec\.template\.spec\.containers\[0\]\.name: Required value/);
});

test('who joins the owners of what is there has written at no time', async () => {
  await using api = await TestServer.open();
  await apply(api, `${MAPS}/a`, map({ k: 'v', l: 'w' }), { manager: 'one' });
  const joined = await apply(api, `${MAPS}/a`, map({ k: 'v' }), { manager: 'two' });
  const times = (object: KubeObject): unknown[] =>
    objectsAt(object, 'metadata', 'managedFields').map(({ manager, time }) => [manager, typeof time]);
  assert.deepEqual(times(joined.body), [
    ['two', 'undefined'],
    ['one', 'string'],
  ]);
  const changed = await apply(api, `${MAPS}/a`, map({ k: 'v', m: 'x' }), { manager: 'two' });
  assert.deepEqual(times(changed.body), [
    ['one', 'string'],
    ['two', 'string'],
  ]);
});

test('the status endpoint owns the status alone', async () => {
  await using api = await TestServer.open();
  await apply(api, `${DEPLOYMENTS}/web`, deployment('web'), { manager: 'one' });
  const status = { ...(deployment('web') as object), status: { replicas: 2 } };
  const reported = await apply(api, `${DEPLOYMENTS}/web/status`, status, { manager: 'controller' });
  assert.equal(reported.status, 200);
  const mine = entry(reported.body, 'controller');
  assert.deepEqual(mine?.fieldsV1, { 'f:status': { 'f:replicas': {} } });
  assert.equal(mine?.subresource, 'status');
  const main = await apply(
    api,
    `${DEPLOYMENTS}/web`,
    { ...status, status: { replicas: 7 } },
    { manager: 'two' },
  );
  assert.deepEqual(main.body.status, { replicas: 2 });
});

test('kubectl takes over what it applied on the client side', async () => {
  await using api = await TestServer.open();
  const last = JSON.stringify(map({ k: '1' }));
  const object = configMap('a', { k: '1' }) as KubeObject;
  object.metadata.annotations = { 'kubectl.kubernetes.io/last-applied-configuration': last };
  const made = await api.call('POST', `${MAPS}?fieldManager=kubectl-client-side-apply`, object);
  assert.equal(made.status, 201);
  const other = await apply(api, `${MAPS}/a`, map({ k: '2' }), { manager: 'someone' });
  assert.equal(other.status, 409);
  const kubectl = await apply(api, `${MAPS}/a`, map({ k: '2' }), { manager: 'kubectl' });
  assert.deepEqual([kubectl.status, kubectl.body['data']], [200, { k: '2' }]);
});

test('what kubectl applies here it finds when it applies there again', async () => {
  await using api = await TestServer.open();
  const key = 'kubectl.kubernetes.io/last-applied-configuration';
  const old = { ...(configMap('a') as object), metadata: { name: 'a', annotations: { [key]: '{}' } } };
  await api.create(MAPS, old);
  const wanted = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a' }, data: { k: 'w' } };
  const annotationBy = async (manager: string): Promise<unknown> =>
    (await apply(api, `${MAPS}/a`, wanted, { manager, force: true })).body.metadata.annotations?.[key];
  assert.equal(await annotationBy('someone'), '{}');
  assert.equal(
    await annotationBy('kubectl'),
    '{"apiVersion":"v1","data":{"k":"w"},"kind":"ConfigMap","metadata":{"name":"a"}}\n',
  );
});

test('bad configurations are refused with the field', async () => {
  await using api = await TestServer.open();
  const cases: readonly [unknown, string, number, RegExp][] = [
    [
      { ...(configMap('a') as object), colour: 1 },
      'm',
      500,
      /^failed to create typed patch object \(\/a; \/v1, Kind=ConfigMap\): \.colour: field not declared in schema$/,
    ],
    [{ metadata: { name: 'a' } }, 'm', 400, /^invalid object type: \/, Kind=$/],
    [
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' } },
      'm',
      400,
      /^invalid object type: apps\/v1, Kind=Deployment$/,
    ],
    [
      { ...(configMap('a') as object), metadata: { name: 'a', colour: 1 }, unknown: 1, more: 2 },
      'm',
      500,
      /: errors:\n {2}\.metadata\.colour: field not declared in schema\n {2}\.more: field not declared in schema$/,
    ],
    [configMap('b'), 'm', 400, /the name of the object \(b\) does not match the name on the URL \(a\)/],
    [configMap('a'), '', 422, /fieldManager: Required value: is required for apply patch/],
    ['{', 'm', 400, /^error decoding YAML: error converting YAML to JSON: yaml: line 1: did not find /],
    ['[]', 'm', 400, /^error decoding YAML: error unmarshaling JSON: .*: json: cannot unmarshal array into /],
    [
      { ...(configMap('a') as object), metadata: { name: 'a', managedFields: [] } },
      'm',
      400,
      /^metadata.managedFields must be nil$/,
    ],
  ];
  for (const [body, manager, status, message] of cases) {
    const refused = await apply(api, `${MAPS}/a`, body, { manager });
    assert.equal(refused.status, status, refused.body.message ?? '');
    assert.match(refused.body.message ?? '', message);
  }
});

test('conflicts are told before names, and a live object says its name itself', async () => {
  await using api = await TestServer.open();
  await apply(api, `${MAPS}/a`, map({ k: '1' }), { manager: 'one' });
  await apply(api, `${MAPS}/a`, map({ l: '1' }), { manager: 'two' });
  const both = await apply(api, `${MAPS}/a`, map({ k: '2', l: '2' }), { manager: 'three' });
  assert.equal(
    both.body.message,
    'Apply failed with 2 conflicts: conflicts with "one":\n- .data.k\nconflicts with "two":\n- .data.l',
  );
  const cases: readonly [unknown, number, RegExp][] = [
    [configMap('b', { k: '2' }), 409, /^Apply failed with 1 conflict: conflict with "one": .data.k$/],
    [
      configMap('b', { m: '2' }),
      400,
      /^the name of the object \(b\) does not match the name on the URL \(a\)$/,
    ],
    [{ apiVersion: 'v1', kind: 'ConfigMap', data: { m: '2' } }, 200, /^$/],
  ];
  for (const [body, status, message] of cases) {
    const answer = await apply(api, `${MAPS}/a`, body, { manager: 'three' });
    assert.equal(answer.status, status);
    assert.match(answer.body.message ?? '', message);
  }
  const nameless = { apiVersion: 'v1', kind: 'ConfigMap', data: { m: '2' } };
  assert.equal((await apply(api, `${MAPS}/new`, nameless, { manager: 'one' })).status, 400);
  const versioned = { ...bare, metadata: { name: 'new', resourceVersion: '5' } };
  assert.equal((await apply(api, `${MAPS}/new`, versioned, { manager: 'one' })).status, 201);
  const none = { ...bare, metadata: { name: 'a', resourceVersion: 'abc' } };
  const refused = await apply(api, `${MAPS}/a`, none, { manager: 'one' });
  assert.deepEqual(
    [refused.status, refused.body.message],
    [500, 'strconv.ParseUint: parsing "abc": invalid syntax'],
  );
});

test('an update may forget all owners, and cannot invent them by accident', async () => {
  await using api = await TestServer.open();
  const made = await apply(api, `${MAPS}/a`, map({ k: '1' }), { manager: 'one' });
  const headers = { 'user-agent': 'tool/1.0 (linux)' };
  const { managedFields: _owners, ...metadata } = made.body.metadata;
  const kept = await api.call('PUT', `${MAPS}/a`, { ...made.body, metadata }, headers);
  assert.deepEqual(managers(kept.body), managers(made.body));
  const reset = { ...made.body, metadata: { ...metadata, managedFields: [{}] }, data: { k: '1', n: '2' } };
  const forgotten = await api.call('PUT', `${MAPS}/a`, reset, headers);
  assert.equal(forgotten.body.metadata.managedFields, undefined);
  // Nor does anybody begin to own what nobody owned.
  const later = await api.call('PUT', `${MAPS}/a`, { ...forgotten.body, data: { k: '2' } }, headers);
  assert.equal(later.body.metadata.managedFields, undefined);
});

test('a scale is applied, and owned as such', async () => {
  await using api = await TestServer.open();
  const web = deployment('web') as JsonObject;
  await api.create(DEPLOYMENTS, { ...web, spec: { ...(web['spec'] as JsonObject), replicas: 3 } });
  const scale = (replicas: number): object => ({
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name: 'web' },
    spec: { replicas },
  });
  const url = `${DEPLOYMENTS}/web/scale?fieldManager=x`;
  const conflict = await api.call('PATCH', url, scale(5), YAML);
  assert.deepEqual([conflict.status, conflict.body.reason], [409, 'Conflict']);
  const forced = await api.call('PATCH', `${url}&force=true`, scale(5), YAML);
  assert.deepEqual([forced.status, forced.body.spec], [200, { replicas: 5 }]);
  const { body } = await api.call('GET', `${DEPLOYMENTS}/web`);
  const mine = entry(body, 'x');
  assert.deepEqual([mine?.subresource, mine?.fieldsV1], ['scale', { 'f:spec': { 'f:replicas': {} } }]);
  for (const [path, configuration, status] of [
    ['web', { ...scale(1), kind: 'Deployment' }, 400],
    ['web', { ...scale(1), spec: { x: 1 } }, 500],
    ['web', { ...scale(1), metadata: { name: 'other' } }, 400],
    ['none', { ...scale(1), metadata: { name: 'none' } }, 404],
  ] as const) {
    const refused = await api.call(
      'PATCH',
      `${DEPLOYMENTS}/${path}/scale?fieldManager=x`,
      configuration,
      YAML,
    );
    assert.equal(refused.status, status, refused.body.message ?? '');
  }
});

test('null is a value: its field is owned, and what was there goes', async () => {
  await using api = await TestServer.open();
  const url = '/apis/apps/v1/namespaces/default/deployments';
  const labels = { a: 'b' };
  const spec = (container: object): object => ({
    replicas: 2,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i', ...container }] } },
  });
  await api.create(`${url}?fieldManager=before`, { metadata: { name: 'd' }, spec: spec({ args: ['x'] }) });
  const nulls = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', labels: null, managedFields: null },
    spec: { ...spec({ args: null, env: null }), replicas: null },
  };
  const apply = { 'content-type': 'application/apply-patch+yaml' };
  const refused = await api.call('PATCH', `${url}/d?fieldManager=one`, nulls, apply);
  assert.deepEqual(
    objectsAt(refused.body, 'details', 'causes').map(({ field }) => field),
    ['.spec.replicas', '.spec.template.spec.containers[name="c"].args'],
  );
  const { body } = await api.call('PATCH', `${url}/d?fieldManager=one&force=true`, nulls, apply);
  assert.equal(body.spec?.['replicas'], 1, 'the default');
  const [container] = objectsAt(body, 'spec', 'template', 'spec', 'containers');
  assert.equal(container?.['args'], undefined);
  const owned = JSON.stringify(
    objectsAt(body, 'metadata', 'managedFields').find(({ manager }) => manager === 'one'),
  );
  for (const field of ['"f:metadata":{"f:labels":{}}', '"f:replicas":{}', '"f:args":{},"f:env":{}'])
    assert.ok(owned.includes(field), `${field} in ${owned}`);
});
