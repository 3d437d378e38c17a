import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../../test/fixtures/eventually.ts';
import { ManualClock, systemClock } from '../../../base/clock.ts';
import type { JsonObject } from '../../api/json.ts';
import { webhookClientFrom, type WebhookClientOptions } from './kubeconfig-client.ts';
import { certificate } from './testing/webhook-server.ts';
import { JsonServer } from './testing/json-server.ts';

const noFiles = (path: string): never => {
  throw new Error(`no such file: ${path}`);
};

function options(text: Uint8Array, more: Partial<WebhookClientOptions> = {}): WebhookClientOptions {
  return { text, read: noFiles, clock: systemClock, ...more };
}

test('it posts to the very URL, as whom the kubeconfig says, and knows the other by its authority', async () => {
  await using server = await JsonServer.open(({ body }) => ({ body: { echo: body['n'] } }));
  const { key, cert } = certificate();
  const files: Record<string, string> = { 'pki/me.crt': cert, 'pki/me.key': key };
  const user = { 'client-certificate': 'pki/me.crt', 'client-key': 'pki/me.key', token: 't0k' };
  const text = server.kubeconfig('/hook?x=1', user);
  using client = await webhookClientFrom(
    options(text, { read: (path) => Buffer.from(files[path] ?? noFiles(path)) }),
  );
  assert.deepEqual(await client.post({ n: 1 }, 5000), { echo: 1 });
  const [asked] = server.seen;
  assert.deepEqual([asked?.method, asked?.path, asked?.client], ['POST', '/hook?x=1', 'webhook']);
  assert.equal(asked?.headers.authorization, 'Bearer t0k');

  const stranger = server.kubeconfig('/', {}, { 'certificate-authority-data': '' });
  using distrusting = await webhookClientFrom(options(stranger));
  await assert.rejects(distrusting.post({}, 5000), {
    code: 'unavailable',
    message: /signed by unknown authority/,
  });
  const lax = { 'certificate-authority-data': '', 'insecure-skip-tls-verify': true };
  using trusting = await webhookClientFrom(
    options(server.kubeconfig('/', { username: 'a', password: 'b' }, lax)),
  );
  await trusting.send(Buffer.from('{}'), 5000);
  assert.equal(server.seen.at(-1)?.headers.authorization, 'Basic YTpi');
  const long = { text: 'x'.repeat(1_000_000) };
  await trusting.send(Buffer.from(JSON.stringify(long)), 5000);
  assert.deepEqual(server.seen.at(-1)?.body, long);
});

test('a token file is read anew as time goes by', async () => {
  await using server = await JsonServer.open(() => ({ body: {} }));
  const clock = new ManualClock();
  let token: string | undefined = 'first\n';
  const read = (path: string): Uint8Array => (token === undefined ? noFiles(path) : Buffer.from(token));
  const text = server.kubeconfig('/', { tokenFile: '/run/token' });
  using client = await webhookClientFrom(options(text, { read, clock }));
  const sent = async (): Promise<string | undefined> => {
    await client.post({}, 5000);
    return server.seen.at(-1)?.headers.authorization;
  };
  token = 'second';
  assert.equal(await sent(), 'Bearer first');
  await clock.advance(60_000);
  assert.equal(await sent(), 'Bearer second');
  token = undefined;
  await clock.advance(60_000);
  assert.equal(await sent(), 'Bearer second');
});

test('an answer that is none, a refusal and a silence are failures with their code', async () => {
  await using server = await JsonServer.open(({ path }) => {
    if (path === '/text') return { body: 'nonsense' };
    if (path === '/busy') return { status: 503, body: 'later' };
    return undefined;
  });
  const clock = new ManualClock();
  const at = (path: string): ReturnType<typeof webhookClientFrom> =>
    webhookClientFrom(options(server.kubeconfig(path), { clock }));
  using text = await at('/text');
  await assert.rejects(text.post({}, 1000), { code: 'unavailable', message: /is not JSON: "nonsense"/ });
  await text.send(Buffer.from('{}'), 1000);
  using busy = await at('/busy');
  await assert.rejects(busy.send(Buffer.from('{}'), 1000), { code: 'unavailable', details: { status: 503 } });
  using silent = await at('/silent');
  const waiting = assert.rejects(silent.post({}, 1000), {
    code: 'timeout',
    message: `Post "${server.url}/silent": context deadline exceeded`,
  });
  await eventually('the question is there', () => server.seen.at(-1)?.path === '/silent');
  await clock.advance(1000);
  await waiting;
});

test('what cannot be followed is refused with the field', async () => {
  await using server = await JsonServer.open(() => ({ body: {} }));
  const cases: readonly [user: JsonObject, cluster: JsonObject, message: RegExp][] = [
    [{ exec: { command: 'x' } }, {}, /users\["us"\]\.user\.exec: is not supported/],
    [{ 'auth-provider': { name: 'gcp' } }, {}, /auth-provider: is not supported/],
    [{ tokenFile: 'none' }, {}, /users\["us"\]\.user\.tokenFile: cannot read none/],
    [{ 'client-certificate-data': 'eA==' }, {}, /want both client-certificate and client-key/],
    [{ 'client-certificate-data': 'eA==', 'client-key-data': 'eA==' }, {}, /cannot be used/],
    [{}, { server: 'http://x' }, /clusters\["remote"\]\.cluster\.server: want an https URL/],
    [{}, { server: 'nowhere' }, /"nowhere" is no URL/],
    [{}, { 'proxy-url': 'http://p' }, /proxies are not supported/],
    [{}, { 'insecure-skip-tls-verify': true }, /cannot both be set/],
  ];
  for (const [user, cluster, message] of cases) {
    const refused = webhookClientFrom(options(server.kubeconfig('/', user, cluster)));
    await assert.rejects(refused, { code: 'invalid', message });
  }
  for (const text of ['[]', 'a: b', ': :', 'current-context: x', 'current-context: x\ncurrent-context: y']) {
    await assert.rejects(webhookClientFrom(options(Buffer.from(text))), { code: 'invalid' });
  }
});
