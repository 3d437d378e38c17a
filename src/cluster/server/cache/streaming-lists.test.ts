/** Lists as watches (KEP-3157), in every form that clients of client-go ask for. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { TestServer } from '../testing/test-server.ts';

const SECRETS = '/api/v1/namespaces/default/secrets';
const STREAMED = `${SECRETS}?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&labelSelector=stream%3Dyes`;
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const METADATA = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';

async function withSecrets(): Promise<TestServer> {
  const server = await TestServer.open();
  for (const name of ['a', 'b'])
    await server.create(SECRETS, { metadata: { name, labels: { stream: 'yes' } } });
  await server.create(SECRETS, { metadata: { name: 'c' } });
  return server;
}

suite('streamed lists', () => {
  for (const [what, accept, kind, apiVersion] of [
    ['objects', 'application/json', 'Secret', 'v1'],
    ['metadata', `${METADATA},application/json`, 'PartialObjectMetadata', 'meta.k8s.io/v1'],
  ] as const) {
    test(`${what}: all that is there, then the end in the same form`, async () => {
      await using server = await withSecrets();
      const watch = await server.watch(STREAMED, { accept });
      for (const name of ['a', 'b']) {
        const frame = await watch.next();
        assert.deepEqual([frame?.type, frame?.object.metadata.name], ['ADDED', name]);
        assert.deepEqual([frame?.object.kind, frame?.object.apiVersion], [kind, apiVersion]);
      }
      const end = await watch.next();
      assert.equal(end?.type, 'BOOKMARK');
      const { body } = await server.call('GET', SECRETS);
      assert.deepEqual(end.object, {
        kind,
        apiVersion,
        metadata: {
          resourceVersion: body.metadata.resourceVersion,
          annotations: { 'k8s.io/initial-events-end': 'true' },
        },
      });
      watch.stop();
    });
  }

  for (const [what, from, marked] of [
    ['a streamed list', STREAMED, true],
    ['a watch of the present state', `${SECRETS}?watch=1&resourceVersion=0&labelSelector=stream`, false],
  ] as const)
    test(`tables of ${what} tell their columns in the first frame only`, async () => {
      await using server = await withSecrets();
      const watch = await server.watch(from, { accept: TABLE });
      const frames = [await watch.next(), await watch.next()];
      if (marked) frames.push(await watch.next());
      await server.create(SECRETS, { metadata: { name: 'later', labels: { stream: 'yes' } } });
      frames.push(await watch.next());
      const columns = frames.map((frame) => tableIn(frame).columnDefinitions);
      assert.ok((columns[0] ?? []).length > 2);
      assert.deepEqual(new Set(columns.slice(1)), new Set([null]));
      const types = frames.map((frame) => frame?.type);
      assert.deepEqual(types, ['ADDED', 'ADDED', ...(marked ? ['BOOKMARK'] : []), 'ADDED']);
      if (marked) {
        const { rows } = tableIn(frames[2]);
        assert.deepEqual(rows[0]?.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' });
      }
      watch.stop();
    });

  test('what happens before a table has begun comes after it, without columns', async () => {
    await using server = await withSecrets();
    const query = 'watch=1&resourceVersion=0&labelSelector=stream';
    const watch = await server.watch(`${SECRETS}?${query}`, { accept: TABLE });
    await server.create(SECRETS, { metadata: { name: 'a0', labels: { stream: 'yes' } } });
    const frames = [await watch.next(), await watch.next(), await watch.next()];
    const rows = frames.map((frame) => tableIn(frame).rows[0]?.object.metadata.name);
    assert.deepEqual(rows, ['a', 'b', 'a0']);
    assert.deepEqual(
      frames.map((frame) => tableIn(frame).columnDefinitions === null),
      [false, true, true],
    );
    watch.stop();
  });

  test('a table that its client does not take is cut off', async () => {
    await using server = await withSecrets();
    const [a = '', b = ''] = ['a', 'b'].map((name) => `${SECRETS}/${name}`);
    const watch = await server.watch(`${SECRETS}?watch=1&resourceVersion=0`, { accept: TABLE });
    const merge = { 'content-type': 'application/merge-patch+json' };
    for (let i = 0; i <= 5000; i++)
      for (const path of [a, b])
        await server.call('PATCH', path, { metadata: { labels: { i: `${i}` } } }, merge);
    const types: (string | undefined)[] = [];
    for (let frame = await watch.next(); frame !== undefined; frame = await watch.next())
      types.push(frame.type);
    assert.deepEqual(types, ['ADDED', 'ADDED', 'ADDED', 'ERROR']);
  });

  test('with nothing there yet, the first table that comes tells the columns', async () => {
    await using server = await withSecrets();
    const watch = await server.watch(`/api/v1/configmaps?watch=1&resourceVersion=0`, { accept: TABLE });
    const next = watch.next();
    const map = { metadata: { name: 'first' } };
    await server.call('POST', '/api/v1/namespaces/default/configmaps', map);
    assert.ok(tableIn(await next).columnDefinitions !== null);
    watch.stop();
  });
});

test('bookmarks between tables are tables with a version, of whatever kind', async () => {
  await using server = await withSecrets();
  const core = (await server.call('GET', '/api/v1')).body as unknown as Resources;
  const apps = (await server.call('GET', '/apis/apps/v1')).body as unknown as Resources;
  const paths = [
    ...core.resources.filter(watchable).map(({ name }) => `/api/v1/${name}`),
    ...apps.resources.filter(watchable).map(({ name }) => `/apis/apps/v1/${name}`),
  ];
  assert.ok(paths.length > 15, `${paths.length} kinds`);
  for (const path of paths) {
    const from = await server.store.revision();
    const url = `${path}?watch=1&allowWatchBookmarks=true&resourceVersion=${from}`;
    const watch = await server.watch(url, { accept: TABLE });
    const next = watch.next();
    await server.clock.advance(60_000);
    const frame = await next;
    assert.deepEqual([path, frame?.type, frame?.object.kind], [path, 'BOOKMARK', 'Table']);
    assert.ok(Number(frame?.object.metadata.resourceVersion) >= from, path);
    watch.stop();
  }
});

function tableIn(frame: { readonly object: unknown } | undefined): TableBody {
  assert.ok(frame !== undefined);
  return frame.object as TableBody;
}

interface TableBody {
  readonly columnDefinitions: readonly object[] | null;
  readonly rows: readonly {
    readonly object: { readonly metadata: { readonly name?: string; readonly annotations?: object } };
  }[];
}

interface Resources {
  readonly resources: readonly { readonly name: string; readonly verbs: readonly string[] }[];
}

function watchable({ name, verbs }: Resources['resources'][number]): boolean {
  return !name.includes('/') && verbs.includes('watch');
}
