import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';

import { SigningKeys } from './signing-keys.ts';

const ISSUER = 'https://kubernetes.default.svc';

function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

const at = (seconds: number): { readonly issuer: string; readonly now: Date } => ({
  issuer: ISSUER,
  now: new Date(seconds * 1000),
});

test('a token that was good once is so for its time only, and for its issuer', async () => {
  const keys = new SigningKeys(newKey());
  const token = await keys.sign({ iss: ISSUER, sub: 'jane', nbf: 100, exp: 200 });
  await assert.rejects(keys.verify(token, at(99)), /"nbf" claim/);
  for (const seconds of [100, 150, 199]) assert.equal((await keys.verify(token, at(seconds))).sub, 'jane');
  await assert.rejects(keys.verify(token, at(200)), /"exp" claim/);
  await assert.rejects(keys.verify(token, at(99)), /"nbf" claim/);
  await assert.rejects(keys.verify(token, { ...at(150), issuer: 'other' }), /"iss" claim/);
  assert.equal((await keys.verify(token, at(150))).sub, 'jane');
});

test('a token that nobody here has signed is none, however often it comes', async () => {
  const [own, other] = [new SigningKeys(newKey()), new SigningKeys(newKey())];
  const good = await own.sign({ iss: ISSUER, sub: 'jane' });
  const foreign = await other.sign({ iss: ISSUER, sub: 'jane' });
  const [head = '', , signature = ''] = good.split('.');
  const altered = [head, Buffer.from(`{"iss":"${ISSUER}","sub":"john"}`).toString('base64url'), signature];
  for (let i = 0; i < 2; i++) {
    assert.equal((await own.verify(good, at(1))).sub, 'jane');
    await assert.rejects(own.verify(foreign, at(1)), /its key is not known/);
    await assert.rejects(own.verify(altered.join('.'), at(1)), /signature verification failed/);
  }
});

test('of many tokens each is good, also one that has been forgotten', async () => {
  const keys = new SigningKeys(newKey());
  const tokens = await Promise.all(
    Array.from({ length: 520 }, (_, i) => keys.sign({ iss: ISSUER, sub: String(i) })),
  );
  for (const token of [...tokens, ...tokens.slice(0, 5), ...tokens.slice(-5)]) {
    assert.equal((await keys.verify(token, at(1))).sub, String(tokens.indexOf(token)));
  }
});
