/** Two API servers on one etcd act as one. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { TestServer } from '../../src/cluster/server/testing/test-server.ts';
import { openEtcdStore } from '../../src/cluster/store/etcd.ts';
import { startEtcd, type TestEtcd } from '../fixtures/etcd.ts';
import { TcpProxy } from '../fixtures/tcp-proxy.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const services = '/api/v1/namespaces/default/services';

describe('two API servers on one etcd', () => {
  let etcd: TestEtcd;
  let one: TestServer;
  let two: TestServer;
  let prefixes = 0;
  before(async () => {
    etcd = await startEtcd();
  });
  beforeEach(async () => {
    const prefix = `/cell-${++prefixes}`;
    const open = async (): Promise<TestServer> =>
      await TestServer.open({
        store: await openEtcdStore({
          endpoints: etcd.endpoints,
          clock: systemClock,
          random: systemRandom,
          prefix,
        }),
        clock: systemClock,
        random: systemRandom,
        sharedStore: true,
        // Few enough that the two servers meet.
        serviceCidr: '10.96.0.0/25',
        nodePortRange: [30000, 30039],
      });
    // At the same moment on an empty store: both make what has to be there.
    [one, two] = await Promise.all([open(), open()]);
  });
  const close = async (): Promise<void> => {
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
  };
  after(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  test('a read on one sees every write that the other has acknowledged', async () => {
    try {
      for (let i = 0; i < 100; i++) {
        const [writer, reader] = i % 2 === 0 ? [one, two] : [two, one];
        await writer.create(maps, { metadata: { name: `m${i}` }, data: { i: `${i}` } });
        const read = await reader.call('GET', `${maps}/m${i}`);
        assert.equal(read.status, 200, `m${i}`);
        const list = await reader.call('GET', maps);
        assert.ok(
          list.body.items?.some(({ metadata }) => metadata.name === `m${i}`),
          `m${i} is listed`,
        );
        await writer.call('DELETE', `${maps}/m${i}`);
        assert.equal((await reader.call('GET', `${maps}/m${i}`)).status, 404);
      }
    } finally {
      await close();
    }
  });

  test('a watch on one sees the writes on both, each once, in the order of revisions', async () => {
    try {
      const [onOne, onTwo] = await Promise.all([one.watch(`${maps}?watch=1`), two.watch(`${maps}?watch=1`)]);
      await Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          [one, two][i % 2]!.create(maps, { metadata: { name: `w${i}` }, data: {} }),
        ),
      );
      const take = async (reader: typeof onOne): Promise<string[]> => {
        const seen: string[] = [];
        while (seen.length < 60) {
          const frame = await reader.next();
          assert.ok(frame !== undefined);
          if (!frame.object.metadata.name?.startsWith('w')) continue;
          seen.push(`${frame.type} ${frame.object.metadata.name} ${frame.object.metadata.resourceVersion}`);
        }
        return seen;
      };
      const [first, second] = await Promise.all([take(onOne), take(onTwo)]);
      assert.deepEqual(first, second);
      assert.equal(new Set(first).size, 60, 'no event twice');
      const versions = first.map((line) => Number(line.split(' ')[2]));
      assert.deepEqual(
        versions,
        versions.toSorted((a, b) => a - b),
      );
      onOne.stop();
      onTwo.stop();
    } finally {
      await close();
    }
  });

  test('cluster addresses and node ports are given out once, and all of them', async () => {
    try {
      const made = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          [one, two][i % 2]!.create(services, {
            metadata: { name: `s${i}` },
            spec: { type: 'NodePort', ports: [{ port: 80 }] },
          }),
        ),
      );
      const specs = made.map(({ spec }) => spec as { clusterIP: string; ports: { nodePort: number }[] });
      assert.equal(new Set(specs.map(({ clusterIP }) => clusterIP)).size, 40);
      assert.equal(new Set(specs.map(({ ports }) => ports[0]!.nodePort)).size, 40);
      const full = await two.call('POST', services, {
        metadata: { name: 'one-too-many' },
        spec: { type: 'NodePort', ports: [{ port: 80 }] },
      });
      assert.notEqual(full.status, 201);
    } finally {
      await close();
    }
  });

  test('of writers on both servers with one version exactly one wins', async () => {
    try {
      const made = await one.create(maps, { metadata: { name: 'race' }, data: {} });
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          [one, two][i % 2]!.call('PUT', `${maps}/race`, { ...made, data: { winner: `${i}` } }),
        ),
      );
      assert.deepEqual(
        answers.map(({ status }) => status).toSorted((a, b) => a - b),
        [200, ...Array<number>(9).fill(409)],
      );
    } finally {
      await close();
    }
  });

  test('a server that was cut off for longer than history is kept comes back with what there is', async () => {
    await using proxy = await TcpProxy.to(Number(etcd.endpoints[0]!.split(':')[1]));
    const parts = { clock: systemClock, random: systemRandom, prefix: `/cell-${prefixes}` };
    await using third = await TestServer.open({
      store: await openEtcdStore({ ...parts, endpoints: [proxy.endpoint] }),
      clock: systemClock,
      random: systemRandom,
      sharedStore: true,
    });
    try {
      for (const name of ['gone', 'changed', 'same']) await one.create(maps, { metadata: { name } });
      const list = await third.call('GET', maps);
      const version = list.body.metadata.resourceVersion;
      const watcher = await third.watch(`${maps}?watch=1&resourceVersion=${version}`);
      proxy.cut();
      await one.call('DELETE', `${maps}/gone`);
      const { body } = await one.call('GET', `${maps}/changed`);
      await one.call('PUT', `${maps}/changed`, { ...body, data: { now: 'other' } });
      await one.create(maps, { metadata: { name: 'new' } });
      await one.store.compact(await one.store.revision());
      proxy.mend();
      const told = [await watcher.next(), await watcher.next(), await watcher.next()];
      assert.deepEqual(
        told.map((frame) => `${frame?.type} ${frame?.object.metadata.name}`),
        ['MODIFIED changed', 'ADDED new', 'DELETED gone'],
      );
      watcher.stop();
      const names = (await third.call('GET', maps)).body.items?.map(({ metadata }) => metadata.name);
      assert.deepEqual(
        names?.filter((name) => name !== 'kube-root-ca.crt'),
        ['changed', 'new', 'same'],
      );
      const resumed = await third.watch(`${maps}?watch=1&resourceVersion=${version}`);
      assert.equal((await resumed.next())?.object.code, 410);
      resumed.stop();
    } finally {
      await close();
    }
  });

  test('the keys are where Kubernetes has them', async () => {
    try {
      await one.create(maps, { metadata: { name: 'here' } });
      const prefix = `/cell-${prefixes}`;
      const keys = etcd.ctl('get', '--prefix', `${prefix}/registry`, '--keys-only').split('\n');
      for (const key of [
        '/registry/namespaces/default',
        '/registry/configmaps/default/here',
        '/registry/services/specs/default/kubernetes',
      ])
        assert.ok(keys.includes(prefix + key), `${key} among ${keys.length} keys`);
    } finally {
      await close();
    }
  });
});
