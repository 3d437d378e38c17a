import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../base/random.ts';
import type { JsonObject } from '../json.ts';
import { kindSchema } from '../schema.ts';
import { FieldSet, FieldSetBuilder, pathText } from './field-set.ts';
import { recordUpdate, unownedWith } from './managed-fields.ts';
import { compare, merge, removePaths, toFieldSet } from './typed-value.ts';
import { structSchema, type ValueSchema } from './value-schema.ts';

const random = seededRandom(7);

function someSet(): FieldSet {
  const builder = new FieldSetBuilder();
  const step = (): string => ['f:a', 'f:b', 'v:"c"', 'k:{"name":"d"}'][Math.floor(random.next() * 4)]!;
  for (let i = Math.floor(random.next() * 6); i > 0; i--) {
    builder.add(Array.from({ length: 1 + Math.floor(random.next() * 3) }, step));
  }
  return builder.build();
}

const members = (set: FieldSet): Set<string> => new Set([...set.paths()].map((path) => path.join(' ')));

test('sets behave as sets of paths, and survive their JSON form', () => {
  for (let round = 0; round < 500; round++) {
    const [a, b] = [someSet(), someSet()];
    const [x, y] = [members(a), members(b)];
    assert.deepEqual(members(a.union(b)), x.union(y).size === 0 ? new Set() : members(b.union(a)));
    assert.deepEqual([...members(a.union(b))].toSorted(), [...x.union(y)].toSorted());
    assert.deepEqual([...members(a.intersection(b))].toSorted(), [...x.intersection(y)].toSorted());
    assert.deepEqual([...members(a.difference(b))].toSorted(), [...x.difference(y)].toSorted());
    const back = FieldSet.fromJson(JSON.parse(JSON.stringify(a.toJson())) as JsonObject);
    assert.ok(back.equals(a), JSON.stringify(a.toJson()));
  }
});

test('FieldsV1 from outside is normalised or refused', () => {
  const set = FieldSet.fromJson({
    'f:ports': { 'k:{"protocol":"TCP", "port":80}': { '.': {}, 'f:name': {} } },
  });
  const [item, name] = [...set.paths()];
  assert.equal(pathText(item!), '.ports[port=80,protocol="TCP"]');
  assert.equal(pathText(name!), '.ports[port=80,protocol="TCP"].name');
  const bad: readonly JsonObject[] = [{ name: {} }, { 'f:a': 1 }, { 'k:{': {} }];
  for (const json of bad) {
    assert.throws(() => FieldSet.fromJson(json), /is not a path element/);
  }
  let deep: JsonObject = {};
  for (let i = 0; i < 1000; i++) deep = { 'f:a': deep };
  assert.throws(() => FieldSet.fromJson(deep), /nested too deeply/);
});

const pod = structSchema(kindSchema('', 'v1', 'Pod')!.message);
const all = (schema: ValueSchema): Parameters<typeof compare>[2] => ({ schema, ignored: FieldSet.empty });

test('a value minus all of its paths has only empty wholes, and merging it back restores it', () => {
  const value: JsonObject = {
    metadata: { labels: { a: '1', b: '2' }, finalizers: ['x', 'y'] },
    spec: {
      containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }] }],
      nodeSelector: { n: 'm' },
    },
  };
  const paths = toFieldSet(value, pod);
  assert.deepEqual(removePaths(value, pod, paths), {
    metadata: { labels: {}, finalizers: [] },
    spec: { containers: [] },
  });
  assert.deepEqual(merge({}, value, pod), value);
  assert.deepEqual(merge(value, value, pod), value);
  const change = compare({}, value, all(pod));
  assert.ok(paths.difference(change.touched).isEmpty);
  assert.ok(change.removed.isEmpty);
  for (const other of [value, structuredClone(value)]) {
    const same = compare(value, other, all(pod));
    assert.ok(same.touched.isEmpty && same.removed.isEmpty);
  }
});

test('an applied list keeps its order among what the base has', () => {
  const list = (...names: string[]): JsonObject => ({
    spec: { containers: names.map((name) => ({ name })) },
  });
  const cases: readonly [string[], string[], string[]][] = [
    [
      ['a', 'b', 'c'],
      ['c', 'a'],
      ['c', 'a', 'b'],
    ],
    [
      ['a', 'x', 'b'],
      ['a', 'b', 'n'],
      ['a', 'x', 'b', 'n'],
    ],
    [['x'], ['a'], ['x', 'a']],
  ];
  for (const [base, over, want] of cases) {
    assert.deepEqual(merge(list(...base), list(...over), pod), list(...want));
  }
});

test('what comes as a whole is a member with all that is in it, unless it is always there', () => {
  const value: JsonObject = {
    metadata: { labels: { a: '1' } },
    spec: {
      containers: [{ name: 'c', resources: {}, ports: [{ containerPort: 1 }, { containerPort: 1 }] }],
      nodeSelector: {},
    },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const port = 'k:{"containerPort":1,"protocol":"TCP"}';
  assert.deepEqual(compare({}, value, all(pod)).touched.toJson(), {
    'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
    'f:spec': {
      // Go has a list of containers even when it is nil, and knows no difference between items of the same key.
      'f:containers': {
        'k:{"name":"c"}': { '.': {}, 'f:name': {}, 'f:ports': { '.': {}, [port]: {} }, 'f:resources': {} },
      },
      'f:nodeSelector': {},
    },
    'f:status': {
      'f:conditions': {
        '.': {},
        'k:{"type":"Ready"}': {
          '.': {},
          'f:lastProbeTime': {},
          'f:lastTransitionTime': {},
          'f:status': {},
          'f:type': {},
        },
      },
    },
  });
  const fewer = compare({ spec: { containers: [{ name: 'c' }] } }, { spec: { containers: [] } }, all(pod));
  assert.deepEqual(fewer.removed.toJson(), {
    'f:spec': { 'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:name': {}, 'f:resources': {} } } },
  });
  const role = structSchema(kindSchema('rbac.authorization.k8s.io', 'v1', 'Role')!.message);
  assert.deepEqual(compare({}, { rules: [] }, all(role)).touched.toJson(), { 'f:rules': {} });
  // References are wholes, but not this one.
  const volume = structSchema(kindSchema('', 'v1', 'PersistentVolume')!.message);
  assert.deepEqual(compare({}, { spec: { claimRef: { name: 'a' } } }, all(volume)).touched.toJson(), {
    'f:spec': { 'f:claimRef': { '.': {}, 'f:name': {} } },
  });
});

test('where an item has none of its keys, nobody owns anything', () => {
  const account = structSchema(kindSchema('', 'v1', 'ServiceAccount')!.message);
  const object: JsonObject = { metadata: { name: 'a', managedFields: [] }, secrets: [{ namespace: 'n' }] };
  const write = {
    apiVersion: 'v1',
    manager: 'm',
    subresource: '',
    ignored: unownedWith([]),
    now: '2026-01-01T00:00:00Z',
  };
  recordUpdate(undefined, object, { ...write, schema: account });
  assert.deepEqual(object['metadata'], { name: 'a' });
});
