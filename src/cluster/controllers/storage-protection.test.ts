import assert from 'node:assert/strict';
import test from 'node:test';
import { PlatformError } from '../../base/errors.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { persistentVolumeClaims, persistentVolumes, pods, volumeAttributesClasses } from '../client/kinds.ts';
import { statusResponse } from '../client/testing/fake-api.ts';
import {
  createAttributesClassProtection,
  createClaimProtection,
  createVolumeProtection,
} from './storage-protection.ts';
import { running, type Running } from './testing/running.ts';

const claim = { name: 'data', namespace: 'default' };
const held = ['kubernetes.io/pvc-protection'];

function user(name: string, nodeName?: string): Pod {
  const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }];
  return {
    metadata: { name, namespace: 'default' },
    spec: { containers: [], volumes, ...(nodeName !== undefined && { nodeName }) },
  };
}

const claimsPlane = (): Running =>
  running({
    create: (environment) => [createClaimProtection(environment)],
    before: (api) => void api.put(persistentVolumeClaims, { metadata: { ...claim, finalizers: held } }),
  });

test('a claim that nobody uses goes when it is deleted; a pod without a node is nobody', async () => {
  await using plane = claimsPlane();
  plane.api.put(pods, user('waiting'));
  await plane.quiet();
  assert.deepEqual(plane.api.read(persistentVolumeClaims, claim)?.metadata?.finalizers, held);
  await plane.client.delete(persistentVolumeClaims, claim);
  await plane.until('the claim to go', () => plane.api.all(persistentVolumeClaims).length === 0);
});

test('a claim in use stays until its last user is gone', async () => {
  await using plane = claimsPlane();
  plane.api.put(pods, user('one', 'n'));
  const ephemeral = { name: 'data', ephemeral: {} };
  plane.api.put(persistentVolumeClaims, {
    metadata: { name: 'two-data', namespace: 'default', finalizers: held },
  });
  plane.api.put(pods, {
    metadata: { name: 'two', namespace: 'default' },
    spec: { containers: [], volumes: [ephemeral], nodeName: 'n' },
  });
  await plane.quiet();
  for (const name of ['data', 'two-data'])
    await plane.client.delete(persistentVolumeClaims, { name, namespace: 'default' });
  await plane.quiet();
  assert.equal(plane.api.all(persistentVolumeClaims).length, 2);
  plane.api.remove(pods, { name: 'one' });
  await plane.until('the first', () => plane.api.all(persistentVolumeClaims).length === 1);
  plane.api.remove(pods, { name: 'two' });
  await plane.until('the second', () => plane.api.all(persistentVolumeClaims).length === 0);
});

test('a claim without the finalizer gets it', async () => {
  await using plane = running({ create: (environment) => [createClaimProtection(environment)] });
  plane.api.put(persistentVolumeClaims, { metadata: { ...claim, finalizers: ['x/y'] } });
  const finalizers = () => plane.api.read(persistentVolumeClaims, claim)?.metadata?.finalizers;
  await plane.until('the finalizer', () => finalizers()?.length === 2);
  assert.deepEqual(finalizers(), ['x/y', ...held]);
});

test('a volume stays while it is bound', async () => {
  await using plane = running({ create: (environment) => [createVolumeProtection(environment)] });
  const bound = { metadata: { name: 'v' }, spec: {}, status: { phase: 'Bound' } };
  plane.api.put(persistentVolumes, bound);
  const volume = () => plane.api.read(persistentVolumes, { name: 'v' });
  await plane.until('the finalizer', () => volume()?.metadata?.finalizers?.length === 1);
  await plane.client.delete(persistentVolumes, { name: 'v' });
  await plane.quiet();
  assert.notEqual(volume(), undefined);
  await plane.client.patch(
    persistentVolumes,
    { name: 'v' },
    { type: 'merge', body: { status: { phase: 'Released' } }, subresource: 'status' },
  );
  await plane.until('the volume to go', () => volume() === undefined);
});

test('a class of attributes stays while a claim is to have it', async () => {
  await using plane = running({ create: (environment) => [createAttributesClassProtection(environment)] });
  const gold = { name: 'gold' };
  plane.api.put(volumeAttributesClasses, { metadata: gold });
  plane.api.put(persistentVolumeClaims, { metadata: claim, spec: { volumeAttributesClassName: 'gold' } });
  const present = () => plane.api.read(volumeAttributesClasses, gold);
  await plane.until('the finalizer', () => present()?.metadata?.finalizers?.length === 1);
  await plane.client.delete(volumeAttributesClasses, gold);
  await plane.quiet();
  assert.notEqual(present(), undefined);
  plane.api.remove(persistentVolumeClaims, claim);
  await plane.until('the class to go', () => present() === undefined);
});

/** Nothing more is heard of objects of these kinds: caches have what was there at the start. */
function unheard(plane: Running, resources: readonly string[]): void {
  plane.api.intercept = ({ url }) =>
    url.includes('watch=') && resources.some((resource) => url.includes(`/${resource}?`))
      ? statusResponse(new PlatformError('unavailable', 'down'))
      : undefined;
}

test('a claim stays while a pod uses it of which the cache has not heard', async () => {
  await using plane = claimsPlane();
  unheard(plane, ['pods']);
  await plane.quiet();
  plane.api.put(pods, user('unheard', 'n'));
  await plane.client.delete(persistentVolumeClaims, claim);
  await plane.quiet();
  assert.deepEqual(plane.api.read(persistentVolumeClaims, claim)?.metadata?.finalizers, held);
});

for (const type of [persistentVolumeClaims, persistentVolumes])
  test(`a class of attributes stays while one of the ${type.resource} has it, of which the cache has not heard`, async () => {
    await using plane = running({
      create: (environment) => [createAttributesClassProtection(environment)],
      before: (api) => void api.put(volumeAttributesClasses, { metadata: { name: 'gold' } }),
    });
    unheard(plane, [type.resource]);
    const present = () => plane.api.read(volumeAttributesClasses, { name: 'gold' });
    await plane.until('the finalizer', () => present()?.metadata?.finalizers?.length === 1);
    const spec = { volumeAttributesClassName: 'gold' };
    if (type === persistentVolumes) plane.api.put(persistentVolumes, { metadata: { name: 'v' }, spec });
    else plane.api.put(persistentVolumeClaims, { metadata: claim, spec });
    await plane.client.delete(volumeAttributesClasses, { name: 'gold' });
    await plane.quiet();
    assert.notEqual(present(), undefined);
  });
