import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { isPlatformError, type PlatformError } from '../../base/errors.ts';
import { seededRandom } from '../../base/random.ts';
import { parseEncryptionConfig } from './encryption-config.ts';
import { createEncryption, loadSecretbox } from './encryption.ts';
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

const secretbox = await loadSecretbox(
  parseEncryptionConfig(configOf(['secrets'], keyed('secretbox', ['key1', 1]))),
);

function encryption(resources: readonly string[], ...providers: unknown[]): ValueTransform {
  return createEncryption({
    config: parseEncryptionConfig(configOf(resources, ...providers)),
    random: seededRandom(1),
    resourceOf: (key) => key.split('/')[2],
    secretbox,
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
for (const type of ['aesgcm', 'aescbc', 'secretbox']) {
  storeSuite(`memory, encrypted with ${type}`, async () => {
    const clock = new ManualClock();
    const transform = createEncryption({
      config: parseEncryptionConfig(configOf(['*.*'], keyed(type, ['key1', 1]))),
      random: seededRandom(1),
      resourceOf: () => 'secrets',
      secretbox,
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

  test('what Kubernetes wrote with secretbox is read', () => {
    // The first test of NaCl's secretbox (cr.yp.to/highspeed/naclcrypto-20090310.pdf, section 10).
    const hex = (digits: string): Buffer => Buffer.from(digits, 'hex');
    const secret = hex('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389').toString('base64');
    const nonce = hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
    const sealed = hex(
      'f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5',
    );
    const opened =
      'be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705';
    const transform = encryption(['secrets'], { secretbox: { keys: [{ name: 'key1', secret }] } });
    const value = Buffer.concat([Buffer.from('k8s:enc:secretbox:v1:key1:'), nonce, sealed]);
    assert.equal(Buffer.from(transform.fromStore(SECRET, value)).toString('hex'), opened);
    value[value.length - 1]! ^= 1;
    assert.throws(
      () => transform.fromStore(SECRET, value),
      fails(/secretbox key "key1": another secret, or changed/),
    );
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
    [configOf(['secrets'], { secretbox: { keys: [] } }), /secretbox.keys: want a list/],
    [
      configOf(['secrets'], { secretbox: { keys: [{ name: 'a', secret: secretOf(1, 16) }] } }),
      /has 16 bytes, want 32/,
    ],
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
