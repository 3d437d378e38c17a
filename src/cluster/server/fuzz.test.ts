/** Hostile bodies, selectors, tokens and media types, from a seed: the answer is a Status, never a crash or a 500. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seededRandom } from '../../base/random.ts';
import type { ApiRequest } from '../api/transport.ts';
import { wholeBody } from './encoding/list-body.ts';
import { configMap, deployment, pod, TestServer } from './testing/test-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';

type Method = ApiRequest['method'];

async function expectAnswer(
  api: TestServer,
  method: Method,
  url: string,
  more: Partial<ApiRequest> = {},
): Promise<number> {
  const stop = AbortSignal.abort();
  const response = await api.raw(method, url, { signal: stop, ...more });
  const shown = Buffer.from(more.body ?? new Uint8Array(0))
    .toString('latin1')
    .slice(0, 300);
  const text = response.body instanceof Uint8Array ? Buffer.from(response.body).toString('utf8') : '';
  // Upstream's code for an applied configuration that is not of its type.
  const untyped =
    response.status === 500 &&
    /failed to create typed patch object|unknown patch type|does not contain declared merge key/.test(text);
  assert.ok(
    response.status < 500 || response.status === 504 || untyped,
    `${method} ${url} ${shown}: ${response.status} ${text}`,
  );
  if (response.status >= 400) assert.match(text, /"?kind"?: ?"?Status|k8s|404 page not found/, url);
  return response.status;
}

test('bodies that are not what they say', async () => {
  await using api = await TestServer.open();
  const json = { 'content-type': 'application/json' };
  const bodies: readonly (string | Buffer)[] = [
    '',
    'null',
    '[]',
    '"x"',
    '{',
    '{"metadata":null}',
    '{"metadata":[]}',
    '{"metadata":{"name":1e999}}',
    `{"metadata":{"name":"a","generation":${'9'.repeat(400)}}}`,
    `{"metadata":{"name":"a"},"data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
    '{"metadata":{"name":"a","name":"b"}}',
    '{"__proto__":{"polluted":true},"metadata":{"name":"proto","labels":{"__proto__":"x"}}}',
    '{"constructor":{"prototype":{"polluted":true}},"metadata":{"name":"proto2"}}',
    Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
    '{"metadata":{"name":"\\ud800"}}',
    '{"metadata":{"name":"a\\u0000b"}}',
  ];
  for (const body of bodies) {
    await expectAnswer(api, 'POST', MAPS, { headers: json, body: Buffer.from(body) });
    await expectAnswer(api, 'POST', MAPS, {
      headers: { 'content-type': 'application/yaml' },
      body: Buffer.from(body),
    });
    await expectAnswer(api, 'DELETE', `${MAPS}/none`, { headers: json, body: Buffer.from(body) });
  }
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  const odd = await expectAnswer(api, 'POST', MAPS, {
    headers: { 'content-type': 'text/html' },
    body: Buffer.from('{}'),
  });
  assert.equal(odd, 415);
});

test('changed JSON and protobuf bodies', async () => {
  await using api = await TestServer.open();
  const random = seededRandom(7);
  const below = (n: number): number => Math.floor(random.next() * n);
  const whole = await api.create(PODS, pod('seed', { tolerations: [{ operator: 'Exists' }] }));
  const text = Buffer.from(JSON.stringify(whole));
  const asProtobuf = await api.raw('GET', `${PODS}/seed`, { headers: { accept: PROTOBUF } });
  const wire = Buffer.from(await wholeBody(asProtobuf.body));
  const bits = [
    'null',
    '{}',
    '[]',
    '-1',
    '1e400',
    '"__proto__"',
    '\u0000',
    'ÿ',
    '"',
    '}',
    '9007199254740993',
  ];
  for (let i = 0; i < 600; i++) {
    const from = i % 2 === 0 ? text : wire;
    const changed = Buffer.from(from);
    for (let n = 0; n <= below(4); n++) changed[below(changed.length)] = below(256);
    const at = below(changed.length);
    const cut = below(3) === 0 ? changed.subarray(0, at) : changed;
    const body =
      below(2) === 0
        ? cut
        : Buffer.concat([cut.subarray(0, at), Buffer.from(bits[below(bits.length)]!), cut.subarray(at)]);
    const type = i % 2 === 0 ? 'application/json' : PROTOBUF;
    await expectAnswer(api, 'POST', `${PODS}?dryRun=All`, { headers: { 'content-type': type }, body });
  }
});

test('patches of every kind, made of pieces', async () => {
  await using api = await TestServer.open();
  const random = seededRandom(11);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!;
  await api.create('/apis/apps/v1/namespaces/default/deployments', deployment('web'));
  const url = '/apis/apps/v1/namespaces/default/deployments/web?dryRun=All&fieldManager=f';
  const value = (depth: number): unknown => {
    if (depth === 0) return pick([null, 0, -1, 1e21, '', 'x', true, '$patch', [], {}]);
    if (random.next() < 0.3) return [value(depth - 1), value(depth - 1)];
    const keys = [
      'spec',
      'metadata',
      'template',
      'containers',
      'name',
      '$patch',
      '$retainKeys',
      '$setElementOrder/containers',
      '$deleteFromPrimitiveList/x',
      '__proto__',
      'constructor',
      'labels',
      'f:x',
    ];
    return Object.fromEntries(Array.from({ length: 3 }, () => [pick(keys), value(depth - 1)]));
  };
  const paths = [
    '',
    '/',
    '/spec',
    '/spec/template/spec/containers/0',
    '/spec/template/spec/containers/-',
    '/metadata/labels/a~1b',
    '/__proto__/x',
    '/spec/replicas',
    '/~2',
    '/spec/template/spec/containers/99999999999',
  ];
  for (let i = 0; i < 400; i++) {
    const kind = pick(['merge', 'strategic-merge', 'json', 'apply'] as const);
    const type = kind === 'apply' ? 'application/apply-patch+yaml' : `application/${kind}-patch+json`;
    const operation = (): unknown => ({
      op: pick(['add', 'remove', 'replace', 'move', 'copy', 'test', 'boom', '__proto__']),
      path: pick(paths),
      from: pick(paths),
      value: value(2),
    });
    const body =
      kind === 'json'
        ? [operation(), operation()]
        : { apiVersion: 'apps/v1', kind: 'Deployment', ...(value(4) as object) };
    await expectAnswer(api, 'PATCH', url, {
      headers: { 'content-type': type },
      body: Buffer.from(JSON.stringify(body)),
    });
  }
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
});

test('selectors, versions, tokens, limits and media types', async () => {
  await using api = await TestServer.open();
  const random = seededRandom(13);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!;
  for (let i = 0; i < 5; i++) await api.create(MAPS, configMap(`m${i}`, {}, { a: `b${i}` }));
  const pieces = [
    'a',
    '=',
    '==',
    '!=',
    ' in ',
    ' notin ',
    '(',
    ')',
    ',',
    '!',
    '>',
    '<',
    '\\',
    'b1',
    '__proto__',
    '/',
    'x'.repeat(300),
    '%',
    '\u0000',
    'ü',
  ];
  const word = (): string =>
    Array.from({ length: 1 + Math.floor(random.next() * 7) }, () => pick(pieces)).join('');
  const names = [
    'labelSelector',
    'fieldSelector',
    'continue',
    'limit',
    'resourceVersionMatch',
    'dryRun',
    'pretty',
    'includeObject',
    'watch',
    'timeoutSeconds',
    'sendInitialEvents',
  ];
  for (let i = 0; i < 600; i++) {
    const query = Array.from({ length: 2 }, () => `${pick(names)}=${encodeURIComponent(word())}`).join('&');
    const accept = pick([
      'application/json',
      PROTOBUF,
      '*/*',
      'application/yaml',
      `;;,${word()}`,
      'application/json;as=Table;v=v1;g=meta.k8s.io',
      'application/json;q=x',
    ]);
    await expectAnswer(api, pick(['GET', 'DELETE'] as const), `${MAPS}?${query}`, { headers: { accept } });
  }
  for (const url of [
    '/%',
    '/api/%zz',
    '//',
    '/api//v1///pods',
    '/apis/__proto__/constructor/x',
    `/${'a/'.repeat(5000)}`,
    '/api/v1/namespaces/%2e%2e/pods/..',
  ])
    await expectAnswer(api, 'GET', url);
});
