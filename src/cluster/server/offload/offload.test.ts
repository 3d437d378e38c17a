import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '../../../base/errors.ts';
import { systemClock } from '../../../base/clock.ts';
import { stringAt } from '../../api/json.ts';
import type { AdmissionPlugin } from '../admission/admission.ts';
import { wholeBody } from '../encoding/list-body.ts';
import { configMap, TestServer, type Answer } from '../testing/test-server.ts';
import { threads } from '../testing/threads.ts';
import { until } from '../testing/until.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const [APPLY, MERGE] = ['application/apply-patch+yaml', 'application/merge-patch+json'];

const wide = (value: string, count = 1500): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, value]));

/** Without what differs from one server to the other. */
function told({ status, body }: Answer): unknown {
  return { status, body: JSON.stringify(body).replaceAll(/"uid":"[^"]+"/g, '"uid":""') };
}

/** Without uids, which differ. */
function plain(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '-');
}

async function story(api: TestServer): Promise<unknown[]> {
  const url = `${MAPS}/a`;
  const answers = [
    await api.call('POST', `${MAPS}?fieldManager=one`, configMap('a', wide('1'))),
    await api.call('POST', MAPS, configMap('a', wide('1'))),
    await api.call('POST', `${MAPS}?dryRun=All`, configMap('b', wide('1'))),
    // What has a semicolon in it counts for nothing.
    await api.call('POST', `${MAPS}?dryRun=some;thing`, configMap('a', wide('1'))),
    await api.call(
      'PATCH',
      `${url}?fieldManager=two`,
      { data: { 'key-3': '2', more: 'x' } },
      { 'content-type': MERGE },
    ),
    await api.call('PATCH', `${url}?fieldManager=three`, configMap('a', wide('3')), {
      'content-type': APPLY,
    }),
    await api.call('PATCH', `${url}?fieldManager=three&force=true`, configMap('a', wide('3')), {
      'content-type': APPLY,
    }),
    await api.call('PUT', `${url}?fieldManager=one`, configMap('a', wide('4'))),
    await api.call('PUT', url, {
      ...(configMap('a', wide('5')) as object),
      metadata: { name: 'a', resourceVersion: '1' },
    }),
    await api.call('POST', MAPS, { ...(configMap('c', wide('6')) as object), unknown: 1 }),
    await api.call('POST', `${MAPS}?fieldValidation=Strict`, {
      ...(configMap('c', wide('6')) as object),
      unknown: 1,
    }),
    await api.call('POST', MAPS, configMap('d', { ...wide('6'), 'b/a/d': '', 'a d': '' })),
    await api.call('POST', MAPS, `${JSON.stringify(configMap('d', wide('6')))}}`),
    await api.call('PATCH', `${MAPS}/none`, { data: wide('1') }, { 'content-type': MERGE }),
    await api.call('GET', url, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }),
    await api.call('DELETE', url),
    await api.call('GET', url),
  ].map(told);
  return answers;
}

test('wide objects are answered for as all others', async () => {
  using seen = threads();
  await using api = await TestServer.open();
  const answers = await story(api);
  assert.equal(seen.started.length, 1);
  await using alone = await TestServer.open({ limits: { wideValues: Infinity } });
  assert.deepEqual(answers, await story(alone));
  assert.equal(seen.started.length, 1);
});

test('a wide object is shown as protobuf', async () => {
  using seen = threads();
  await using api = await TestServer.open();
  await using alone = await TestServer.open({ limits: { wideValues: Infinity } });
  const headers = { accept: PROTOBUF, 'content-type': PROTOBUF };
  const shown: Buffer[] = [];
  for (const server of [api, alone]) {
    await server.create(MAPS, configMap('a', wide('1')));
    const answer = await server.raw('GET', `${MAPS}/a`, { headers });
    assert.equal(answer.headers['content-type'], PROTOBUF);
    shown.push(Buffer.from(await wholeBody(answer.body)));
    const replaced = await server.raw('PUT', `${MAPS}/a`, { headers, body: shown.at(-1)! });
    assert.equal(replaced.status, 200);
  }
  assert.equal(shown[0]!.length, shown[1]!.length);
  assert.equal(seen.started.length, 1);
});

test('lists and watches show wide objects among others, in the order of things', async () => {
  const forms = [
    PROTOBUF,
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    `${PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io`,
  ];
  const seen: string[][] = [];
  using started = threads();
  for (const wideValues of [1000, Infinity]) {
    await using api = await TestServer.open({ limits: { wideValues } });
    await api.create(MAPS, configMap('a', { a: '1' }));
    await api.create(MAPS, configMap('b', wide('1')));
    const bytes: string[] = [];
    for (const accept of forms) {
      const list = await api.raw('GET', MAPS, { headers: { accept } });
      bytes.push(plain(await wholeBody(list.body)));
      const stop = new AbortController();
      const { body } = await api.raw('GET', `${MAPS}?watch=1`, { headers: { accept }, signal: stop.signal });
      await api.create(MAPS, configMap('c', wide('2', 20_000)));
      await api.create(MAPS, configMap('the-last', { a: '2' }));
      const parts: Uint8Array[] = [];
      let text = '';
      for await (const part of body as AsyncIterable<Uint8Array>) {
        parts.push(part);
        text = Buffer.concat(parts).toString('latin1');
        if (text.includes('the-last')) break;
      }
      stop.abort();
      bytes.push(plain(Buffer.from(text, 'latin1')));
      for (const name of ['c', 'the-last']) await api.call('DELETE', `${MAPS}/${name}`);
    }
    seen.push(bytes);
  }
  assert.deepEqual(seen[0], seen[1]);
  assert.equal(started.started.length, 1);
});

test('fields and labels of wide objects select them', async () => {
  await using api = await TestServer.open();
  const env = Array.from({ length: 1500 }, (_, i) => ({ name: `N${i}`, value: 'spec.nodeName' }));
  const make = (name: string, labels: object, more: object): Promise<unknown> =>
    api.create('/api/v1/namespaces/default/pods', {
      metadata: { name, labels },
      spec: { containers: [{ name: 'c', image: 'i', env }], ...more },
    });
  await make('here', { app: 'a' }, { nodeName: 'n1' });
  await make('there', { app: 'b' }, { nodeName: 'n2' });
  await make('nowhere', { app: 'a' }, {});
  const names = async (query: string): Promise<unknown> => {
    const { body } = await api.call('GET', `/api/v1/pods?${query}`);
    return body.items?.map(({ metadata }) => metadata.name);
  };
  assert.deepEqual(await names('fieldSelector=spec.nodeName%3Dn1'), ['here']);
  assert.deepEqual(await names('fieldSelector=spec.nodeName!%3Dn1,status.phase%3DPending'), [
    'nowhere',
    'there',
  ]);
  assert.deepEqual(await names('fieldSelector=spec.nodeName%3D,spec.restartPolicy%3DAlways'), ['nowhere']);
  assert.deepEqual(await names('labelSelector=app%3Da&fieldSelector=metadata.name!%3Dhere'), ['nowhere']);
});

test('admission has its say in the main thread, and gives back what it has set aside', async () => {
  const log: string[] = [];
  const hasty: AdmissionPlugin = {
    name: 'Hasty',
    ignoresObject: true,
    handles: ({ resource }) => resource.resource === 'configmaps',
    mutate: ({ object }) => void log.push(object === undefined ? 'nothing has been read' : 'read'),
  };
  const plugin: AdmissionPlugin = {
    name: 'Test',
    handles: ({ resource }) => resource.resource === 'configmaps',
    mutate(request) {
      log.push(`mutate ${request.operation} ${stringAt(request.old, 'data', 'key-0')}`);
      request.warn('careful');
      request.object!.metadata.labels = { by: 'plugin' };
    },
    validate(request) {
      log.push(
        `validate ${Object.keys(request.object!.data!).length} ${request.object!.metadata.labels!['by']}`,
      );
      return async () => void log.push('given back');
    },
  };
  await using api = await TestServer.open({ admission: [hasty, plugin] });
  const made = await api.call('POST', MAPS, configMap('a', wide('1')));
  assert.deepEqual(made.body.metadata.labels, { by: 'plugin' });
  assert.equal(made.headers['warning'], '299 - "careful"');
  assert.equal((await api.call('POST', MAPS, configMap('a', wide('2')))).status, 409);
  assert.equal((await api.call('PUT', `${MAPS}/a`, configMap('a', wide('3')))).status, 200);
  assert.deepEqual(log, [
    'nothing has been read',
    'mutate CREATE ',
    'validate 1500 plugin',
    'nothing has been read',
    'mutate CREATE ',
    'validate 1500 plugin',
    'given back',
    'nothing has been read',
    'mutate UPDATE 1',
    'validate 1500 plugin',
  ]);
});

test('wide objects of a collection are deleted among others', async () => {
  using seen = threads();
  const guard: AdmissionPlugin = {
    name: 'Guard',
    handles: ({ resource, operation }) => resource.resource === 'configmaps' && operation === 'DELETE',
    validate({ name, old, warn }) {
      warn('going, going');
      if (old?.metadata.labels?.['keep'] === 'yes')
        throw new PlatformError('forbidden', `configmaps "${name}" is forbidden: it stays`);
    },
  };
  await using api = await TestServer.open({ admission: [guard] });
  const make = async (name: string, count: number, labels: Record<string, string>): Promise<void> => {
    const body = configMap(name, wide('1', count)) as { readonly metadata: object };
    await api.call('POST', MAPS, { ...body, metadata: { ...body.metadata, labels } });
  };
  for (const [i, count] of [1500, 2, 1600, 3].entries()) await make(`a${i}`, count, { keep: 'no' });
  await make('kept', 1500, { keep: 'yes' });
  assert.equal(seen.started.length, 1);
  const dry = await api.call('DELETE', `${MAPS}?dryRun=All&labelSelector=keep%3Dno`);
  assert.equal(dry.status, 200);
  const gone = await api.call('DELETE', `${MAPS}?labelSelector=keep%3Dno`);
  assert.deepEqual(
    gone.body.items!.map(({ metadata }) => metadata.name),
    ['a0', 'a1', 'a2', 'a3'],
  );
  assert.equal(gone.headers['warning'], '299 - "going, going"');
  const held = await api.call('DELETE', `${MAPS}?labelSelector=keep%3Dyes`);
  assert.equal(held.status, 403);
  assert.equal(held.body.message, 'configmaps "kept" is forbidden: it stays');
  const { body } = await api.call('GET', MAPS);
  assert.deepEqual(
    body.items!.map(({ metadata }) => metadata.name).filter((name) => name !== 'kube-root-ca.crt'),
    ['kept'],
  );
});

test('what has no name yet is refused by what it would be named after', async () => {
  await using api = await TestServer.open();
  const body = { ...(configMap('', wide('1')) as object), metadata: { generateName: 'a-' } };
  const { status, body: told } = await api.call('POST', MAPS.replace('default', 'none'), body);
  assert.equal(status, 404);
  assert.equal(told.message, 'namespaces "none" not found');
  await api.call('POST', '/api/v1/namespaces', {
    metadata: { name: 'going', finalizers: ['example.com/a'] },
    spec: { finalizers: ['example.com/b'] },
  });
  await api.call('DELETE', '/api/v1/namespaces/going');
  const { body: refused } = await api.call('POST', MAPS.replace('default', 'going'), body);
  assert.match(
    refused.message!,
    /^configmaps "a-" is forbidden: unable to create new content in namespace going/,
  );
});

test('who begins to look at objects while others are asked sees them', async () => {
  const seen: unknown[] = [];
  let asked = 0;
  const late: AdmissionPlugin = {
    name: 'Late',
    handles: ({ resource }) => resource.resource === 'configmaps' && asked++ > 0,
    validate: ({ object }) => void seen.push(Object.keys(object!.data!).length),
  };
  await using api = await TestServer.open({ admission: [late] });
  assert.equal((await api.call('POST', MAPS, configMap('a', wide('1')))).status, 201);
  assert.deepEqual(seen, [1500]);
});

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const THINGS = '/apis/example.com/v1/namespaces/default/things';

function definition(how: { readonly maximum: number; readonly rule?: string }): object {
  const list = { type: 'array', maxItems: 5000, items: { type: 'integer', maximum: how.maximum } };
  const spec = {
    type: 'object',
    properties: { size: { type: 'integer', default: 3 }, list, few: { ...list, maxItems: 300 } },
    'x-kubernetes-validations': [{ rule: how.rule ?? 'self.size < 5', message: 'too much' }],
  };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

function thing(name: string, spec: object): object {
  const list = Array.from({ length: 4500 }, (_, i) => i % 10);
  return { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name }, spec: { list, ...spec } };
}

test('rules that take long in the main thread are evaluated in the other one, and nobody is asked twice', async () => {
  using seen = threads();
  const asked: string[] = [];
  const counting: AdmissionPlugin = {
    name: 'Counting',
    handles: ({ resource }) => resource.resource === 'things',
    mutate: ({ operation, object }) => void asked.push(`${operation} ${object?.metadata.name}`),
    validate: ({ object }) => void asked.push(`then ${object?.metadata.name}`),
  };
  await using api = await TestServer.open({ clock: systemClock, admission: [counting] });
  const rule = '!has(self.few) || self.few.all(x, self.few.all(y, x + y >= 0))';
  await api.create(DEFINITIONS, definition({ maximum: 10, rule }));
  await until(async () => (await api.call('GET', THINGS)).status === 200);
  const few = Array.from({ length: 300 }, (_, i) => i % 10);
  await api.create(THINGS, thing('slow', { list: [], few }));
  assert.equal(seen.started.length, 1);
  const wrong = [...few.slice(2), -1, 0];
  const refused = await api.call('POST', THINGS, thing('wrong', { list: [], few: wrong }));
  assert.equal(refused.status, 422);
  const merge = { 'content-type': MERGE };
  const changed = { spec: { few: few.map((x) => x + 1) } };
  assert.equal((await api.call('PATCH', `${THINGS}/slow`, changed, merge)).status, 200);
  const broken = await api.call('PATCH', `${THINGS}/slow`, { spec: { few: wrong } }, merge);
  assert.match(broken.body.message ?? '', /spec: Invalid value: .*too much/);
  assert.deepEqual(asked, [
    'CREATE slow',
    'then slow',
    'CREATE wrong',
    'UPDATE slow',
    'then slow',
    'UPDATE slow',
  ]);
});

test('wide custom resources know their definitions, also when these change', async () => {
  using seen = threads();
  await using api = await TestServer.open();
  await api.create(DEFINITIONS, definition({ maximum: 10 }));
  await until(async () => (await api.call('GET', THINGS)).status === 200);
  const made = await api.create(THINGS, thing('a', {}));
  assert.equal(made.spec?.['size'], 3);
  assert.equal(
    (await api.call('POST', THINGS, thing('b', { size: 7 }))).body.message?.includes('too much'),
    true,
  );
  const changed = { 'content-type': MERGE };
  assert.equal(
    (await api.call('PATCH', `${DEFINITIONS}/things.example.com`, definition({ maximum: 5 }), changed))
      .status,
    200,
  );
  await until(async () => (await api.call('POST', `${THINGS}?dryRun=All`, thing('c', {}))).status === 422);
  const refused = await api.call('POST', THINGS, thing('c', {}));
  assert.match(refused.body.message ?? '', /spec\.list\[6\]/);
  assert.equal(seen.started.length, 1);
});

test('when the thread dies its requests fail, what was set aside is given back, and the next one starts another', async () => {
  using seen = threads();
  const [reached, died, given] = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  const handles: AdmissionPlugin['handles'] = ({ name }) => name === 'lost';
  const reserving: AdmissionPlugin = {
    name: 'Reserving',
    handles,
    validate: () => async () => given!.resolve(),
  };
  const slow: AdmissionPlugin = {
    name: 'Slow',
    handles,
    async validate() {
      reached!.resolve();
      await died!.promise;
    },
  };
  await using api = await TestServer.open({ admission: [reserving, slow] });
  const lost = api.call('POST', MAPS, configMap('lost', wide('1')));
  await reached!.promise;
  await seen.started[0]!.terminate();
  const answer = await lost;
  assert.equal(answer.status, 500);
  assert.match(answer.body.message ?? '', /the thread for wide objects has ended/);
  died!.resolve();
  await given!.promise;
  assert.equal((await api.call('POST', MAPS, configMap('kept', wide('2')))).status, 201);
  assert.equal(seen.started.length, 2);
});

test('the thread ends when nothing wide has come for a minute', async () => {
  using seen = threads();
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a', wide('1')));
  const ended = new Promise((resolve) => seen.started[0]!.once('exit', resolve));
  await api.clock.advance(60_000);
  await ended;
  await api.create(MAPS, configMap('b', wide('1')));
  assert.equal(seen.started.length, 2);
});
