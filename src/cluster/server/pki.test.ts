import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { ManualClock } from '../../base/clock.ts';
import { buildKubeconfig } from './kubeconfig.ts';
import { loadOrCreatePki } from './pki.ts';

const DAY_MS = 86_400_000;
let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sampan-pki-'));
});
after(async () => {
  await rm(dir, { recursive: true });
});

test('made once, found again, renewed when it must be', async () => {
  const clock = new ManualClock();
  const at = { dir: join(dir, 'pki'), clock, names: ['10.96.0.1'] };
  const first = await loadOrCreatePki(at);
  const server = new X509Certificate(first.server.cert);
  assert.equal(server.checkHost('kubernetes.default.svc'), 'kubernetes.default.svc');
  assert.equal(server.checkIP('10.96.0.1'), '10.96.0.1');
  assert.equal(server.checkIP('::1'), '::1');
  const admin = new X509Certificate(first.admin.cert);
  assert.deepEqual(admin.subject.split('\n').toSorted(), ['CN=kubernetes-admin', 'O=system:masters']);
  assert.ok(server.verify(new X509Certificate(first.ca.cert).publicKey));
  const proxy = new X509Certificate(first.frontProxyClient.cert);
  assert.equal(proxy.subject, 'CN=front-proxy-client');
  assert.ok(proxy.verify(new X509Certificate(first.frontProxyCa.cert).publicKey));
  assert.ok(!proxy.checkIssued(new X509Certificate(first.ca.cert)));
  for (const name of ['ca.key', 'server.key', 'admin.key', 'admin.token']) {
    assert.equal((await stat(join(dir, 'pki', name))).mode & 0o777, 0o600, name);
  }

  assert.deepEqual(await loadOrCreatePki(at), first);
  const moved = await loadOrCreatePki({ ...at, names: ['10.96.0.1', '192.168.0.9'] });
  assert.equal(moved.ca.cert, first.ca.cert);
  assert.equal(new X509Certificate(moved.server.cert).checkIP('192.168.0.9'), '192.168.0.9');
  assert.equal(moved.admin.cert, first.admin.cert);

  await clock.advance(340 * DAY_MS);
  const renewed = await loadOrCreatePki(at);
  assert.equal(renewed.ca.cert, first.ca.cert);
  assert.notEqual(renewed.admin.cert, first.admin.cert);
  assert.equal(renewed.frontProxyCa.cert, first.frontProxyCa.cert);
  assert.notEqual(renewed.frontProxyClient.cert, first.frontProxyClient.cert);
  assert.equal(renewed.adminToken, first.adminToken);
  await clock.advance(3300 * DAY_MS);
  assert.notEqual((await loadOrCreatePki(at)).ca.cert, first.ca.cert);
});

test('a damaged file is replaced', async () => {
  const at = { dir: join(dir, 'damaged'), clock: new ManualClock(), names: [] };
  const first = await loadOrCreatePki(at);
  await writeFile(join(at.dir, 'server.crt'), 'nonsense');
  const second = await loadOrCreatePki(at);
  assert.equal(second.ca.cert, first.ca.cert);
  assert.ok(new X509Certificate(second.server.cert).verify(new X509Certificate(first.ca.cert).publicKey));
});

test('a key from before a crash and a certificate from after it are made anew, together', async () => {
  const at = { dir: join(dir, 'torn'), clock: new ManualClock(), names: [] };
  const first = await loadOrCreatePki(at);
  await writeFile(join(at.dir, 'server.key'), first.admin.key);
  const mended = await loadOrCreatePki(at);
  assert.notEqual(mended.server.cert, first.server.cert);
  assert.ok(new X509Certificate(mended.server.cert).checkPrivateKey(createPrivateKey(mended.server.key)));
  assert.equal(mended.ca.cert, first.ca.cert);
});

test('the kubeconfig embeds everything', () => {
  const text = buildKubeconfig({
    server: 'https://127.0.0.1:6443',
    ca: 'ca',
    clientCert: 'cert',
    clientKey: 'key',
  });
  assert.match(text, /server: "https:\/\/127.0.0.1:6443"/);
  assert.match(text, new RegExp(`client-key-data: ${Buffer.from('key').toString('base64')}`));
});

test('servers of one cluster have alike what the cluster folder has, and certificates of their own', async () => {
  const clock = new ManualClock();
  const clusterDir = join(dir, 'cluster');
  const at = (name: string) => ({ dir: join(dir, name), clusterDir, clock, names: [`${name}.example`] });
  const one = await loadOrCreatePki(at('one'));
  const two = await loadOrCreatePki(at('two'));
  for (const field of ['ca', 'frontProxyCa', 'serviceAccountKey', 'adminToken'] as const)
    assert.deepEqual(two[field], one[field], field);
  assert.notEqual(two.server.cert, one.server.cert);
  const authority = new X509Certificate(one.ca.cert);
  assert.ok(new X509Certificate(two.server.cert).verify(authority.publicKey));
  assert.equal(new X509Certificate(two.server.cert).checkHost('two.example'), 'two.example');
  assert.deepEqual(await loadOrCreatePki(at('one')), one);
});
