/** When documents of OpenAPI are made anew, and who waits for the thread that makes them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { eventually } from '../../../test/fixtures/eventually.ts';
import { objectAt, stringAt, type JsonObject } from '../api/json.ts';
import { CRDS, define, definition, definitionOf, MERGE } from './custom/testing/widgets.ts';
import { TestServer } from './testing/test-server.ts';
import { threads } from './testing/threads.ts';

const WIDGETS = '/openapi/v3/apis/example.com/v1';
const APPS = '/openapi/v3/apis/apps/v1';
const MINE = `${CRDS}/widgets.example.com`;
const V2_PROTOBUF = { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' };

/** With one field in its spec. */
function withField(field: string, plural = 'widgets', group = 'example.com'): JsonObject {
  const spec = { type: 'object', properties: { [field]: { type: 'string' } } };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } };
  const kind = plural[0]!.toUpperCase() + plural.slice(1, -1);
  return {
    ...definitionOf({
      group,
      names: { plural, kind },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    }),
    metadata: { name: `${plural}.${group}` },
  };
}

/** The very bytes that the server keeps, as long as it keeps them. */
async function bytesAt(api: TestServer, path: string, headers = {}): Promise<Uint8Array> {
  const { status, body } = await api.raw('GET', path, { headers });
  assert.equal(status, 200, path);
  return body as Uint8Array;
}

async function isServed(api: TestServer, group: string, plural: string): Promise<boolean> {
  return (await api.call('GET', `/apis/${group}/v1/${plural}`)).status === 200;
}

test('the index says of each document what it is, and nobody has to make any for it', async () => {
  await using api = await TestServer.open();
  using workers = threads();
  const index = await indexOf(api);
  assert.deepEqual(workers.started, []);
  await define(api, withField('first'));
  const entries = Object.entries(objectAt(await indexOf(api)));
  assert.equal(entries.length, Object.keys(objectAt(index)).length + 1);
  for (const [path, entry] of entries) {
    const url = stringAt(entry, 'serverRelativeURL');
    const hash = createHash('sha512')
      .update(await bytesAt(api, url))
      .digest('hex');
    const advice = 'the documents have changed: node tools/generate/openapi-hashes.ts';
    assert.equal(url, `/openapi/v3/${path}?hash=${hash.toUpperCase()}`, advice);
  }
});

test('a document is made anew when what it describes is another, and only then', async () => {
  await using api = await TestServer.open();
  await define(api, withField('first'));
  const before = await Promise.all([WIDGETS, APPS].map((path) => bytesAt(api, path)));
  await api.create(CRDS, withField('x', 'gadgets', 'elsewhere.org'));
  await eventually('another group', () => isServed(api, 'elsewhere.org', 'gadgets'));
  assert.deepEqual(Object.keys(objectAt(await indexOf(api))).includes('apis/elsewhere.org/v1'), true);
  const after = await Promise.all([WIDGETS, APPS].map((path) => bytesAt(api, path)));
  assert.deepEqual(
    after.map((bytes, i) => bytes === before[i]),
    [true, true],
  );

  await api.call('PATCH', MINE, withField('second'), MERGE);
  await eventually('the change', async () => {
    return Buffer.from(await bytesAt(api, WIDGETS)).includes('"second"');
  });
  assert.equal(Buffer.from(await bytesAt(api, WIDGETS)).includes('"first"'), false);
  assert.equal(await bytesAt(api, APPS), before[1]);

  await api.create(CRDS, withField('third', 'gadgets'));
  await eventually('another kind', () => isServed(api, 'example.com', 'gadgets'));
  assert.ok(Buffer.from(await bytesAt(api, WIDGETS)).includes('"third"'));
  await api.call('DELETE', `${CRDS}/gadgets.example.com`);
  await eventually('it goes', async () => !(await isServed(api, 'example.com', 'gadgets')));
  assert.equal(Buffer.from(await bytesAt(api, WIDGETS)).includes('"third"'), false);
  await api.call('DELETE', MINE);
  await eventually('the last one goes', async () => !(await isServed(api, 'example.com', 'widgets')));
  assert.equal((await api.raw('GET', WIDGETS)).status, 404);
  assert.equal(objectAt(await indexOf(api))['apis/example.com/v1'], undefined);
  assert.equal(await bytesAt(api, APPS), before[1]);
});

async function indexOf(api: TestServer): Promise<JsonObject> {
  return objectAt((await api.call('GET', '/openapi/v3')).body, 'paths');
}

test('the document of everything has what is served, and no more', async () => {
  await using api = await TestServer.open();
  const hasWidgets = async (): Promise<boolean[]> => {
    const forms = [await bytesAt(api, '/openapi/v2'), await bytesAt(api, '/openapi/v2', V2_PROTOBUF)];
    return forms.map((bytes) => Buffer.from(bytes).includes('com.example.v1.Widget'));
  };
  assert.deepEqual(await hasWidgets(), [false, false]);
  await define(api, definition());
  assert.deepEqual(await hasWidgets(), [true, true]);
  assert.equal(await bytesAt(api, '/openapi/v2'), await bytesAt(api, '/openapi/v2'));
  await api.call('DELETE', MINE);
  await eventually('it goes', async () => !(await isServed(api, 'example.com', 'widgets')));
  assert.deepEqual(await hasWidgets(), [false, false]);
});

test('when the thread ends only those who wait for it are told, and the next one has another', async () => {
  using seen = threads();
  await using api = await TestServer.open();
  await define(api, definition());
  const before = await bytesAt(api, APPS);
  const lost = api.call('GET', '/openapi/v2');
  await eventually('the question', async () => seen.started.length === 1);
  await seen.started[0]!.terminate();
  const { status, body } = await lost;
  assert.equal(status, 500);
  assert.match(body.message ?? '', /the thread for wide objects has ended/);
  assert.equal(await bytesAt(api, APPS), before);
  assert.equal(seen.started.length, 1);
  assert.ok(Buffer.from(await bytesAt(api, '/openapi/v2')).includes('com.example.v1.Widget'));
  assert.equal(seen.started.length, 2);
});
