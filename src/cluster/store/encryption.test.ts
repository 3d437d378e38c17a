import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { isPlatformError, type PlatformError } from '../../base/errors.ts';
import { seededRandom } from '../../base/random.ts';
import { parseEncryptionConfig } from './encryption-config.ts';
import { createEncryption } from './encryption.ts';
import { openMemoryStore } from './memory.ts';
import { storeSuite } from './store-suite.ts';
import type { Store, WatchBatch } from './store.ts';
import { rewriteStale, transformStore, type ValueTransform } from './transform.ts';

const secretOf = (n: number, bytes = 32): string => Buffer.alloc(bytes, n).toString('base64');
const keyed = (type: string, ...keys: [name: string, n: number][]): unknown => ({
  [type]: { keys: keys.map(([name, n]) => ({ name, secret: secretOf(n) })) },
});
const identity = { identity: {} };
const SECRET = '/registry/secrets/default/a';

function configOf(resources: readonly string[], ...providers: unknown[]): unknown {
  return {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources, providers }],
  };
}

function encryption(resources: readonly string[], ...providers: unknown[]): ValueTransform {
  return createEncryption({
    config: parseEncryptionConfig(configOf(resources, ...providers)),
    random: seededRandom(1),
    resourceOf: (key) => key.split('/')[2],
  });
}

const put = async (store: Store, key: string, text: string): Promise<unknown> =>
  await store.txn([], [{ type: 'put', key, value: Buffer.from(text) }]);
const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString('latin1');
const fails = (pattern: RegExp) => (error: PlatformError) => {
  assert.ok(isPlatformError(error, 'internal'), String(error));
  assert.match(error.message, pattern);
  return true;
};

// Every key is in a resource that is encrypted: the wrapper must change nothing of the contract.
for (const type of ['aesgcm', 'aescbc']) {
  storeSuite(`memory, encrypted with ${type}`, async () => {
    const clock = new ManualClock();
    const transform = createEncryption({
      config: parseEncryptionConfig(configOf(['*.*'], keyed(type, ['key1', 1]))),
      random: seededRandom(1),
      resourceOf: () => 'secrets',
    });
    const store = transformStore(await openMemoryStore({ clock }), transform);
    return { store, clock, cleanUp: async () => store[Symbol.asyncDispose]() };
  });
}

describe('encryption', () => {
  test('values lie in the store as Kubernetes writes them, and others stay as they are', async () => {
    const inner = await openMemoryStore({ clock: new ManualClock() });
    const store = transformStore(inner, encryption(['secrets'], keyed('aesgcm', ['key1', 1]), identity));
    await put(store, SECRET, 'hush');
    await put(store, '/registry/configmaps/default/a', 'plain');
    const stored = (await inner.get(SECRET))!.value;
    assert.match(text(stored)!, /^k8s:enc:aesgcm:v1:key1:/);
    assert.ok(!text(stored)!.includes('hush'));
    assert.equal(stored.length, 'k8s:enc:aesgcm:v1:key1:'.length + 12 + 4 + 16);
    assert.equal(text((await inner.get('/registry/configmaps/default/a'))?.value), 'plain');
    assert.equal(text((await store.get(SECRET))?.value), 'hush');
  });

  test('what Kubernetes wrote is read', () => {
    const nonce = Buffer.alloc(12, 7);
    const cipher = createCipheriv('aes-256-gcm', Buffer.alloc(32, 1), nonce).setAAD(Buffer.from(SECRET));
    const sealed = Buffer.concat([cipher.update('from afar'), cipher.final(), cipher.getAuthTag()]);
    const value = Buffer.concat([Buffer.from('k8s:enc:aesgcm:v1:key1:'), nonce, sealed]);
    const transform = encryption(['secrets'], keyed('aesgcm', ['key2', 2], ['key1', 1]));
    assert.equal(text(transform.fromStore(SECRET, value)), 'from afar');
    assert.ok(transform.isStale(SECRET, value));
  });

  test('a new key reads what the old one wrote, writes with itself, and lets the old one go', async () => {
    const inner = await openMemoryStore({ clock: new ManualClock() });
    await put(inner, '/registry/secrets/default/plain', 'written before');
    const first = encryption(['secrets'], keyed('aesgcm', ['key1', 1]), identity);
    for (let i = 0; i < 450; i++)
      await put(transformStore(inner, first), `/registry/secrets/default/${i}`, `${i}`);
    const lease = await inner.grantLease(100);
    await transformStore(inner, first).txn(
      [],
      [{ type: 'put', key: '/registry/secrets/default/leased', value: Buffer.from('l'), lease }],
    );
    const both = encryption(
      ['secrets'],
      keyed('aescbc', ['key2', 2]),
      keyed('aesgcm', ['key1', 1]),
      identity,
    );
    const store = transformStore(inner, both);
    assert.equal(text((await store.get('/registry/secrets/default/7'))?.value), '7');
    assert.equal(await rewriteStale(inner, both, { prefix: '/registry/' }), 452);
    assert.equal(await rewriteStale(inner, both, { prefix: '/registry/' }), 0);
    assert.equal((await inner.get('/registry/secrets/default/leased'))?.lease, lease);
    const alone = transformStore(inner, encryption(['secrets'], keyed('aescbc', ['key2', 2])));
    const { kvs } = await alone.range('/registry/secrets/', '/registry/secrets0');
    assert.equal(kvs.length, 452);
    assert.equal(text(kvs.find(({ key }) => key.endsWith('/plain'))?.value), 'written before');
  });

  test('the wrong key is named, with the object', async () => {
    const inner = await openMemoryStore({ clock: new ManualClock() });
    await put(transformStore(inner, encryption(['secrets'], keyed('aesgcm', ['key1', 1]))), SECRET, 'hush');
    const read = async (...providers: unknown[]): Promise<unknown> =>
      await transformStore(inner, encryption(['secrets'], ...providers)).range('/', '0');
    await assert.rejects(
      read(keyed('aesgcm', ['key9', 1])),
      fails(/secrets\/default\/a: .*"key1".*does not have/),
    );
    await assert.rejects(
      read(keyed('aesgcm', ['key1', 9])),
      fails(/secrets\/default\/a: .*"key1".*another secret/),
    );
    await assert.rejects(read(identity), fails(/secrets\/default\/a: .*"key1"/));
    const none = createEncryption({
      config: { resources: [] },
      random: seededRandom(1),
      resourceOf: () => 'secrets',
    });
    await assert.rejects(
      transformStore(inner, none).get(SECRET),
      fails(/no encryption configuration covers/),
    );
    // Moved to another object, a value does not open.
    const moved = (await inner.get(SECRET))!.value;
    await inner.txn([], [{ type: 'put', key: '/registry/secrets/default/b', value: moved }]);
    const same = transformStore(inner, encryption(['secrets'], keyed('aesgcm', ['key1', 1])));
    await assert.rejects(same.get('/registry/secrets/default/b'), fails(/default\/b: /));
    await put(inner, '/registry/secrets/default/c', 'plain');
    await assert.rejects(same.get('/registry/secrets/default/c'), fails(/is not encrypted/));
  });

  test('a watch that meets a value it cannot read ends there and says so', async () => {
    const inner = await openMemoryStore({ clock: new ManualClock() });
    const store = transformStore(inner, encryption(['secrets'], keyed('aesgcm', ['key1', 1])));
    const seen: WatchBatch[] = [];
    const lost: PlatformError[] = [];
    await store.watch(
      { start: '/', end: '0', afterRevision: 0, onLost: (error) => void lost.push(error) },
      (batch) => void seen.push(batch),
    );
    await put(store, SECRET, 'one');
    await put(inner, SECRET, 'plain');
    await put(store, SECRET, 'three');
    assert.deepEqual(
      seen.map(({ events }) => text(events[0]?.kv.value)),
      ['one'],
    );
    assert.equal(lost.length, 1);
    assert.match(lost[0]!.message, /secrets\/default\/a/);
  });

  test('wildcards cover groups', () => {
    const transform = (name: string, resource: string): boolean =>
      createEncryption({
        config: parseEncryptionConfig(configOf([name], keyed('aesgcm', ['k', 1]))),
        random: seededRandom(1),
        resourceOf: () => resource,
      }).isStale('/k', Buffer.from('plain'));
    const cases: [string, string, boolean][] = [
      ['secrets', 'secrets', true],
      ['secrets', 'secrets.example.com', false],
      ['deployments.apps', 'deployments.apps', true],
      ['*.*', 'pods', true],
      ['*.*', 'deployments.apps', true],
      ['*.apps', 'deployments.apps', true],
      ['*.apps', 'jobs.batch', false],
      ['*.', 'pods', true],
      ['*.', 'deployments.apps', false],
    ];
    for (const [name, resource, covered] of cases)
      assert.equal(transform(name, resource), covered, `${name} ${resource}`);
  });
});

describe('encryption configuration', () => {
  const refused: [unknown, RegExp][] = [
    [undefined, /want an object/],
    [{ ...(configOf(['secrets'], identity) as object), kind: 'Other' }, /kind: want/],
    [configOf([], identity), /resources\[0\]\.resources: want a list/],
    [configOf(['Bad Name'], identity), /resources\[0\]\.resources\[0\]/],
    [configOf(['secrets', 'secrets'], identity), /secrets is named twice/],
    [configOf(['secrets']), /providers: want a list/],
    [configOf(['secrets'], {}), /exactly one of/],
    [configOf(['secrets'], { aesgcm: {}, identity: {} }), /exactly one of/],
    [configOf(['secrets'], { rot13: {} }), /unknown provider "rot13"/],
    [configOf(['secrets'], { secretbox: { keys: [] } }), /secretbox is not supported/],
    [configOf(['secrets'], { kms: {} }), /kms is not supported/],
    [configOf(['secrets'], { aesgcm: { keys: [{ name: 'a:b', secret: secretOf(1) }] } }), /keys\[0\]\.name/],
    [configOf(['secrets'], { aesgcm: { keys: [{ name: 'a', secret: secretOf(1, 20) }] } }), /has 20 bytes/],
    [configOf(['secrets'], { aesgcm: { keys: [{ name: 'a', secret: '%%%' }] } }), /base64/],
    [configOf(['secrets'], keyed('aescbc', ['a', 1], ['a', 2])), /"a" is used twice/],
  ];
  for (const [config, pattern] of refused) {
    test(`refuses with ${pattern.source}`, () => {
      assert.throws(() => parseEncryptionConfig(config), pattern);
    });
  }
});
