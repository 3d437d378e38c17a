import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, rfc3339 } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type { TokenRequest } from '../api/generated/authentication-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { AccountTokens } from './account-tokens.ts';
import { FakeCluster } from './testing/fake-cluster.ts';

const pod: Pod = { metadata: { name: 'p', namespace: 'ns', uid: 'u' }, spec: { serviceAccountName: 'app' } };
const HOUR = 3_600_000;

function setUp() {
  const clock = new ManualClock();
  const cluster = new FakeCluster();
  const asked: (TokenRequest['spec'] | undefined)[] = [];
  cluster.answer = (body) => {
    const { spec } = body as TokenRequest;
    asked.push(spec);
    const expires = clock.now() + (spec?.expirationSeconds ?? 0) * 1000;
    return {
      ...body,
      status: { token: `t${asked.length}`, expirationTimestamp: rfc3339(expires) },
    } as TokenRequest;
  };
  const tokens = new AccountTokens({ client: cluster.client, clock, log: silentLogger });
  return { clock, cluster, asked, tokens };
}

test('a token is bound to its pod, and the same until four fifths of its life are over', async () => {
  const { clock, cluster, asked, tokens } = setUp();
  const wish = { audience: '', expirationSeconds: 3600 };
  assert.equal(await tokens.get(pod, wish), 't1');
  assert.deepEqual(asked[0], {
    audiences: [],
    expirationSeconds: 3600,
    boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' },
  });
  assert.deepEqual(cluster.writes, ['post token serviceaccounts ns/app']);
  await clock.advance(0.79 * HOUR);
  assert.equal(await tokens.get(pod, wish), 't1');
  await clock.advance(0.02 * HOUR);
  assert.equal(await tokens.get(pod, wish), 't2');
});

test('audiences and lives have tokens of their own, pods too, and a pod that is gone has none', async () => {
  const { asked, tokens } = setUp();
  const wish = { audience: 'vault', expirationSeconds: 600 };
  await tokens.get(pod, wish);
  await tokens.get(pod, { ...wish, expirationSeconds: 700 });
  await tokens.get({ ...pod, metadata: { ...pod.metadata, uid: 'v' } }, wish);
  assert.equal(asked.length, 3);
  assert.deepEqual(asked[0]?.audiences, ['vault']);
  tokens.forget('u');
  assert.equal(await tokens.get(pod, wish), 't4');
});

test('a long token is renewed after a day', async () => {
  const { clock, tokens } = setUp();
  const wish = { audience: '', expirationSeconds: 30 * 86_400 };
  assert.equal(await tokens.get(pod, wish), 't1');
  await clock.advance(25 * HOUR);
  assert.equal(await tokens.get(pod, wish), 't2');
});

test('while it cannot be renewed the old token stays, until it is worth nothing', async () => {
  const { clock, cluster, tokens } = setUp();
  const wish = { audience: '', expirationSeconds: 3600 };
  await tokens.get(pod, wish);
  cluster.answer = () => {
    throw new PlatformError('unavailable', 'no server');
  };
  await clock.advance(0.9 * HOUR);
  assert.equal(await tokens.get(pod, wish), 't1');
  await clock.advance(0.2 * HOUR);
  await assert.rejects(tokens.get(pod, wish), /failed to fetch token: no server/);
});
