import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import { TestServer, type Answer } from '../testing/test-server.ts';
import { until } from '../testing/until.ts';
import {
  APPLY,
  CRDS,
  define,
  definition,
  MERGE,
  OPEN_OBJECT,
  schema,
  widget,
  WIDGETS,
} from './testing/widgets.ts';

/** Defined and served. */
const defined = (api: TestServer, crd = definition()): Promise<void> => define(api, crd);

test('a definition makes a resource: pruned, with defaults, validated, with status and scale', async () => {
  await using api = await TestServer.open();
  await defined(api);
  const made = await api.call(
    'POST',
    WIDGETS,
    widget('a', { size: 3, colour: null, extra: 1, any: { x: { y: 1 } }, parts: [{ id: 'p' }] }),
  );
  assert.equal(made.status, 201, made.body.message ?? '');
  assert.deepEqual(made.body.spec, {
    size: 3,
    colour: 'red',
    replicas: 1,
    any: { x: { y: 1 } },
    parts: [{ id: 'p', weight: 7 }],
  });
  assert.match(made.headers['warning'] ?? '', /unknown field \\"spec.extra\\"/);
  assert.equal(made.body.metadata.generation, 1);
  const status = await api.call(
    'PATCH',
    `${WIDGETS}/a/status`,
    { status: { phase: 'Up', replicas: 1 }, spec: { size: 9 } },
    MERGE,
  );
  assert.deepEqual([status.body.status, status.body.spec?.['size']], [{ phase: 'Up', replicas: 1 }, 3]);
  assert.equal(status.body.metadata.generation, 1);
  const scaled = await api.call('PATCH', `${WIDGETS}/a/scale`, { spec: { replicas: 4 } }, MERGE);
  assert.deepEqual([scaled.body.kind, scaled.body.spec], ['Scale', { replicas: 4 }]);
  const table = await api.call('GET', WIDGETS, undefined, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  const { columnDefinitions, rows } = table.body as unknown as {
    columnDefinitions: { name: string; description: string }[];
    rows: { cells: unknown[] }[];
  };
  assert.deepEqual(
    columnDefinitions.map(({ name }) => name),
    ['Name', 'Size', 'Weights'],
  );
  assert.equal(
    columnDefinitions[1]?.description,
    'Custom resource definition column (in JSONPath format): .spec.size',
  );
  assert.deepEqual(rows[0]?.cells, ['a', 3, '7']);
  const red = await api.call('GET', `${WIDGETS}?fieldSelector=spec.colour=red`);
  assert.equal(red.body.items?.length, 1);
  // Nobody has a Go type for them that would say it.
  assert.equal(red.body.items?.[0]?.kind, 'Widget');
  const blue = await api.call('GET', `${WIDGETS}?fieldSelector=spec.colour=blue`);
  assert.equal(blue.body.items?.length, 0);
  for (const [sent, why] of [
    [{ metadata: { name: 'n' } }, /^the object provided is unrecognized .* Object 'Kind' is missing in '\{/],
    [{ kind: 'Widget', metadata: { name: 'n' } }, /^the API version in the data \(\) does not match/],
  ] as const) {
    const nameless = await api.call('POST', WIDGETS, sent);
    assert.equal(nameless.status, 400);
    assert.match(nameless.body.message ?? '', why);
  }
  const strategic = await api.call(
    'PATCH',
    `${WIDGETS}/a`,
    {},
    { 'content-type': 'application/strategic-merge-patch+json' },
  );
  assert.equal(strategic.status, 415);
  assert.match(
    strategic.body.message ?? '',
    /types include: .*merge-patch\+json, application\/apply-patch\+yaml$/,
  );
  const negative = await api.call('PATCH', `${WIDGETS}/a/scale`, { spec: { replicas: -1 } }, MERGE);
  assert.match(negative.body.message ?? '', /^Widget\.example\.com "a" is invalid: \.spec\.replicas: /);
  // No router is before what is defined.
  assert.equal((await api.raw('HEAD', WIDGETS)).status, 200);
  assert.equal((await api.call('POST', '/apis/example.com/v1', {})).status, 200);
  const nowhere = await api.call('GET', '/apis/example.com/v1/namespaces/default/others');
  assert.equal(nowhere.body.message, '404 page not found\n');
});

test('who deletes all is told that there are no more', async () => {
  await using api = await TestServer.open();
  await defined(api);
  for (const name of ['a', 'b']) await api.create(WIDGETS, widget(name, { size: 1 }));
  const { body } = await api.call('DELETE', WIDGETS);
  const { items = [], metadata } = body;
  assert.deepEqual([items.map((item) => item.metadata.name), metadata['continue']], [['a', 'b'], '']);
  assert.equal((await api.call('GET', WIDGETS)).body.metadata['continue'], undefined);
  const ofOurs = await api.call('DELETE', '/api/v1/namespaces/default/configmaps');
  assert.equal(ofOurs.body.metadata['continue'], undefined);
});

test('an empty list is a default', async () => {
  await using api = await TestServer.open();
  const names = { type: 'array', items: { type: 'string' }, default: [] };
  const spec = { type: 'object', default: {}, properties: { names } };
  const openAPIV3Schema = { type: 'object', properties: { spec } };
  await defined(api, definition({}, { schema: { openAPIV3Schema }, selectableFields: [] }));
  const made = await api.call('POST', WIDGETS, widget('a', {}));
  assert.deepEqual(made.body.spec, { names: [] });
});

test('what a status is by default it is from the beginning, whatever is sent', async () => {
  await using api = await TestServer.open();
  const phase = { type: 'string', default: 'Pending' };
  const status = { type: 'object', default: { count: 0 }, properties: { count: { type: 'integer' }, phase } };
  const openAPIV3Schema = { type: 'object', properties: { spec: OPEN_OBJECT, status } };
  await defined(api, definition({}, { schema: { openAPIV3Schema }, selectableFields: [] }));
  const sent = { ...widget('a', {}), status: { count: 3 } };
  const made = await api.call('POST', WIDGETS, sent);
  assert.deepEqual(made.body.status, { count: 0, phase: 'Pending' }, made.body.message ?? '');
  assert.deepEqual((await api.call('GET', `${WIDGETS}/a`)).body.status, { count: 0, phase: 'Pending' });
});

test('values are refused in the usual words; what was so before is let be', async () => {
  await using api = await TestServer.open();
  await defined(api);
  const cases: readonly [JsonObject, RegExp][] = [
    [{}, /spec\.size: Required value/],
    [
      { size: 'x' },
      /spec\.size: Invalid value: "string": spec\.size in body must be of type integer: "string"/,
    ],
    [{ size: 11 }, /spec\.size: Invalid value: 11: spec\.size in body should be less than or equal to 10/],
    [
      { size: 1, colour: 'green' },
      /spec\.colour: Unsupported value: "green": supported values: "red", "blue"/,
    ],
    [{ size: 1, name: 'ABCDEF' }, /spec\.name: Too long: may not be more than 5 bytes/],
    [{ size: 1, port: 1.5 }, /spec\.port: Invalid value: "number"/],
    [{ size: 1, parts: [{ id: 'a' }, { id: 'a' }] }, /spec\.parts\[1\]: Duplicate value: \{"id":"a"\}/],
    [{ size: 1, replicas: -1 }, /\.spec\.replicas: Invalid value: -1: should be a non-negative integer/],
    [
      { size: 1, replicas: 'x' },
      /\.spec\.replicas: Invalid value: 0: \.spec\.replicas accessor error: x is of the type string, expected int64/,
    ],
    [
      {
        size: 1,
        inner: {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { managedFields: [{ fieldsType: 'X', manager: 'm'.repeat(129) }] },
        },
      },
      /inner\.metadata\.managedFields\[0\]\.operation: Invalid value: "": must be `Apply` or `Update`, spec\.inner\.metadata\.managedFields\[0\]\.fieldsType: Invalid value: "X": must be `FieldsV1`, spec\.inner\.metadata\.managedFields\[0\]\.manager: Too long: may not be more than 128 bytes/,
    ],
    [
      { size: 1, inner: { kind: 'a/b' } },
      /spec\.inner\.apiVersion: Required value, spec\.inner\.kind: Invalid value: "a\/b": may have mixed case/,
    ],
    [
      { size: 1, name: '' },
      /is invalid: spec\.name: Invalid value: "": spec\.name in body should be at least 1 chars long$/,
    ],
    [
      { size: 1, host: 'a-b.' },
      /spec\.host: Invalid value: "a-b\.": spec\.host in body must be of type hostname: "a-b\."/,
    ],
    [
      { size: 1, small: 2 ** 31 },
      /<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec\.small/,
    ],
  ];
  for (const [spec, message] of cases) {
    const refused = await api.call('POST', WIDGETS, widget('b', spec));
    assert.equal(refused.status, 422, JSON.stringify(spec));
    assert.match(refused.body.message ?? '', message);
  }
  await api.create(WIDGETS, widget('a', { size: 9 }));
  const crd = await api.call('GET', `${CRDS}/widgets.example.com`);
  const tighter = structuredClone(crd.body) as unknown as {
    spec: { versions: { schema: { openAPIV3Schema: unknown } }[] };
  };
  const small = structuredClone(schema) as unknown as {
    properties: { spec: { properties: { size: { maximum: number } } } };
  };
  small.properties.spec.properties.size.maximum = 5;
  tighter.spec.versions[0]!.schema.openAPIV3Schema = small;
  await api.call('PUT', `${CRDS}/widgets.example.com`, tighter);
  await until(async () => (await api.call('POST', WIDGETS, widget('c', { size: 9 }))).status === 422);
  const other = await api.call('PATCH', `${WIDGETS}/a`, { spec: { colour: 'blue' } }, MERGE);
  assert.equal(other.status, 200, other.body.message ?? '');
  const worse = await api.call('PATCH', `${WIDGETS}/a`, { spec: { size: 10 } }, MERGE);
  assert.equal(worse.status, 422);
});

test('server-side apply joins lists by their keys', async () => {
  await using api = await TestServer.open();
  await defined(api);
  const apply = (manager: string, spec: JsonObject): Promise<Answer> =>
    api.call('PATCH', `${WIDGETS}/a?fieldManager=${manager}`, widget('a', spec), APPLY);
  await apply('one', { size: 1, parts: [{ id: 'x' }] });
  const both = await apply('two', { parts: [{ id: 'y', weight: 2 }] });
  assert.deepEqual(both.body.spec?.['parts'], [
    { id: 'x', weight: 7 },
    { id: 'y', weight: 2 },
  ]);
  const conflict = await apply('two', { size: 2 });
  assert.match(conflict.body.message ?? '', /conflict with "one": \.spec\.size/);
});

test('two versions show one object; discovery and OpenAPI follow', async () => {
  await using api = await TestServer.open();
  const version = (name: string, storage: boolean): JsonObject => ({
    name,
    served: true,
    storage,
    schema: { openAPIV3Schema: schema },
  });
  await defined(api, definition({ versions: [version('v1', true), version('v2', false)] }));
  await api.create(WIDGETS, widget('a', { size: 1 }));
  const second = await api.call('GET', '/apis/example.com/v2/namespaces/default/widgets/a');
  assert.deepEqual([second.body.apiVersion, second.body.spec?.['size']], ['example.com/v2', 1]);
  const list = await api.call('GET', '/apis/example.com/v2');
  const { resources } = list.body as unknown as { resources: { name: string; kind: string }[] };
  assert.deepEqual(
    resources.map(({ name, kind }) => [name, kind]),
    [['widgets', 'Widget']],
  );
  const document = await api.call('GET', '/openapi/v3/apis/example.com/v1');
  const { components } = document.body as unknown as {
    components: { schemas: Record<string, { properties: Record<string, unknown> }> };
  };
  assert.ok('spec' in components.schemas['com.example.v1.Widget']!.properties);
  assert.ok('com.example.v1.WidgetList' in components.schemas);
});

test('names are first come, first served; deleting a definition deletes its objects', async () => {
  await using api = await TestServer.open();
  await defined(api);
  const rival = definition({ names: { plural: 'gadgets', kind: 'Widget', shortNames: ['gd'] } });
  rival['metadata'] = { name: 'gadgets.example.com' };
  await api.create(CRDS, rival);
  let state: KubeObject | undefined;
  await until(async () => {
    state = (await api.call('GET', `${CRDS}/gadgets.example.com`)).body;
    return state.status?.['conditions'] !== undefined;
  });
  const [names] = state!.status!['conditions'] as JsonObject[];
  assert.deepEqual([names!['status'], names!['reason']], ['False', 'ListKindConflict']);
  assert.equal((await api.call('GET', '/apis/example.com/v1/namespaces/default/gadgets')).status, 404);

  // What is free is theirs.
  assert.deepEqual(state!.status!['acceptedNames'], { plural: 'gadgets', kind: '', shortNames: ['gd'] });

  await api.create(WIDGETS, widget('a', { size: 1 }));
  const { metadata } = (await api.call('GET', `${CRDS}/widgets.example.com`)).body;
  assert.equal(metadata.finalizers, undefined);
  const owners = metadata['managedFields'] as JsonObject[];
  assert.ok(owners.some((one) => one['manager'] === 'kube-apiserver' && one['subresource'] === 'status'));
  // Whoever takes all stored versions away leaves the one that is written.
  const bare = [{ op: 'remove', path: '/status/storedVersions' }];
  const { body: patched } = await api.call('PATCH', `${CRDS}/widgets.example.com/status`, bare, {
    'content-type': 'application/json-patch+json',
  });
  assert.deepEqual(patched.status!['storedVersions'], ['v1']);
  const doomed = (await api.call('DELETE', `${CRDS}/widgets.example.com`)).body;
  assert.deepEqual(doomed.metadata.finalizers, ['customresourcecleanup.apiextensions.k8s.io']);
  assert.equal(doomed.metadata.generation, 1);
  assert.equal(doomed.metadata.deletionGracePeriodSeconds, undefined);
  const reasons = (doomed.status!['conditions'] as JsonObject[]).map(({ reason }) => reason);
  assert.deepEqual(reasons, ['NoConflicts', 'InitialNamesAccepted', 'InstanceDeletionPending']);
  await until(async () => (await api.call('GET', `${CRDS}/widgets.example.com`)).status === 404);
  assert.equal((await api.call('GET', WIDGETS)).status, 404);
  // Who has waited has the names now.
  const rivals = '/apis/example.com/v1/namespaces/default/gadgets';
  await until(async () => (await api.call('GET', rivals)).status === 200);
  const left = await api.store.range('/registry/example.com/', '/registry/example.com0', {});
  assert.deepEqual(left.kvs, []);
});

test('a resource with the name of one of ours is another', async () => {
  await using api = await TestServer.open();
  const names = { plural: 'services', kind: 'Service' };
  const named = { metadata: { name: 'services.example.com' } };
  const services = '/apis/example.com/v1/namespaces/default/services';
  const of = definition();
  await api.call('POST', CRDS, { ...of, ...named, spec: { ...(of['spec'] as JsonObject), names } });
  const service = {
    apiVersion: 'example.com/v1',
    kind: 'Service',
    metadata: { name: 'a' },
    spec: { size: 1 },
  };
  await until(async () => (await api.call('POST', services, service)).status === 201);
  assert.equal((await api.call('DELETE', `${services}/a`)).body.kind, 'Status');
});

test('a definition in a group of Kubernetes says whether it was agreed upon', async () => {
  await using api = await TestServer.open();
  const crd = definition({ group: 'x.k8s.io' });
  const annotations = { 'api-approved.kubernetes.io': 'https://example.com/1' };
  crd['metadata'] = { name: 'widgets.x.k8s.io', annotations };
  await api.create(CRDS, crd);
  let conditions: readonly JsonObject[] = [];
  await until(async () => {
    const { status } = (await api.call('GET', `${CRDS}/widgets.x.k8s.io`)).body;
    conditions = (status?.['conditions'] ?? []) as JsonObject[];
    return conditions.length === 3;
  });
  const { lastTransitionTime: _time, ...approval } = conditions[2]!;
  assert.deepEqual(approval, {
    type: 'KubernetesAPIApprovalPolicyConformant',
    status: 'True',
    reason: 'ApprovedAnnotation',
    message: 'approved in https://example.com/1',
  });
});

test('definitions and objects are there after a restart', async () => {
  await using api = await TestServer.open();
  await defined(api);
  await api.create(WIDGETS, widget('a', { size: 1 }));
  await api.server[Symbol.asyncDispose]();
  await using again = await TestServer.open({ store: api.store });
  assert.equal((await again.call('GET', `${WIDGETS}/a`)).status, 200);
});

test('definitions that cannot be served are refused with the field', async () => {
  await using api = await TestServer.open();
  const withSchema = (openAPIV3Schema: JsonObject): JsonObject =>
    definition({}, { schema: { openAPIV3Schema } });
  const cases: readonly [JsonObject, RegExp][] = [
    [
      definition({ scope: 'Everywhere' }),
      /spec\.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced"/,
    ],
    [
      definition({ group: 'other.com' }),
      /metadata\.name: Invalid value: "widgets\.example\.com": must be spec\.names\.plural\+"\."\+spec\.group/,
    ],
    [definition({}, { storage: false }), /must have exactly one version marked as storage version/],
    [definition({}, { schema: {} }), /openAPIV3Schema: Required value/],
    [
      withSchema({ type: 'object', properties: { a: {} } }),
      /properties\[a\]\.type: Required value: must not be empty for specified object fields/,
    ],
    [
      withSchema({ type: 'string' }),
      /openAPIV3Schema\.type: Invalid value: "string": must be object at the root/,
    ],
    [
      withSchema({ type: 'object', properties: { a: { type: 'array' } } }),
      /properties\[a\]\.items: Required value: must be specified/,
    ],
    [
      withSchema({ type: 'object', properties: { a: { type: 'string', pattern: '[' } } }),
      /properties\[a\]\.pattern: Invalid value: "\[": must be a valid regular expression, but isn't: error parsing regexp: missing closing \]: `\[`/,
    ],
    [
      withSchema({ type: 'object', properties: { a: { type: 'string', anyOf: [{ pattern: '(?=a)' }] } } }),
      /properties\[a\]\.anyOf\[0\]\.pattern: Invalid value: "\(\?=a\)": must be a valid regular expression, but isn't: error parsing regexp: invalid or unsupported Perl syntax: `\(\?=`/,
    ],
    [
      withSchema({ type: 'object', properties: { a: { type: 'integer', default: 'x' } } }),
      /properties\[a\]\.default: Invalid value/,
    ],
    [
      definition({}, { additionalPrinterColumns: [{ name: 'A', type: 'text', jsonPath: '.a' }] }),
      /additionalPrinterColumns\[0\]\.type: Invalid value: "text": must be one of boolean,date,integer,number,string/,
    ],
  ];
  for (const [crd, message] of cases) {
    const { status, body } = await api.call('POST', CRDS, crd);
    assert.equal(status, 422, JSON.stringify(crd));
    assert.match(body.message ?? '', message);
  }
});

test('what is stored is read by the schema of today: defaults come and stay, what is unknown goes', async () => {
  await using api = await TestServer.open();
  const only = (properties: JsonObject): JsonObject => ({
    type: 'object',
    properties: { spec: { type: 'object', properties } },
  });
  const withSchema = async (openAPIV3Schema: JsonObject): Promise<void> => {
    const path = '/spec/versions/0/schema/openAPIV3Schema';
    const patch = [{ op: 'replace', path, value: openAPIV3Schema }];
    const answer = await api.call('PATCH', `${CRDS}/widgets.example.com`, patch, {
      'content-type': 'application/json-patch+json',
    });
    assert.equal(answer.status, 200, answer.body.message ?? '');
  };
  const text = { type: 'string' };
  const plain = { subresources: {}, additionalPrinterColumns: [], selectableFields: [] };
  const first = { schema: { openAPIV3Schema: only({ a: text, b: text, old: text }) }, ...plain };
  await defined(api, definition({}, first));
  await api.create(WIDGETS, widget('early', { old: 'x' }));

  await withSchema(only({ a: { ...text, default: 'A' }, b: text }));
  const specOf = async (name: string): Promise<unknown> =>
    (await api.call('GET', `${WIDGETS}/${name}`)).body.spec;
  await until(async () => isDeepStrictEqual(await specOf('early'), { a: 'A' }));
  await api.create(WIDGETS, widget('late', {}));

  await withSchema(only({ a: text, b: { ...text, default: 'B' } }));
  await until(async () => isDeepStrictEqual(await specOf('early'), { b: 'B' }));
  // The default of its time was stored with it.
  assert.deepEqual(await specOf('late'), { a: 'A', b: 'B' });
  const listed = await api.call('GET', WIDGETS);
  assert.deepEqual(
    listed.body.items?.map(({ spec }) => spec),
    [{ b: 'B' }, { a: 'A', b: 'B' }],
  );
});

test('a pattern that other engines would try for ever is answered at once', async () => {
  await using api = await TestServer.open();
  const hostile: JsonObject = {
    type: 'object',
    properties: { spec: { type: 'object', properties: { text: { type: 'string', pattern: '^(a+)+$' } } } },
  };
  await defined(
    api,
    definition(
      {},
      {
        schema: { openAPIV3Schema: hostile },
        subresources: {},
        additionalPrinterColumns: [],
        selectableFields: [],
      },
    ),
  );
  const spent = process.cpuUsage();
  const answer = await api.call('POST', WIDGETS, {
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    metadata: { name: 'w' },
    spec: { text: `${'a'.repeat(50_000)}!` },
  });
  assert.equal(answer.status, 422);
  assert.match(answer.body.message ?? '', /spec\.text in body should match '\^\(a\+\)\+\$'/);
  assert.ok(process.cpuUsage(spent).user < 2_000_000);
});
