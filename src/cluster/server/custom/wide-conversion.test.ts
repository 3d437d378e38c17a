import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectAt, objectsAt, stringAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import { TestServer, type Answer as Told } from '../testing/test-server.ts';
import { threads } from '../testing/threads.ts';
import { until } from '../testing/until.ts';
import { define, definitionOf, widgetOf, widgetsOf } from './testing/widgets.ts';
import { WebhookServer, type Answer } from '../webhooks/testing/webhook-server.ts';

const [MERGE, APPLY] = ['application/merge-patch+json', 'application/apply-patch+yaml'];
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };

/** v1 says a text where v2, which is stored, says its letters; what is in `more` is the same in both. */
const convert: Answer = (request) => {
  const target = stringAt(request, 'desiredAPIVersion');
  const convertedObjects = objectsAt(request, 'objects').map((object) => {
    const { word = '', ...spec } = objectAt(object, 'spec');
    const letters = typeof word === 'string' ? word.split('') : (word as string[]);
    const converted: JsonValue = target.endsWith('/v1') ? letters.join('') : letters;
    return { ...object, apiVersion: target, spec: { ...spec, word: converted } };
  });
  return { result: { status: 'Success' }, convertedObjects };
};

const altered =
  (alter: (object: JsonObject) => JsonObject): Answer =>
  (request, path) => {
    const answer = convert(request, path) as JsonObject;
    return { ...answer, convertedObjects: objectsAt(answer, 'convertedObjects').map(alter) };
  };

function definition(clientConfig: JsonObject, letters: string): JsonObject {
  const version = (name: string): JsonObject => ({
    name,
    served: true,
    storage: name === 'v2',
    selectableFields: [{ jsonPath: '.spec.size' }],
    additionalPrinterColumns: [{ name: 'Size', type: 'string', jsonPath: '.spec.size' }],
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: {
          spec: {
            type: 'object',
            properties: {
              word: name === letters ? { type: 'array', items: { type: 'string' } } : { type: 'string' },
              size: { type: 'string', default: 'small' },
              more: { type: 'object', additionalProperties: { type: 'string', maxLength: 20 } },
            },
          },
        },
      },
    },
  });
  return definitionOf({
    versions: [version('v1'), version('v2')],
    conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig } },
  });
}

async function defined(
  api: TestServer,
  hook: WebhookServer,
  { letters = 'v2', path = '/' } = {},
): Promise<void> {
  await define(api, definition(hook.config(path), letters), 'v2');
}

const values = (count: number, value = 'x'): JsonObject =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, value]));

/** Without what differs from one server to the other. */
function told({ status, body }: Told): unknown {
  return { status, body: JSON.stringify(body).replaceAll(/"uid":"[^"]+"/g, '"uid":""') };
}

async function story(wideValues: number): Promise<unknown[]> {
  await using hook = await WebhookServer.open(convert);
  await using api = await TestServer.open({ limits: { wideValues } });
  await defined(api, hook);
  const watch = await api.watch(`${widgetsOf('v1')}?watch=true`);
  const wide = (version: string, value: string): JsonObject =>
    widgetOf(version, 'a', { word: version === 'v1' ? 'ab' : ['a', 'b'], more: values(1500, value) });
  const url = `${widgetsOf('v1')}/a`;
  const answers = [
    await api.call('POST', `${widgetsOf('v1')}?fieldManager=one`, wide('v1', '1')),
    await api.call('POST', widgetsOf('v1'), wide('v1', '1')),
    await api.call('POST', `${widgetsOf('v1')}?dryRun=All`, {
      ...wide('v1', '1'),
      metadata: { name: 'b', resourceVersion: '5' },
    }),
    await api.call('GET', url),
    await api.call('GET', `${widgetsOf('v2')}/a`),
    await api.call('GET', url, undefined, TABLE),
    await api.call('PATCH', `${url}?fieldManager=two`, { spec: { word: 'bc' } }, { 'content-type': MERGE }),
    await api.call('PATCH', `${url}?fieldManager=three`, wide('v1', '2'), { 'content-type': APPLY }),
    await api.call('PATCH', `${url}?fieldManager=three&force=true`, wide('v1', '2'), {
      'content-type': APPLY,
    }),
    await api.call('PUT', url, wide('v1', '3')),
    await api.call('PUT', url, {
      ...wide('v1', '3'),
      metadata: (await api.call('GET', url)).body.metadata,
    }),
    await api.call('PUT', url, { ...wide('v1', '3'), metadata: { name: 'a', resourceVersion: '1' } }),
    await api.call('POST', widgetsOf('v1'), widgetOf('v1', 'c', { more: values(1500), word: 5 })),
    await api.call('POST', widgetsOf('v1'), widgetOf('v1', 'narrow', { word: 'n' })),
    await api.call('GET', widgetsOf('v1')),
    await api.call('GET', widgetsOf('v1'), undefined, TABLE),
    await api.call('GET', `${widgetsOf('v1')}?fieldSelector=spec.size%3Dsmall`),
    await api.call('GET', `${widgetsOf('v1')}?fieldSelector=spec.size%3Dlarge`),
    await api.call('DELETE', url),
    await api.call('GET', url),
  ].map(told);
  const frames = [];
  for (let count = 0; count < 6; count++) {
    const frame = await watch.next();
    frames.push([frame?.type, frame?.object.metadata.name, stringAt(frame?.object, 'spec', 'word')]);
  }
  watch.stop();
  return [...answers, frames];
}

test('wide objects that a webhook converts are answered for as all others', async () => {
  using seen = threads();
  const answers = await story(1000);
  assert.equal(seen.started.length, 1);
  assert.deepEqual(answers, await story(Infinity));
  assert.equal(seen.started.length, 1);
});

test('what is wide only when it is stored is worked on in the thread as well, from the beginning', async () => {
  await using hook = await WebhookServer.open(convert);
  await using api = await TestServer.open();
  await defined(api, hook);
  using seen = threads();
  const word = 'abcde'.repeat(500);
  const made = await api.create(widgetsOf('v1'), widgetOf('v1', 'a', { word }));
  assert.equal(made.spec?.['word'], word);
  assert.equal(seen.started.length, 1);
  // To be stored, once in each thread, and to be shown.
  assert.equal(hook.seen.length, 3);
  assert.equal((await api.call('GET', `${widgetsOf('v1')}/a`)).body.spec?.['word'], word);
  const patch = { spec: { word: `${word}f` } };
  const patched = await api.call('PATCH', `${widgetsOf('v1')}/a`, patch, { 'content-type': MERGE });
  assert.equal(patched.body.spec?.['word'], `${word}f`);
  const shown = await api.call('GET', `${widgetsOf('v2')}/a`);
  assert.deepEqual(shown.body.spec?.['word'], `${word}f`.split(''));
});

test('what may become wide when it is stored is worked on in the thread before webhooks are asked about it', async () => {
  await using hook = await WebhookServer.open((request, path) =>
    path === '/convert' ? convert(request, path) : { allowed: true },
  );
  await using api = await TestServer.open();
  await defined(api, hook, { path: '/convert' });
  for (const kind of ['Mutating', 'Validating'])
    await api.create(`/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}webhookconfigurations`, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: `${kind}WebhookConfiguration`,
      metadata: { name: 'hooks' },
      webhooks: [
        {
          name: 'hook.example.com',
          rules: [{ operations: ['*'], apiGroups: ['example.com'], apiVersions: ['*'], resources: ['*'] }],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          clientConfig: hook.config(`/${kind}`),
        },
      ],
    });
  const word = 'abcde'.repeat(500);
  const paths = (): string[] => hook.seen.splice(0).map(({ path }) => path);
  await api.create(widgetsOf('v1'), widgetOf('v1', 'a', { word }));
  assert.deepEqual(paths(), ['/Mutating', '/Validating', '/convert', '/convert']);
  using seen = threads();
  await api.create(widgetsOf('v2'), widgetOf('v2', 'b', { word: ['b'] }));
  assert.deepEqual(paths(), ['/Mutating', '/Validating']);
  assert.equal(seen.started.length, 0);
});

test('what is wide only when it is shown is read in the thread, and shown there as a table', async () => {
  // The other way round: letters in v1, a text in v2.
  await using hook = await WebhookServer.open((request, path) => {
    const version = stringAt(request, 'desiredAPIVersion');
    const turned = version.endsWith('/v1') ? 'example.com/v2' : 'example.com/v1';
    const answer = convert({ ...request, desiredAPIVersion: turned }, path) as JsonObject;
    const objects = objectsAt(answer, 'convertedObjects');
    return { ...answer, convertedObjects: objects.map((object) => ({ ...object, apiVersion: version })) };
  });
  await using api = await TestServer.open();
  await defined(api, hook, { letters: 'v1' });
  const word = 'abcde'.repeat(500);
  await api.create(widgetsOf('v2'), widgetOf('v2', 'a', { word }));
  using seen = threads();
  const { body } = await api.call('GET', widgetsOf('v1'));
  assert.deepEqual(body.items?.[0]?.spec?.['word'], word.split(''));
  assert.equal(seen.started.length, 1);
  const before = hook.seen.length;
  const table = await api.call('GET', `${widgetsOf('v1')}/a`, undefined, TABLE);
  assert.equal(table.body.kind, 'Table');
  // What this thread knows is not for the other one.
  assert.equal(hook.seen.length, before + 1);
});

test('many small objects are read in the thread as a wide one is', async () => {
  await using hook = await WebhookServer.open(convert);
  await using api = await TestServer.open();
  await defined(api, hook);
  const more = values(20);
  for (let i = 0; i < 60; i++)
    await api.create(
      widgetsOf('v2'),
      widgetOf('v2', `w-${String(i).padStart(2, '0')}`, { word: [`${i}`], more }),
    );
  using seen = threads();
  await api.call('GET', `${widgetsOf('v1')}?limit=10`);
  assert.equal(seen.started.length, 0);
  const { body } = await api.call('GET', widgetsOf('v1'));
  assert.equal(seen.started.length, 1);
  assert.deepEqual(asked(hook), [10, 50]);
  const specs = body.items?.map(({ spec }) => spec);
  assert.deepEqual(
    specs,
    Array.from({ length: 60 }, (_, i) => ({ word: `${i}`, size: 'small', more })),
  );
});

test('labels select what the webhook has made of them', async () => {
  const label = altered(({ metadata, ...object }) => {
    const named = objectAt({ metadata }, 'metadata');
    return { ...object, metadata: { ...named, labels: { of: stringAt(named, 'name') } } };
  });
  await using hook = await WebhookServer.open(label);
  await using api = await TestServer.open();
  await defined(api, hook);
  for (let i = 0; i < 300; i++) await api.create(widgetsOf('v2'), widgetOf('v2', `w-${i}`, { word: ['w'] }));
  for (let i = 0; i < 3; i++) {
    const { body } = await api.call('GET', `${widgetsOf('v1')}?labelSelector=of%3Dw-${i}`);
    assert.deepEqual(
      body.items?.map(({ metadata }) => metadata.name),
      [`w-${i}`],
    );
  }
  assert.equal((await api.call('GET', `${widgetsOf('v2')}?labelSelector=of`)).body.items?.length, 0);
});

interface Misdeed {
  readonly name: string;
  readonly answer: Answer;
  readonly message: RegExp;
}

const MISDEEDS: readonly Misdeed[] = [
  {
    name: 'fails',
    answer: () => ({ result: { status: 'Failure', message: 'no way' } }),
    message: /: no way$/,
  },
  {
    name: 'hangs',
    answer: () => undefined,
    message: /: Post "https:\/\/.*\?timeout=30s": context deadline exceeded$/,
  },
  {
    name: 'answers no JSON',
    answer: () => '<html>'.repeat(50),
    message: /json parse error: json: cannot unmarshal string into/,
  },
  {
    name: 'answers a list',
    answer: () => '[]',
    message: /json parse error: json: cannot unmarshal array into/,
  },
  {
    name: 'answers something else',
    answer: () => '{"kind":"Pod"}',
    message: /: no kind "Pod" is registered for version "apiextensions\.k8s\.io\/v1" in scheme /,
  },
  {
    name: 'answers somebody else',
    answer: (request, path) => ({ ...(convert(request, path) as JsonObject), uid: 'other' }),
    message: /expected response\.uid=".*", got "other"$/,
  },
  {
    name: 'answers too little',
    answer: () => ({ result: { status: 'Success' }, convertedObjects: [] }),
    message: / returned 0 objects, expected 1$/,
  },
  {
    name: 'changes a name',
    answer: altered((object) => ({ ...object, metadata: { ...objectAt(object, 'metadata'), name: 'b' } })),
    message: / returned invalid object: must have the same name: \w+ != b$/,
  },
  {
    name: 'labels with what is no label',
    answer: altered(({ metadata, ...object }) => ({
      ...object,
      metadata: { ...(metadata as JsonObject), labels: { 'a b': 'c' } },
    })),
    message: / returned invalid metadata: metadata\.labels: Invalid value: "a b": name part /,
  },
  {
    name: 'annotates with a number',
    answer: altered(({ metadata, ...object }) => ({
      ...object,
      metadata: { ...(metadata as JsonObject), annotations: { a: 5 } },
    })),
    message:
      / returned invalid metadata: metadata\.annotations\[a\] must be a string, but is int64 in converted object$/,
  },
  {
    name: 'makes another version',
    answer: altered((object) => ({ ...object, apiVersion: 'v1' })),
    message:
      / returned invalid object at index 0: invalid groupVersion \(expected example\.com\/v[12], received v1\)$/,
  },
  {
    name: 'makes nothing',
    answer: () => ({ result: { status: 'Success' }, convertedObjects: [null] }),
    message: /^unexpected end of JSON input$/,
  },
];

test('whatever a webhook does wrong is told of wide objects in the same words', async () => {
  let answer: Answer = convert;
  await using hook = await WebhookServer.open((request, path) => answer(request, path));
  await using api = await TestServer.open();
  await defined(api, hook);
  for (const [name, count] of [
    ['narrow', 1],
    ['wide', 1500],
  ] as const)
    await api.create(widgetsOf('v2'), widgetOf('v2', name, { more: values(count) }));
  const requests = (name: string, more: JsonObject): readonly (() => Promise<Told>)[] => [
    () => api.call('GET', `${widgetsOf('v1')}/${name}`),
    () => api.call('GET', `${widgetsOf('v1')}/${name}`, undefined, TABLE),
    () => api.call('GET', `${widgetsOf('v1')}?fieldSelector=metadata.name%3D${name}`),
    () => api.call('POST', widgetsOf('v1'), widgetOf('v1', 'new', { more })),
    () => api.call('PATCH', `${widgetsOf('v1')}/${name}`, { spec: { more } }, { 'content-type': MERGE }),
    () => api.call('DELETE', `${widgetsOf('v1')}/${name}`),
  ];
  for (const { name: misdeed, answer: given, message } of MISDEEDS) {
    answer = given;
    const [ofNarrow, ofWide] = [requests('narrow', values(1)), requests('wide', values(1500))];
    for (const [i, request] of [...ofNarrow, ...ofWide].entries()) {
      const before = hook.seen.length;
      const asked = request();
      if (misdeed === 'hangs') {
        await until(() => hook.seen.length > before);
        await api.clock.advance(30_000);
      }
      const { status, body } = await asked;
      const what = `${misdeed}, request ${i}: ${body.message}`;
      assert.equal(status, 500, what);
      assert.equal(body.reason, undefined, what);
      if (misdeed !== 'makes nothing')
        assert.match(body.message ?? '', /^conversion webhook for example\.com\/v[12], Kind=Widget /, what);
      assert.match(body.message ?? '', message, what);
    }
  }
  answer = convert;
  for (const name of ['narrow', 'wide']) {
    assert.equal((await api.call('GET', `${widgetsOf('v1')}/${name}`)).status, 200);
    assert.equal((await api.call('DELETE', `${widgetsOf('v1')}/${name}`)).status, 200);
  }
});

/** Of how many objects each question was. */
const asked = (hook: WebhookServer): readonly number[] =>
  hook.seen.map(({ request }) => objectsAt(request, 'objects').length);

test('a webhook is asked about the page that is listed, and about many changes at once', async () => {
  await using hook = await WebhookServer.open(convert);
  await using api = await TestServer.open();
  await defined(api, hook);
  for (let i = 0; i < 60; i++)
    await api.create(widgetsOf('v2'), widgetOf('v2', `w-${String(i).padStart(2, '0')}`, { word: ['w'] }));
  const { body } = await api.call('GET', `${widgetsOf('v1')}?limit=20`);
  assert.equal(body.items?.length, 20);
  assert.deepEqual(asked(hook), [20]);
  assert.equal(
    (await api.call('GET', `${widgetsOf('v1')}?fieldSelector=metadata.name%3Dw-50`)).body.items?.length,
    1,
  );
  assert.deepEqual(asked(hook), [20, 1]);
  assert.equal(
    (await api.call('GET', `${widgetsOf('v1')}?fieldSelector=spec.size%3Dsmall&limit=7`)).body.items?.length,
    7,
  );
  assert.deepEqual(asked(hook), [20, 1, 39]);
  const first = body.items?.[0];
  for (let i = 0; i < 30; i++)
    await api.call(
      'PATCH',
      `${widgetsOf('v2')}/w-00`,
      { spec: { word: [`${i}`] } },
      { 'content-type': MERGE },
    );
  const watch = await api.watch(
    `${widgetsOf('v1')}?watch=true&resourceVersion=${body.metadata.resourceVersion}`,
  );
  const frames = await watch.summary(30);
  watch.stop();
  assert.deepEqual(new Set(frames), new Set([`MODIFIED ${first?.metadata.name}`]));
  assert.deepEqual(asked(hook), [20, 1, 39, 30]);
});

test('a watch is told what the webhook fails at', async () => {
  let answer: Answer = () => ({ result: { status: 'Failure', message: 'no way' } });
  await using hook = await WebhookServer.open((request, path) => answer(request, path));
  await using api = await TestServer.open();
  await defined(api, hook);
  await api.create(widgetsOf('v2'), widgetOf('v2', 'a', { more: values(1500) }));
  for (const headers of [{}, TABLE]) {
    const watch = await api.watch(`${widgetsOf('v1')}?watch=true`, headers);
    const frame = await watch.next();
    assert.deepEqual([frame?.type, frame?.object.code], ['ERROR', 500]);
    assert.match(frame?.object.message ?? '', /Kind=Widget failed: no way$/);
    assert.equal(await watch.next(), undefined);
  }
  answer = convert;
  const watch = await api.watch(`${widgetsOf('v1')}?watch=true`);
  assert.deepEqual(await watch.summary(1), ['ADDED a']);
  watch.stop();
});
