import assert from 'node:assert/strict';
import test from 'node:test';
import { isPlatformError } from '../../base/errors.ts';
import type { ApiRequest, ApiResponse, Transport } from '../api/transport.ts';
import { createClient } from './client.ts';
import type { WatchEvent } from './contract.ts';
import { tell } from '../api/told-events.ts';
import { LineReader } from './frames.ts';
import { deployments, leases, nodes, pods } from './kinds.ts';

type Pod = NonNullable<typeof pods.example>;

interface Scripted extends Transport {
  readonly seen: ApiRequest[];
}

function answering(...answers: readonly Partial<ApiResponse>[]): Scripted {
  const left = [...answers];
  const seen: ApiRequest[] = [];
  return {
    seen,
    request(request) {
      seen.push(request);
      const answer = left.shift() ?? {};
      return Promise.resolve({ status: 200, headers: {}, body: Buffer.from('{}'), ...answer });
    },
  };
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const sent = (request: ApiRequest | undefined): unknown =>
  JSON.parse(Buffer.from(request?.body ?? []).toString());

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('requests have the paths, queries, types and bodies of the API conventions', async () => {
  const transport = answering();
  const client = createClient({ transport, userAgent: 'test/1' });
  await client.get(pods, { namespace: 'default', name: 'a' });
  await client.list(nodes, { labelSelector: 'a in (b,c)', limit: 5 });
  await client.create(deployments, { metadata: { namespace: 'x', name: 'd' } });
  await client.update(leases, { metadata: { namespace: 'x', name: 'l' } }, 'status');
  const ref = { namespace: 'x', name: 'a' };
  await client.patch(pods, ref, { type: 'strategic', body: { a: 1 }, subresource: 'status' });
  await client.delete(pods, ref, { gracePeriodSeconds: 0, uid: 'u', propagationPolicy: 'Background' });
  await client.post(pods, ref, 'binding', { kind: 'Binding' });
  assert.deepEqual(
    transport.seen.map(({ method, url }) => `${method} ${url}`),
    [
      'GET /api/v1/namespaces/default/pods/a',
      'GET /api/v1/nodes?labelSelector=a+in+%28b%2Cc%29&limit=5',
      'POST /apis/apps/v1/namespaces/x/deployments',
      'PUT /apis/coordination.k8s.io/v1/namespaces/x/leases/l/status',
      'PATCH /api/v1/namespaces/x/pods/a/status',
      'DELETE /api/v1/namespaces/x/pods/a',
      'POST /api/v1/namespaces/x/pods/a/binding',
    ],
  );
  assert.deepEqual(sent(transport.seen[2]), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: 'x', name: 'd' },
  });
  assert.equal(transport.seen[4]?.headers['content-type'], 'application/strategic-merge-patch+json');
  assert.equal(transport.seen[4]?.headers['user-agent'], 'test/1');
  assert.deepEqual(sent(transport.seen[5]), {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions: { uid: 'u' },
    gracePeriodSeconds: 0,
    propagationPolicy: 'Background',
  });
});

test('a missing name or namespace is refused before anything is sent', async () => {
  const transport = answering();
  const client = createClient({ transport });
  const invalid = (error: unknown): boolean => isPlatformError(error, 'invalid');
  await assert.rejects(client.get(pods, { name: 'a' }), invalid);
  await assert.rejects(client.delete(nodes, { name: '' }), invalid);
  await assert.rejects(client.create(pods, { metadata: { name: 'a' } }), invalid);
  assert.equal(transport.seen.length, 0);
});

test('each status becomes its error, with the Status in the details', async () => {
  const cases: [number, string | undefined, string][] = [
    [401, 'Unauthorized', 'unauthenticated'],
    [403, 'Forbidden', 'forbidden'],
    [404, 'NotFound', 'not-found'],
    [409, 'Conflict', 'conflict'],
    [409, 'AlreadyExists', 'already-exists'],
    [410, 'Expired', 'expired'],
    [422, 'Invalid', 'invalid'],
    [400, 'BadRequest', 'invalid'],
    [429, 'TooManyRequests', 'unavailable'],
    [500, 'InternalError', 'unavailable'],
    [502, undefined, 'unavailable'],
  ];
  for (const [status, reason, code] of cases) {
    const body =
      reason === undefined ? Buffer.from('<html>') : json({ kind: 'Status', message: 'why', reason });
    const client = createClient({ transport: answering({ status, body }) });
    await assert.rejects(client.get(nodes, { name: 'n' }), (error) => {
      assert.ok(isPlatformError(error));
      assert.equal(error.code, code);
      assert.equal(error.details['httpStatus'], status);
      if (reason !== undefined) assert.equal(error.message, 'why');
      return true;
    });
  }
});

test('items of a list say what they are, also in a list of nothing', async () => {
  const body = json({
    metadata: { resourceVersion: '7', continue: 'c' },
    items: [{ metadata: { name: 'a' } }],
  });
  const client = createClient({ transport: answering({ body }, { body: json({ items: null }) }) });
  const list = await client.list(pods);
  assert.deepEqual(list, {
    items: [{ metadata: { name: 'a' }, apiVersion: 'v1', kind: 'Pod' }],
    resourceVersion: '7',
    continue: 'c',
  });
  assert.deepEqual((await client.list(pods)).items, []);
});

test('frames survive any cut, also within a character', async () => {
  const texts = ['{"a":"三板 🛶"}', 'x'.repeat(100_000), '', '{"last":"ü"}'];
  const bytes = Buffer.from(texts.join('\n'));
  for (const size of [1, 3, 65_536, bytes.length]) {
    const read: string[] = [];
    const reader = new LineReader();
    for await (const chunk of cut(bytes, size)) read.push(...reader.take(chunk));
    read.push(...reader.rest());
    assert.deepEqual(
      read,
      texts.filter((text) => text !== ''),
    );
  }
});

test('what a chunk is known to say is not read', async () => {
  const told = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'a', resourceVersion: '5' } };
  const chunk = Buffer.from('no JSON');
  tell(chunk, [{ type: 'ADDED', object: told }]);
  const bytes = json({ type: 'DELETED', object: { ...told, metadata: { name: 'b' } } });
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield* [chunk, bytes.subarray(0, 9), bytes.subarray(9)];
  }
  const client = createClient({ transport: answering({ body: chunks() }) });
  const { signal } = new AbortController();
  const seen: WatchEvent<Pod>[] = [];
  for await (const event of client.watch(pods, { signal })) seen.push(event);
  assert.deepEqual(
    seen.map((event) => [event.type, 'object' in event && event.object.metadata?.name]),
    [
      ['ADDED', 'a'],
      ['DELETED', 'b'],
    ],
  );
  assert.equal('object' in seen[0]! && seen[0].object, told);
});

test('a watch yields events and bookmarks, and throws what the server says', async () => {
  const frames = [
    { type: 'ADDED', object: { metadata: { name: 'a', resourceVersion: '5' } } },
    { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
    { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } },
  ];
  const bytes = Buffer.from(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
  const transport = answering(
    { body: cut(bytes, 10) },
    { status: 410, body: json({ kind: 'Status', code: 410 }) },
  );
  const client = createClient({ transport });
  const { signal } = new AbortController();
  const seen: WatchEvent<Pod>[] = [];
  const watch = async (): Promise<void> => {
    for await (const event of client.watch(pods, { resourceVersion: '4', signal })) seen.push(event);
  };
  await assert.rejects(watch(), (error) => isPlatformError(error, 'expired') && error.message === 'too old');
  assert.deepEqual(
    seen.map((event) => event.type),
    ['ADDED', 'BOOKMARK'],
  );
  assert.equal(transport.seen[0]?.url, '/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=4');
  await assert.rejects(watch(), (error) => isPlatformError(error, 'expired'));
});
