/** The main loop is nobody's alone: what the longest turn of it takes while one request, or several, are answered. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { systemClock } from '../../src/base/clock.ts';
import type { ApiRequest } from '../../src/cluster/api/transport.ts';
import { configMap, TestServer } from '../../src/cluster/server/testing/test-server.ts';
import { LoopTurns } from '../fixtures/loop-turns.ts';

const OBJECTS = 4000;
/**
 * Milliseconds. The design's bound is 5 on a machine of its own; here others run beside. In one go each of these requests
 * takes 25 or more.
 */
const BOUND = 12;
/** The best of so many tries counts: a turn that others disturb is not the server's. */
const TRIES = 12;

const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
const PROTOBUF = { accept: 'application/vnd.kubernetes.protobuf' };
const OPENAPI_PROTOBUF = { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' };
const MAPS = '/api/v1/namespaces/default/configmaps';
const STREAM = 'watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan';

const turns = new LoopTurns();

/** The longest turn of the loop while `work` is done, without collections of garbage, in milliseconds. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  turns.start();
  await work();
  return (await turns.stop()).held;
}

describe('the main loop', () => {
  let server: TestServer;
  /** The version of the first object. */
  let began = '';

  before(async () => {
    server = await TestServer.open({ clock: systemClock });
    const data = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key-${i}`, 'x'.repeat(60)]));
    const first = await server.create('/api/v1/namespaces/kube-public/configmaps', configMap('first'));
    began = first.metadata.resourceVersion ?? '';
    for (let at = 0; at < OBJECTS; at += 100) {
      const some = Array.from({ length: 100 }, (_, i) => at + i);
      await Promise.all(
        some.map((i) =>
          server.create(MAPS, configMap(`m${i}`, data, { odd: String(i % 2), number: `${i}` })),
        ),
      );
    }
  });

  after(() => server[Symbol.asyncDispose]());

  /** Reads the answer as the listener does; of a watch, what comes before the bookmark. */
  async function take(url: string, more: Partial<ApiRequest> = {}): Promise<number> {
    const { status, body } = await server.raw(more.method ?? 'GET', url, more);
    if (body instanceof Uint8Array) return status;
    for await (const piece of body) {
      if (url.includes(STREAM) && Buffer.from(piece).includes('initial-events-end')) break;
    }
    return status;
  }

  async function bounded(status: number, work: (attempt: number) => Promise<number>): Promise<void> {
    const seen: number[] = [];
    for (let attempt = 0; attempt < TRIES; attempt++) {
      seen.push(await longestTurn(async () => assert.equal(await work(attempt), status)));
      if (seen.at(-1)! < BOUND) return;
    }
    assert.fail(`held for ${seen.map((ms) => ms.toFixed(1)).join(', ')} ms`);
  }

  const read = async (url: string, headers: Readonly<Record<string, string>> = {}): Promise<void> =>
    await bounded(200, () => take(url, { headers }));

  test('lists', async () => {
    await read(MAPS);
    await read(MAPS, PROTOBUF);
    await read(MAPS, TABLE);
    await read(MAPS, { 'accept-encoding': 'gzip' });
  });

  test('lists for people', async () => {
    await read(`${MAPS}?pretty=true`);
    await read(MAPS, { accept: 'application/yaml' });
  });

  test('lists by what no index answers', async () => {
    await read(`${MAPS}?labelSelector=number%20notin%20(7)`);
    await read(`${MAPS}?labelSelector=number,!nothing&fieldSelector=metadata.name!%3Dm7`);
  });

  test('several lists at once', async () => {
    const several = Array.from({ length: 8 });
    await bounded(200, async () => {
      const answers = await Promise.all(several.map(() => take(MAPS, { headers: TABLE })));
      return answers[0]!;
    });
  });

  test('watches that begin with the present state', async () => {
    await read(`${MAPS}?${STREAM}`);
    await read(`${MAPS}?${STREAM}&labelSelector=number%3D7`, PROTOBUF);
  });

  test('watches that begin in the past', async () => {
    // Before what the window holds, so that the store is asked.
    const url = `${MAPS}?watch=true&resourceVersion=${began}`;
    await bounded(200, async () => {
      const { status, body } = await server.raw('GET', url);
      for await (const piece of body as AsyncIterable<Uint8Array>)
        if (Buffer.from(piece).includes(`"name":"m${OBJECTS - 1}"`)) break;
      return status;
    });
  });

  test('documents of what is served, which are made once', async () => {
    for (const [url, headers] of [
      ['/openapi/v2', {}],
      ['/openapi/v2', OPENAPI_PROTOBUF],
      ['/openapi/v3', {}],
      ['/apis', { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }],
    ] as const) {
      const seen: number[] = [];
      do {
        // A server that has not made it yet.
        await using fresh = await TestServer.open({ clock: systemClock });
        seen.push(await longestTurn(() => fresh.raw('GET', url, { headers })));
      } while (seen.at(-1)! >= BOUND && seen.length < TRIES);
      assert(Math.min(...seen) < BOUND, `${url} ${JSON.stringify(headers)}: ${seen.join(', ')} ms`);
    }
  });

  const write = async (status: number, text: (attempt: number) => string, query = ''): Promise<void> =>
    await bounded(status, (attempt) => {
      const headers = { 'content-type': 'application/json' };
      return take(`${MAPS}${query}`, { method: 'POST', headers, body: Buffer.from(text(attempt)) });
    });

  test('bodies that are refused', async () => {
    const members = Array.from({ length: 40_000 }, (_, i) => `"k${i}":{"a":[${i}]}`).join(',');
    await write(400, () => `{"apiVersion":"v1","kind":"ConfigMap","data":{${members}}}`);
    await write(400, () => '['.repeat(2_900_000));
    await write(400, () => `{${members}`);
    await write(400, () => `{"metadata":{"name":"no"},${members}}`, '?fieldValidation=Strict');
  });

  test('an object of thousands of members', async () => {
    const data = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`key-${i}`, 'some text']));
    await write(201, (attempt) => JSON.stringify(configMap(`wide-${attempt}`, data)));
    await write(201, (attempt) => JSON.stringify(configMap(`wide-dry-${attempt}`, data)), '?dryRun=All');
  });

  test('a large object', async () => {
    const data = { a: 'x'.repeat(450_000), b: 'y\n'.repeat(200_000) };
    await write(201, (attempt) => JSON.stringify(configMap(`large-${attempt}`, data)));
  });

  test('deleting a collection', async () => {
    const maps = '/api/v1/namespaces/kube-public/configmaps';
    const seen: number[] = [];
    do {
      const names = Array.from({ length: 1000 }, (_, i) => `gone-${i}`);
      await Promise.all(names.map((name) => server.create(maps, configMap(name))));
      seen.push(await longestTurn(() => take(maps, { method: 'DELETE' })));
    } while (seen.at(-1)! >= BOUND && seen.length < TRIES);
    assert(Math.min(...seen) < BOUND, `held for ${seen.join(', ')} ms`);
  });
});
