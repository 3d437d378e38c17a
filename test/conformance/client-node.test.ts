/** The official JavaScript client: informers, bookmarks, what has been compacted away, conflicts, pages, streams of a list. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  Watch,
  type V1ConfigMap,
} from '@kubernetes/client-node';
import { systemClock } from '../../src/base/clock.ts';
import { loadOrCreatePki, type Pki } from '../../src/cluster/server/pki.ts';
import { openMemoryStore } from '../../src/cluster/store/memory.ts';
import type { Store } from '../../src/cluster/store/store.ts';
import { serveApi } from '../fixtures/api-server.ts';
import { eventually } from '../fixtures/eventually.ts';

const namespace = 'default';
const MAPS = `/api/v1/namespaces/${namespace}/configmaps`;

interface Seen {
  readonly type: string;
  readonly object: {
    readonly code?: number;
    readonly reason?: string;
    readonly metadata?: {
      readonly name?: string;
      readonly resourceVersion?: string;
      readonly annotations?: Readonly<Record<string, string>>;
    };
  };
}

describe('@kubernetes/client-node', () => {
  const stack = new AsyncDisposableStack();
  let kubeconfig: KubeConfig;
  let pki: Pki;
  let store: Store;
  let core: CoreV1Api;

  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-client-'));
    stack.defer(() => rm(dir, { recursive: true }));
    pki = await loadOrCreatePki({ dir: join(dir, 'pki'), clock: systemClock, names: [] });
    store = stack.use(await openMemoryStore({ clock: systemClock }));
    kubeconfig = await serve();
    core = kubeconfig.makeApiClient(CoreV1Api);
  });

  /** Another server on the same store. */
  async function serve(): Promise<KubeConfig> {
    const api = stack.use(await serveApi({ store, pki }));
    const config = new KubeConfig();
    config.loadFromString(api.kubeconfig);
    return config;
  }

  after(() => stack.disposeAsync());

  const create = (name: string, labels: Record<string, string> = {}): Promise<V1ConfigMap> =>
    core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels }, data: { a: '1' } } });

  async function newest(): Promise<string> {
    return (await core.listNamespacedConfigMap({ namespace, limit: 1 })).metadata?.resourceVersion ?? '';
  }

  /** Watches until `enough` says so or the server ends it; what was seen, and how it ended. */
  async function watched(
    query: Record<string, string | number | boolean>,
    enough: (seen: readonly Seen[]) => boolean = () => false,
    config = kubeconfig,
  ): Promise<{ seen: readonly Seen[]; failed?: unknown }> {
    const seen: Seen[] = [];
    const over = Promise.withResolvers<unknown>();
    const request = await new Watch(config).watch(
      MAPS,
      query,
      (type, object: unknown) => {
        seen.push({ type, object: object as Seen['object'] });
        if (enough(seen)) over.resolve(undefined);
      },
      (error) => over.resolve(error),
    );
    const failed = await over.promise;
    request.abort();
    return { seen, ...(failed instanceof Error && { failed }) };
  }

  test('failures are statuses with a code and a reason', async () => {
    await create('taken');
    const failure = async (promise: Promise<unknown>): Promise<{ code: number; reason: string }> => {
      const error: unknown = await promise.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof ApiException);
      return { code: error.code, reason: (JSON.parse(String(error.body)) as { reason: string }).reason };
    };
    assert.deepEqual(await failure(create('taken')), { code: 409, reason: 'AlreadyExists' });
    assert.deepEqual(await failure(core.readNamespacedConfigMap({ namespace, name: 'absent' })), {
      code: 404,
      reason: 'NotFound',
    });
    const stale = await core.readNamespacedConfigMap({ namespace, name: 'taken' });
    const body: V1ConfigMap = { metadata: stale.metadata ?? {}, data: { a: '2' } };
    await core.replaceNamespacedConfigMap({ namespace, name: 'taken', body });
    assert.deepEqual(await failure(core.replaceNamespacedConfigMap({ namespace, name: 'taken', body })), {
      code: 409,
      reason: 'Conflict',
    });
    assert.deepEqual(await failure(core.replaceNamespacedConfigMap({ namespace, name: 'other', body })), {
      code: 400,
      reason: 'BadRequest',
    });
  });

  test('an informer sees what is there, what comes, and goes on after its connection is cut', async () => {
    await create('informed-1', { informer: 'yes' });
    const labelSelector = 'informer=yes';
    const informer = makeInformer<V1ConfigMap>(
      kubeconfig,
      MAPS,
      () => core.listNamespacedConfigMap({ namespace, labelSelector }),
      labelSelector,
    );
    const seen: string[] = [];
    let connections = 0;
    informer.on('connect', () => connections++);
    informer.on('add', ({ metadata }) => seen.push(`add ${metadata?.name}`));
    informer.on('update', ({ metadata }) => seen.push(`update ${metadata?.name}`));
    informer.on('delete', ({ metadata }) => seen.push(`delete ${metadata?.name}`));
    await informer.start();
    try {
      await create('informed-2', { informer: 'yes' });
      await create('informed-not');
      await eventually('both', () => seen.length === 2);
      await informer.stop();
      const body = { metadata: { name: 'informed-1' }, data: { a: '2' } };
      const api = KubernetesObjectApi.makeApiClient(kubeconfig);
      const kind = { apiVersion: 'v1', kind: 'ConfigMap', ...body };
      kind.metadata = { ...kind.metadata, namespace } as typeof kind.metadata;
      await api.patch(kind, undefined, undefined, 'test', true, PatchStrategy.ServerSideApply);
      await core.deleteNamespacedConfigMap({ namespace, name: 'informed-2' });
      await informer.start();
      await eventually('what came in between', () => seen.length === 4);
      assert.deepEqual(seen, ['add informed-1', 'add informed-2', 'update informed-1', 'delete informed-2']);
      assert.equal(connections, 2);
    } finally {
      await informer.stop();
    }
  });

  test('a watch from a version, with a bookmark before its end', async () => {
    const from = await newest();
    await create('watched-1');
    await create('watched-2');
    const { seen } = await watched({ resourceVersion: from, allowWatchBookmarks: true, timeoutSeconds: 3 });
    assert.deepEqual(
      seen.map(({ type, object }) => [type, object.metadata?.name]),
      [
        ['ADDED', 'watched-1'],
        ['ADDED', 'watched-2'],
        ['BOOKMARK', undefined],
      ],
    );
    const last = seen[1]?.object.metadata?.resourceVersion;
    assert.ok(Number(seen[2]?.object.metadata?.resourceVersion) >= Number(last));
  });

  test('a list as a stream: what is there, a bookmark that says so, then what comes', async () => {
    await create('streamed', { streamed: 'yes' });
    const query = {
      ...{ labelSelector: 'streamed=yes', allowWatchBookmarks: true },
      ...{ sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', timeoutSeconds: 20 },
    };
    const { seen } = await watched(query, (all) => all.some(({ type }) => type === 'BOOKMARK'));
    assert.deepEqual(
      seen.map(({ type }) => type),
      ['ADDED', 'BOOKMARK'],
    );
    assert.equal(seen[1]?.object.metadata?.annotations?.['k8s.io/initial-events-end'], 'true');
  });

  test('a version that has been compacted away is 410: for a list, a next page, a watch', async () => {
    const old = await newest();
    for (let i = 0; i < 5; i++) await create(`page-${i}`, { page: 'yes' });
    const labelSelector = 'page=yes';
    const page = await core.listNamespacedConfigMap({ namespace, labelSelector, limit: 2 });
    assert.equal(page.items.length, 2);
    const { _continue: next = '' } = page.metadata ?? {};
    await create('page-last', { page: 'yes' });
    const consistent = await core.listNamespacedConfigMap({
      namespace,
      labelSelector,
      limit: 9,
      _continue: next,
    });
    assert.equal(consistent.items.length, 3, 'the state of the first page');
    await store.compact(await store.revision());
    const gone = core.listNamespacedConfigMap({ namespace, labelSelector, limit: 2, _continue: next });
    await assert.rejects(gone, (error: unknown) => {
      assert.ok(error instanceof ApiException);
      assert.equal(error.code, 410);
      const status = JSON.parse(String(error.body)) as { reason: string; metadata: { continue?: string } };
      assert.equal(status.reason, 'Expired');
      assert.ok(status.metadata.continue, 'a token to go on with, in the newest state');
      return true;
    });
    const exact = { resourceVersion: old, resourceVersionMatch: 'Exact' };
    await assert.rejects(core.listNamespacedConfigMap({ namespace, ...exact }), { code: 410 });
    // A server that has been there all along still has it in memory; one that has just started has not.
    const { seen, failed } = await watched(
      { resourceVersion: '1', timeoutSeconds: 5 },
      (all) => all.some(({ type }) => type === 'ERROR'),
      await serve(),
    );
    if (failed === undefined) {
      assert.deepEqual(
        seen.map(({ type, object }) => [type, object.code, object.reason]),
        [['ERROR', 410, 'Expired']],
      );
    } else assert.equal((failed as { statusCode?: number }).statusCode, 410);
  });

  test('the package is one of those that set-up pins', () => {
    const root = join(import.meta.dirname, '../..');
    const versions = ['package.json', 'examples/operator/package.json'].map((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return /"@kubernetes\/client-node": "(\d+\.\d+\.\d+)"/.exec(text)?.[1];
    });
    assert.ok(versions[0]);
    assert.equal(versions[0], versions[1]);
  });
});
