/** What the store on etcd says and does when etcd, or the way there, fails. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { isPlatformError, type ErrorCode, type PlatformError } from '../../src/base/errors.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openEtcdStore, type EtcdStoreOptions } from '../../src/cluster/store/etcd.ts';
import type { Store, WatchBatch } from '../../src/cluster/store/store.ts';
import { startEtcd, type TestEtcd } from '../fixtures/etcd.ts';
import { TcpProxy } from '../fixtures/tcp-proxy.ts';

const open = (options: Partial<EtcdStoreOptions> & { endpoints: readonly string[] }): Promise<Store> =>
  openEtcdStore({ clock: systemClock, random: systemRandom, ...options });
const put = (store: Store, key: string, text = 'x'): ReturnType<Store['txn']> =>
  store.txn([], [{ type: 'put', key, value: Buffer.from(text) }]);
const text = async (store: Store, key: string): Promise<string | undefined> => {
  const kv = await store.get(key);
  return kv && Buffer.from(kv.value).toString();
};
const fails = (code: ErrorCode, pattern: RegExp) => (error: unknown) => {
  assert.ok(isPlatformError(error, code), String(error));
  assert.match(error.message, pattern);
  return true;
};

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 30_000;
  for (; !condition(); await delay(5)) assert.ok(performance.now() < end, `waited too long for ${what}`);
}

describe('etcd: the way there', () => {
  let etcd: TestEtcd;
  let prefixes = 0;
  before(async () => {
    etcd = await startEtcd({ extra: ['--quota-backend-bytes=20000000'] });
  });
  after(async () => {
    await etcd[Symbol.asyncDispose]();
  });
  const port = (): number => Number(etcd.endpoints[0]!.split(':')[1]);
  const prefix = (): string => `/faults/${++prefixes}`;

  test('nobody there is said within seconds, with the address', async () => {
    const nobody = open({ endpoints: ['127.0.0.1:1', '127.0.0.1:2'], giveUpMs: 500 });
    await assert.rejects(nobody, fails('unavailable', /etcd 127\.0\.0\.1:[12]: range: .*ECONNREFUSED/));
  });

  test('an endpoint that is not there is passed over', async () => {
    await using store = await open({ endpoints: ['127.0.0.1:1', ...etcd.endpoints], prefix: prefix() });
    await put(store, '/a', 'there');
    assert.equal(await text(store, '/a'), 'there');
  });

  test('a write whose answer is lost may have happened, says so, and has happened once', async () => {
    await using proxy = await TcpProxy.to(port());
    const space = prefix();
    await using store = await open({ endpoints: [proxy.endpoint], prefix: space });
    await using direct = await open({ endpoints: etcd.endpoints, prefix: space });
    const { revision } = await put(store, '/a', 'before');
    proxy.holdAnswers();
    const writing = put(store, '/a', 'during');
    writing.catch(() => {});
    const end = performance.now() + 20_000;
    while ((await text(direct, '/a')) !== 'during') assert.ok(performance.now() < end);
    proxy.cut();
    await assert.rejects(writing, (error: PlatformError) => {
      assert.equal(error.details['outcome'], 'unknown');
      return fails('timeout', /it may have happened/)(error);
    });
    proxy.mend();
    assert.equal(await text(store, '/a'), 'during', 'the store goes on by itself');
    const kv = (await store.get('/a'))!;
    assert.deepEqual([kv.version, kv.modRevision], [2, revision + 1], 'written once');
  });

  test('while nobody is there nothing happens, and reads wait for a while', async () => {
    await using proxy = await TcpProxy.to(port());
    const space = prefix();
    await using store = await open({ endpoints: [proxy.endpoint], prefix: space, giveUpMs: 400 });
    await using direct = await open({ endpoints: etcd.endpoints, prefix: space });
    await put(store, '/a', 'one');
    proxy.cut();
    // The connection that broke may take the first of them with it.
    await put(store, '/a', 'lost').catch(() => {});
    await assert.rejects(put(store, '/a', 'two'), fails('unavailable', /txn/));
    assert.notEqual(await text(direct, '/a'), 'two');
    await assert.rejects(store.get('/a'), (error) => isPlatformError(error));
    const waiting = open({ endpoints: [proxy.endpoint], prefix: space });
    await delay(100);
    proxy.mend();
    await using later = await waiting;
    assert.ok(await text(later, '/a'));
  });

  test('a watch goes on after the connection broke, with every event once', async () => {
    await using proxy = await TcpProxy.to(port());
    const space = prefix();
    await using store = await open({ endpoints: [proxy.endpoint], prefix: space });
    await using direct = await open({ endpoints: etcd.endpoints, prefix: space });
    const seen: string[] = [];
    await store.watch({ start: '/', end: '0', afterRevision: 0 }, ({ events }) => {
      for (const { kv } of events) seen.push(Buffer.from(kv.value).toString());
    });
    for (let i = 0; i < 10; i++) {
      await put(direct, '/k', `${i}`);
      if (i % 2 === 0) await until(() => seen.length === i + 1, 'the event');
      proxy.cut();
      await put(direct, '/k', `${i}+`);
      proxy.mend();
      await until(() => seen.at(-1) === `${i}+`, 'the event after the cut');
      seen.pop();
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 10 }, (_, i) => `${i}`),
    );
  });

  test('a watch that has missed what is compacted says so once, and a new one goes on', async () => {
    await using proxy = await TcpProxy.to(port());
    const space = prefix();
    await using store = await open({ endpoints: [proxy.endpoint], prefix: space });
    await using direct = await open({ endpoints: etcd.endpoints, prefix: space });
    const lost: PlatformError[] = [];
    const seen: WatchBatch[] = [];
    const watch = (afterRevision: number): Promise<AsyncDisposable> =>
      store.watch(
        { start: '/', end: '0', afterRevision, onLost: (error) => void lost.push(error) },
        (batch) => void seen.push(batch),
      );
    await watch((await put(store, '/k')).revision);
    proxy.cut();
    for (let i = 0; i < 5; i++) await put(direct, '/k', `${i}`);
    await direct.compact(await direct.revision());
    proxy.mend();
    await until(() => lost.length > 0, 'the loss');
    assert.equal(lost[0]!.code, 'expired');
    assert.deepEqual(
      seen.flatMap(({ events }) => events),
      [],
    );
    await watch(await store.revision());
    const { revision } = await put(direct, '/k', 'new');
    await until(() => seen.at(-1)?.revision === revision, 'the event');
    assert.equal(lost.length, 1);
  });

  test('a watch is told how far the store is when others write elsewhere', async () => {
    await using store = await open({ endpoints: etcd.endpoints, prefix: prefix() });
    await using other = await open({ endpoints: etcd.endpoints, prefix: prefix() });
    let reached = 0;
    await store.watch({ start: '/', end: '0', afterRevision: 0 }, ({ revision, events }) => {
      assert.deepEqual(events, [], 'nothing of ours');
      reached = revision;
    });
    for (let i = 0; i < 5; i++) {
      await put(other, '/elsewhere');
      const revision = await store.revision();
      await until(() => reached >= revision, 'the progress');
    }
  });

  test('a watch from before this process began hands over when it has caught up', async () => {
    const space = prefix();
    await using earlier = await open({ endpoints: etcd.endpoints, prefix: space });
    const first = (await put(earlier, '/a/first')).revision;
    for (let i = 0; i < 50; i++) await put(earlier, i % 10 === 0 ? '/a/k' : '/b/k', `${i}`);
    await using store = await open({ endpoints: etcd.endpoints, prefix: space });
    const seen: string[] = [];
    let reached = 0;
    const stop = new AbortController();
    await store.watch(
      { start: '/a/', end: '/a0', afterRevision: first, signal: stop.signal },
      ({ revision, events }) => {
        assert.ok(revision > reached, 'in order, each once');
        reached = revision;
        for (const { kv } of events) seen.push(Buffer.from(kv.value).toString());
      },
    );
    await put(earlier, '/a/k', 'last');
    await until(() => seen.at(-1) === 'last', 'the last');
    assert.deepEqual(seen, ['0', '10', '20', '30', '40', 'last']);
    stop.abort();
    await put(earlier, '/a/k', 'too late');
    await until(() => true, 'nothing');
    await store.get('/a/k');
    assert.equal(seen.at(-1), 'last');
  });

  test('a watch from before this process began is told how far it is, though nothing of ours comes after', async () => {
    const space = prefix();
    await using earlier = await open({ endpoints: etcd.endpoints, prefix: space });
    const first = (await put(earlier, '/a')).revision;
    await put(earlier, '/a', 'last');
    await using other = await open({ endpoints: etcd.endpoints, prefix: prefix() });
    await put(other, '/elsewhere');
    await using store = await open({ endpoints: etcd.endpoints, prefix: space });
    const through = await store.revision();
    let reached = 0;
    await store.watch({ start: '/', end: '0', afterRevision: first }, ({ revision }) => {
      reached = revision;
    });
    await until(() => reached >= through, 'the progress');
  });

  test('it is told so too when etcd could not be reached meanwhile', async () => {
    const space = prefix();
    await using earlier = await open({ endpoints: etcd.endpoints, prefix: space });
    const first = (await put(earlier, '/a')).revision;
    const through = (await put(earlier, '/a', 'last')).revision;
    await using proxy = await TcpProxy.to(port());
    const looks: number[] = [];
    const clock: Clock = {
      ...systemClock,
      after: (ms, callback) =>
        systemClock.after(ms, () => {
          looks.push(ms);
          callback();
        }),
    };
    await using store = await open({ endpoints: [proxy.endpoint], prefix: space, clock, giveUpMs: 100 });
    let reached = 0;
    await store.watch({ start: '/b/', end: '/b0', afterRevision: first }, ({ revision }) => {
      reached = revision;
    });
    proxy.cut();
    // It looks whether something has come, writes something that does not arrive, and looks again.
    const NUDGE_AFTER_MS = 300;
    await until(() => looks.filter((ms) => ms === NUDGE_AFTER_MS).length >= 2, 'the second look');
    proxy.mend();
    await until(() => reached >= through, 'the progress');
  });

  test('what etcd refuses is named', async () => {
    await using store = await open({ endpoints: etcd.endpoints, prefix: prefix() });
    const large = Buffer.alloc(2_000_000, 'x');
    await assert.rejects(
      store.txn([], [{ type: 'put', key: '/large', value: large }]),
      fails('invalid', /request is too large/),
    );
    const many = Array.from(
      { length: 200 },
      (_, i) => ({ type: 'put', key: `/m/${i}`, value: Buffer.of(1) }) as const,
    );
    await assert.rejects(store.txn([], many), fails('invalid', /too many operations/));
  });

  test('a full etcd says what to do, and reads go on', async () => {
    await using store = await open({ endpoints: etcd.endpoints, prefix: prefix() });
    const value = Buffer.alloc(1_000_000, 'x');
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) await store.txn([], [{ type: 'put', key: `/fill/${i}`, value }]);
    };
    await assert.rejects(fill(), (error: PlatformError) => {
      assert.match(error.hint ?? '', /defragment/);
      return fails('exhausted', /space exceeded/)(error);
    });
    assert.equal((await store.get('/fill/0'))?.value.length, value.length);
  });
});

test('an etcd that is put back to an older state is noticed', { timeout: 60_000 }, async () => {
  await using etcd = await startEtcd();
  await using store = await open({ endpoints: etcd.endpoints });
  const lost: PlatformError[] = [];
  const options = { start: '/', end: '0', onLost: (error: PlatformError) => void lost.push(error) };
  let reached = 0;
  await store.watch({ ...options, afterRevision: 0 }, (batch) => {
    reached = batch.revision;
  });
  await put(store, '/k', 'old');
  await etcd.kill();
  await cp(join(etcd.folder, 'm0'), join(etcd.folder, 'copy'), { recursive: true });
  await etcd.start();
  for (let i = 0; i < 20; i++) await put(store, '/k', `${i}`);
  const seen = await store.revision();
  await until(() => reached === seen, 'the watch');
  await etcd.kill();
  await rm(join(etcd.folder, 'm0'), { recursive: true });
  await cp(join(etcd.folder, 'copy'), join(etcd.folder, 'm0'), { recursive: true });
  await etcd.start();
  await until(() => lost.length > 0, 'the loss');
  assert.match(lost[0]!.message, new RegExp(`went back from ${seen} to`));
  let last = '';
  await store.watch({ ...options, afterRevision: await store.revision() }, ({ events }) => {
    for (const { kv } of events) last = Buffer.from(kv.value).toString();
  });
  await put(store, '/k', 'new');
  await until(() => last === 'new', 'the new event');
});

test('a member that hangs is left for another', { timeout: 90_000 }, async () => {
  await using etcd = await startEtcd({ members: 3 });
  await using store = await open({ endpoints: etcd.endpoints, callMs: 1000 });
  let last = '';
  await store.watch({ start: '/', end: '0', afterRevision: 0 }, ({ events }) => {
    for (const { kv } of events) last = Buffer.from(kv.value).toString();
  });
  await put(store, '/k', 'one');
  etcd.signal('SIGSTOP', 0);
  try {
    // Reads are asked again elsewhere; a write on its way is not.
    assert.equal(await text(store, '/k'), 'one');
    const end = performance.now() + 30_000;
    for (;;) {
      const done = await put(store, '/k', 'two').then(
        () => true,
        () => false,
      );
      if (done) break;
      assert.ok(performance.now() < end, 'the others have a leader again');
    }
    await until(() => last === 'two', 'the event, by another member');
  } finally {
    etcd.signal('SIGCONT', 0);
  }
});

describe('etcd with TLS', () => {
  let dir: string;
  let etcd: TestEtcd;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sampan-tls-'));
    const selfSigned = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split(' ');
    const openssl = (...args: string[]): void =>
      void execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
    for (const ca of ['ca', 'other']) {
      openssl(...selfSigned, '-subj', `/CN=${ca}`, '-keyout', `${ca}.key`, '-out', `${ca}.crt`);
      openssl(
        ...selfSigned,
        '-subj',
        '/CN=etcd',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-addext',
        'basicConstraints=critical,CA:FALSE',
        '-addext',
        'extendedKeyUsage=serverAuth,clientAuth',
        '-CA',
        `${ca}.crt`,
        '-CAkey',
        `${ca}.key`,
        '-keyout',
        `${ca}-leaf.key`,
        '-out',
        `${ca}-leaf.crt`,
      );
    }
    const at = (name: string): string => join(dir, name);
    etcd = await startEtcd({ tls: { ca: at('ca.crt'), cert: at('ca-leaf.crt'), key: at('ca-leaf.key') } });
  });
  after(async () => {
    await etcd?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });
  const pem = (name: string): Promise<Buffer> => readFile(join(dir, name));

  test('with a certificate that etcd trusts it works', async () => {
    const tls = { ca: await pem('ca.crt'), cert: await pem('ca-leaf.crt'), key: await pem('ca-leaf.key') };
    await using store = await open({ endpoints: etcd.endpoints, tls });
    await put(store, '/a', 'sealed');
    assert.equal(await text(store, '/a'), 'sealed');
  });

  test('an etcd of another authority is not trusted, and a stranger is not let in', async () => {
    const { endpoints } = etcd;
    const leaf = { cert: await pem('ca-leaf.crt'), key: await pem('ca-leaf.key') };
    const wrong = open({ endpoints, tls: { ca: await pem('other.crt'), ...leaf }, giveUpMs: 500 });
    await assert.rejects(wrong, fails('unavailable', /certificate|self.signed|issuer/i));
    const stranger = {
      ca: await pem('ca.crt'),
      cert: await pem('other-leaf.crt'),
      key: await pem('other-leaf.key'),
    };
    await assert.rejects(open({ endpoints, tls: stranger, giveUpMs: 500 }), (error) =>
      isPlatformError(error, 'unavailable', 'timeout'),
    );
    await assert.rejects(open({ endpoints, giveUpMs: 500 }), (error) =>
      isPlatformError(error, 'unavailable', 'timeout'),
    );
  });
});
