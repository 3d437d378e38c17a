import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { TestServer } from '../testing/test-server.ts';
import { CRDS, define, definitionOf, MERGE, widgetOf, widgetsOf } from './testing/widgets.ts';
import { WebhookServer, type Answer } from '../webhooks/testing/webhook-server.ts';

/** v1 has `host: "a:1"`, v2 has `host` and `port`. */
const convert: Answer = (request) => {
  const target = stringAt(request, 'desiredAPIVersion');
  const convertedObjects = objectsAt(request, 'objects').map((object) => {
    const spec = objectAt(object, 'spec');
    const host = stringAt(spec, 'host');
    const made = target.endsWith('/v1')
      ? { host: `${host}:${stringAt(spec, 'port')}` }
      : { host: host.split(':')[0] ?? '', port: host.split(':')[1] ?? '' };
    return { ...object, apiVersion: target, spec: made };
  });
  return { result: { status: 'Success' }, convertedObjects };
};

function definition(webhook: JsonObject, conversionReviewVersions = ['v1']): JsonObject {
  const version = (name: string, storage: boolean): JsonObject => ({
    name,
    served: true,
    storage,
    selectableFields: [{ jsonPath: '.spec.host' }],
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: {
          spec: {
            type: 'object',
            properties: { host: { type: 'string' }, ...(name === 'v2' && { port: { type: 'string' } }) },
          },
        },
      },
    },
  });
  return definitionOf({
    versions: [version('v1', false), version('v2', true)],
    conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions, clientConfig: webhook } },
  });
}

const defined = (api: TestServer, webhook: JsonObject, versions?: string[]): Promise<void> =>
  define(api, definition(webhook, versions), 'v2');

for (const [where, limits] of [
  ['', {}],
  [', in the thread for wide objects', { wideValues: 0 }],
] as const) {
  test(`objects are converted by the webhook: written, read, listed, watched, patched, deleted${where}`, async () => {
    await using hook = await WebhookServer.open(convert);
    await using api = await TestServer.open({ limits });
    await defined(api, hook.config());
    const watch = await api.watch(`${widgetsOf('v1')}?watch=true`);
    const made = await api.create(widgetsOf('v1'), widgetOf('v1', 'a', { host: 'x:1' }));
    assert.deepEqual([made.apiVersion, made.spec], ['example.com/v1', { host: 'x:1' }]);
    const unstored = widgetOf('v1', 'c', { host: 'x:1' });
    unstored['metadata'] = { name: 'c', resourceVersion: '5' };
    const shown = await api.call('POST', `${widgetsOf('v1')}?dryRun=All`, unstored);
    assert.deepEqual([shown.body.metadata.resourceVersion, shown.body.spec], ['5', { host: 'x:1' }]);
    const second = await api.call('GET', `${widgetsOf('v2')}/a`);
    assert.deepEqual(
      [second.body.apiVersion, second.body.spec],
      ['example.com/v2', { host: 'x', port: '1' }],
    );
    await api.create(widgetsOf('v2'), widgetOf('v2', 'b', { host: 'y', port: '2' }));
    const list = await api.call('GET', widgetsOf('v1'));
    assert.deepEqual(
      list.body.items?.map(({ spec }) => spec),
      [{ host: 'x:1' }, { host: 'y:2' }],
    );
    const selected = await api.call('GET', `${widgetsOf('v1')}?fieldSelector=spec.host%3Dy:2`);
    assert.equal(selected.body.items?.length, 1);
    const patched = await api.call('PATCH', `${widgetsOf('v1')}/a`, { spec: { host: 'z:3' } }, MERGE);
    assert.deepEqual(patched.body.spec, { host: 'z:3' });
    assert.deepEqual((await api.call('GET', `${widgetsOf('v2')}/a`)).body.spec, { host: 'z', port: '3' });
    await api.call('DELETE', `${widgetsOf('v1')}/b`);
    const frames: string[] = [];
    for (let count = 0; count < 4; count++) {
      const frame = await watch.next();
      frames.push(`${frame?.type ?? ''} ${stringAt(frame?.object, 'spec', 'host')}`);
    }
    assert.deepEqual(frames, ['ADDED x:1', 'ADDED y:2', 'MODIFIED z:3', 'DELETED y:2']);
    watch.stop();
    const before = hook.seen.length;
    await api.call('GET', `${widgetsOf('v1')}/a`);
    await api.call('GET', widgetsOf('v1'));
    assert.equal(hook.seen.length, before, 'what is known is not asked for again');
  });

  test(`a list is converted in one question${where}`, async () => {
    await using hook = await WebhookServer.open(convert);
    await using api = await TestServer.open({ limits });
    await defined(api, hook.config());
    for (let index = 0; index < 20; index++) {
      await api.create(widgetsOf('v2'), widgetOf('v2', `w${index}`, { host: 'h', port: String(index) }));
    }
    assert.equal(hook.seen.length, 0);
    const list = await api.call('GET', widgetsOf('v1'));
    assert.equal(list.body.items?.length, 20);
    assert.equal(hook.seen.length, 1);
  });

  test(`a webhook may know only the older version of reviews, whose answers name no question${where}`, async () => {
    await using hook = await WebhookServer.open((request, path) => ({
      ...(convert(request, path) as JsonObject),
      uid: 'x',
    }));
    await using api = await TestServer.open({ limits });
    await defined(api, hook.config(), ['v1beta1', 'v1']);
    const made = await api.create(widgetsOf('v1'), widgetOf('v1', 'a', { host: 'x:1' }));
    assert.deepEqual(made.spec, { host: 'x:1' });
  });

  test(`what the webhook must not do, and what it fails at, is told${where}`, async () => {
    let answer: Answer = () => ({ result: { status: 'Failure', message: 'no way' } });
    await using hook = await WebhookServer.open((request, path) => answer(request, path));
    await using api = await TestServer.open({ limits });
    await defined(api, hook.config());
    await api.create(widgetsOf('v2'), widgetOf('v2', 'a', { host: 'h', port: '1' }));
    const ask = async (): Promise<string> => {
      const { status, body } = await api.call('GET', `${widgetsOf('v1')}/a`);
      assert.equal(status, 500);
      return body.message ?? '';
    };
    assert.match(await ask(), /conversion webhook for example.com\/v2, Kind=Widget failed: no way/);
    answer = (request) => ({
      result: { status: 'Success' },
      convertedObjects: [...objectsAt(request, 'objects')],
    });
    assert.match(
      await ask(),
      /Kind=Widget returned invalid object at index 0: invalid groupVersion \(expected example.com\/v1, received example.com\/v2\)$/,
    );
    answer = () => ({ result: { status: 'Success' }, convertedObjects: [] });
    assert.match(await ask(), /Kind=Widget returned 0 objects, expected 1$/);
    answer = convert;
    assert.equal((await api.call('GET', `${widgetsOf('v1')}/a`)).status, 200);
  });
}

test('definitions say how their webhook is reached', async () => {
  await using api = await TestServer.open();
  const cases: readonly [JsonObject, RegExp][] = [
    [{}, /spec\.conversion\.webhookClientConfig: Required value: exactly one of url or service is required/],
    [{ url: 'http://x/' }, /spec\.conversion\.webhookClientConfig\.url: Invalid value/],
  ];
  for (const [config, message] of cases) {
    const { status, body } = await api.call('POST', CRDS, definition(config));
    assert.equal(status, 422);
    assert.match(body.message ?? '', message);
  }
});
