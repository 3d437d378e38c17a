import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { unownedWith, type ManagedWrite } from '../../api/managed-fields/managed-fields.ts';
import { builtinType } from '../../api/object-type.ts';
import { kindSchema } from '../../api/schema.ts';
import type { KubeObject } from '../object.ts';
import { TestServer } from '../testing/test-server.ts';
import { Replicas, type Sent } from './replicas.ts';

const PODS = '/api/v1/namespaces/default/pods';
const STRICT = `${PODS}?fieldValidation=Strict`;

function podNamed(name: string, more: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'i', resources: {}, ports: [{ containerPort: 80 }] }] },
    ...more,
  };
}

/** Without what each object has of its own. */
function common({ metadata, ...rest }: KubeObject): JsonObject {
  const {
    name: _name,
    uid: _uid,
    resourceVersion: _version,
    creationTimestamp: _created,
    ...said
  } = metadata;
  return { ...rest, metadata: said };
}

const AUTHOR: ManagedWrite = {
  schema: builtinType(kindSchema('', 'v1', 'Pod')!).ownership,
  apiVersion: 'v1',
  manager: 'm',
  subresource: '',
  ignored: unownedWith([]),
  now: '2001-02-03T04:05:06Z',
};

/** Replicas whose drafts are what JSON.parse makes of them. */
class Parsed {
  readonly replicas = new Replicas();

  sent(text: string, more: Partial<Sent> = {}): Sent {
    return { body: Buffer.from(text), format: 'json', namespace: 'default', author: AUTHOR, ...more };
  }

  /** Whether the body is known, before it is remembered. */
  async isKnown(text: string, more?: Partial<Sent>): Promise<boolean> {
    const read = (body: Uint8Array): KubeObject => JSON.parse(Buffer.from(body).toString()) as KubeObject;
    const sent = this.sent(text, more);
    const known = this.replicas.find(sent)?.object;
    if (known === undefined) await this.replicas.remember(sent, read(sent.body), async (body) => read(body));
    else assert.deepEqual(known, read(sent.body), 'what it would be if it were read');
    return known !== undefined;
  }
}

test('replicas are what they would be if each were read', async () => {
  await using api = await TestServer.open();
  const made: KubeObject[] = [];
  for (const name of ['a', 'b', 'c-1.x', 'd']) {
    await api.clock.advance(1000);
    made.push((await api.call('POST', `${PODS}?fieldManager=maker`, podNamed(name))).body);
  }
  const [first, ...others] = made as [KubeObject, ...KubeObject[]];
  for (const other of others) {
    const times = objectsAt(other, 'metadata', 'managedFields').map((entry) => entry['time']);
    assert.deepEqual(times, [other.metadata.creationTimestamp], 'the time is its own');
    const timed = objectsAt(first, 'metadata', 'managedFields').map((entry) => ({
      ...entry,
      time: times[0],
    }));
    assert.deepEqual(
      common(other),
      common({ ...first, metadata: { ...first.metadata, managedFields: timed } }),
    );
  }
  assert.deepEqual(
    made.map(({ metadata }) => metadata.name),
    ['a', 'b', 'c-1.x', 'd'],
  );
  const found = await api.call('GET', `${PODS}/d`);
  assert.deepEqual(common(found.body), common(made[3]!));
});

test('what admission adds to one replica is not in the next', async () => {
  await using api = await TestServer.open();
  const limits = [{ type: 'Container', default: { cpu: '1' } }];
  const range = { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'r' }, spec: { limits } };
  await api.create('/api/v1/namespaces/default/limitranges', range);
  const cpus: unknown[] = [];
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    if (name === 'd') await api.call('DELETE', '/api/v1/namespaces/default/limitranges/r');
    const { body } = await api.call('POST', PODS, podNamed(name));
    const [container = {}] = objectsAt(body, 'spec', 'containers');
    cpus.push(stringAt(container, 'resources', 'limits', 'cpu'));
    assert.equal(objectsAt(body, 'spec', 'tolerations').length, 2);
  }
  assert.deepEqual(cpus, ['1', '1', '1', '', '']);
});

test('replicas hold what they have in common once, and nothing else', async () => {
  const parsed = new Parsed();
  const settled = (name: string, change: (object: KubeObject) => void = () => {}): KubeObject => {
    const { object, settle } = parsed.replicas.find(parsed.sent(JSON.stringify(podNamed(name))))!;
    change(object);
    settle(object);
    return object;
  };
  for (const name of ['a', 'b']) await parsed.isKnown(JSON.stringify(podNamed(name)));
  const [c, d] = [settled('c'), settled('d')];
  assert.equal(d.spec, c.spec);
  assert.equal(d.metadata.labels, c.metadata.labels);
  assert.notEqual(d.metadata, c.metadata);
  assert.deepEqual([c.metadata.name, d.metadata.name], ['c', 'd']);

  const other = settled('e', ({ spec }) => (spec!['nodeName'] = 'n'));
  assert.equal(stringAt(other, 'spec', 'nodeName'), 'n');
  assert.equal(stringAt(d, 'spec', 'nodeName'), '');
  assert.equal(other.metadata.labels, c.metadata.labels);
  const [f, g] = [settled('f'), settled('g')];
  assert.deepEqual([f.spec, g.spec], [c.spec, c.spec]);
  assert.equal(
    new Set([c.spec, f.spec, g.spec]).size,
    3,
    'replicas whose specs differ are not compared again',
  );
});

test('a replica is judged by its own name, also where its volumes have names that follow from it', async () => {
  await using api = await TestServer.open();
  const ephemeral = {
    volumeClaimTemplate: {
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  };
  const spec = { containers: [{ name: 'c', image: 'i' }], volumes: [{ name: 'v'.repeat(60), ephemeral }] };
  for (const name of ['a', 'b', 'c', 'd']) await api.create(PODS, podNamed(name, { spec }));
  const long = await api.call('POST', PODS, podNamed('e'.repeat(200), { spec }));
  assert.equal(long.status, 422);
  assert.match(long.body.message ?? '', /spec\.volumes\[0\]\.name: Invalid value: .*PVC name/);
  await api.create(PODS, podNamed('f', { spec }));
});

test('what is wrong with a spec, or what there is to say of it, is told of every replica', async () => {
  await using api = await TestServer.open();
  const wrong = { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 0 }] }] };
  const odd = {
    containers: [{ name: 'c', image: 'i', env: [1, 2].map((n) => ({ name: 'A', value: `${n}` })) }],
  };
  const answers = { wrong: new Set<string>(), odd: new Set<string>() };
  for (const name of ['a', 'b', 'c', 'd']) {
    const { body } = await api.call('POST', PODS, podNamed(name, { spec: wrong }));
    answers.wrong.add((body.message ?? '').replace(`"${name}"`, ''));
    const { status, headers } = await api.call('POST', PODS, podNamed(name, { spec: odd }));
    assert.equal(status, 201);
    answers.odd.add(headers['warning'] ?? '');
  }
  for (const [of, texts] of Object.entries(answers)) {
    assert.equal(texts.size, 1, of);
    assert.notEqual([...texts][0], '', of);
  }
});

test('what is wrong with the like of others is told each time', async () => {
  await using api = await TestServer.open();
  for (const name of ['a', 'b', 'c']) {
    const { status, body } = await api.call('POST', STRICT, podNamed(name, { more: 1 }));
    assert.deepEqual([status, body.message?.includes('unknown field "more"')], [400, true]);
    const { headers } = await api.call('POST', `${PODS}?dryRun=All`, podNamed(name, { more: 1 }));
    assert.match(headers['warning'] ?? '', /unknown field/);
  }
  const ignoring = `${PODS}?dryRun=All&fieldValidation=Ignore`;
  for (const name of ['a', 'b', 'c']) await api.call('POST', ignoring, podNamed(name, { more: 1 }));
  assert.equal(
    (await api.call('POST', STRICT, podNamed('d', { more: 1 }))).status,
    400,
    'nobody has told yet',
  );
  for (const name of ['a', 'b', 'c']) await api.create(PODS, podNamed(name));
  const wrong = await api.call('POST', PODS, podNamed('-d'));
  assert.deepEqual([wrong.status, wrong.body.reason], [422, 'Invalid']);
  const again = await api.call('POST', PODS, podNamed('a'));
  assert.deepEqual([again.status, again.body.reason], [409, 'AlreadyExists']);
  const bogus = await api.call('POST', `${PODS}?fieldValidation=bogus`, podNamed('e'));
  assert.equal(bogus.status, 422);
  const elsewhere = await api.call('POST', '/api/v1/namespaces/none/pods', podNamed('f'));
  assert.equal(elsewhere.status, 404);
});

test('generated names differ, and owners that a client sends are its own', async () => {
  await using api = await TestServer.open();
  const pod = podNamed('', { metadata: { generateName: 'web-' } });
  const names = new Set<unknown>();
  for (let i = 0; i < 4; i++) names.add((await api.call('POST', PODS, pod)).body.metadata.name);
  assert.equal(names.size, 4);

  const [entry = {}] = objectsAt((await api.call('POST', PODS, pod)).body, 'metadata', 'managedFields');
  const managedFields = [{ ...entry, manager: 'other', time: '2001-02-03T04:05:06Z' }];
  for (const name of ['a', 'b', 'c']) {
    const { body } = await api.call('POST', PODS, podNamed(name, { metadata: { name, managedFields } }));
    const times = objectsAt(body, 'metadata', 'managedFields').map((one) => stringAt(one, 'time'));
    assert.ok(times.includes('2001-02-03T04:05:06Z'), `${name}: ${times.join()}`);
  }
});

test('the third of a kind is known, whatever its name', async () => {
  const parsed = new Parsed();
  const text = (name: string): string => JSON.stringify(podNamed(name));
  assert.deepEqual(
    [
      await parsed.isKnown(text('a')),
      await parsed.isKnown(text('b')),
      await parsed.isKnown(text('c')),
      await parsed.isKnown(text('dddd')),
    ],
    [false, false, true, true],
  );
  const other = JSON.stringify(podNamed('e', { metadata: { name: 'e', labels: { app: 'api' } } }));
  assert.equal(await parsed.isKnown(other), false, 'another label');
  assert.equal(await parsed.isKnown(`${text('f')} `), false, 'another length');
  assert.equal(await parsed.isKnown(text('f'), { namespace: 'other' }), false);
  assert.equal(await parsed.isKnown(text('f'), { format: 'yaml' }), false);
  const author = { ...AUTHOR, manager: 'n' };
  assert.equal(await parsed.isKnown(text('f'), { author }), false, 'another manager');
  assert.equal(await parsed.isKnown(text('f')), true);
  for (const name of ['F', 'f"', 'f\\u0061', 'f","uid":"u', '', 'é'])
    assert.equal(await parsed.isKnown(text('f').replace('"f"', `"${name}"`)).catch(() => false), false, name);
});

test('a name that says more than a name makes no replicas', async () => {
  const parsed = new Parsed();
  const metadata = (name: string): JsonObject => ({ labels: { app: name }, name });
  for (const name of ['a', 'b', 'c', 'd'])
    assert.equal(
      await parsed.isKnown(JSON.stringify(podNamed(name, { metadata: metadata(name) }))),
      false,
      name,
    );
  // The first of several places where it stands is not the one.
  const label = (app: string): string =>
    JSON.stringify(podNamed('a', { metadata: { labels: { app }, name: 'a' } }));
  for (const app of ['a', 'b', 'c', 'a', 'a', 'd'])
    assert.equal(await parsed.isKnown(label(app)), false, app);
});

test('a draft is copied, and so many are remembered', async () => {
  const parsed = new Parsed();
  const text = (name: string, app = 'web'): string =>
    JSON.stringify(podNamed(name, { metadata: { name, labels: { app } } }));
  for (const name of ['a', 'b']) await parsed.isKnown(text(name));
  const known = parsed.replicas.find(parsed.sent(text('c')))!.object;
  known.metadata.labels!['app'] = 'changed';
  (known.spec!['containers'] as JsonObject[]).length = 0;
  assert.equal(await parsed.isKnown(text('c')), true, 'as it was');

  for (let i = 0; i < 7; i++) await parsed.isKnown(text('a', `app-${i}`));
  assert.equal(await parsed.isKnown(text('d')), true, 'there is room for eight');
  for (let i = 0; i < 7; i++) await parsed.isKnown(text('a', `other-${i}`));
  assert.equal(await parsed.isKnown(text('d')), true, 'it was of use since');
  for (let i = 0; i < 8; i++) await parsed.isKnown(text('a', `more-${i}`));
  assert.equal(await parsed.isKnown(text('d')), false, 'forgotten for eight others');
  const long = (name: string): string => text(name, 'x'.repeat(16 * 1024));
  for (const name of ['a', 'b', 'c']) assert.equal(await parsed.isKnown(long(name)), false, 'too long');
});
