import assert from 'node:assert/strict';
import { test } from 'node:test';

import { kindSchema } from '../../api/schema.ts';
import { decodeProtobuf, openEnvelope } from './protobuf.ts';
import { TestServer } from '../testing/test-server.ts';

const PROTOBUF = { 'content-type': 'application/vnd.kubernetes.protobuf' };

function varint(value: number): number[] {
  const bytes = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

function field(number: number, value: string | number | Uint8Array): Uint8Array {
  if (typeof value === 'number') return Uint8Array.from([...varint(number * 8), ...varint(value)]);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length), ...bytes]);
}

function message(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

function envelope(apiVersion: string, kind: string, raw: Uint8Array): Uint8Array {
  return message(
    Buffer.from('k8s\0'),
    field(1, message(field(1, apiVersion), field(2, kind))),
    field(2, raw),
  );
}

test('maps, times and empty strings of a ConfigMap', () => {
  const metadata = message(
    field(1, 'a'),
    field(2, ''),
    field(8, message()),
    field(11, message(field(1, 'l'), field(2, 'v'))),
  );
  const body = envelope(
    'v1',
    'ConfigMap',
    message(field(1, metadata), field(2, message(field(1, 'k'), field(2, 'w')))),
  );
  assert.deepEqual(decodeProtobuf(openEnvelope(body, 'ConfigMap'), kindSchema('', 'v1', 'ConfigMap')!), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', labels: { l: 'v' } },
    data: { k: 'w' },
  });
});

test('inlined messages, quantities and ports of a Pod', () => {
  const volume = message(field(1, 'tmp'), field(2, message(field(2, message()))));
  const limits = message(field(1, 'cpu'), field(2, message(field(1, '500m'))));
  const probe = message(
    field(1, message(field(2, message(field(1, '/'), field(2, message(field(1, 0), field(2, 80))))))),
    field(2, 3),
  );
  const container = message(
    field(1, 'c'),
    field(2, 'i'),
    field(8, message(field(1, limits))),
    field(10, probe),
  );
  const spec = message(field(1, volume), field(2, container), field(5, 0));
  const body = envelope('v1', 'Pod', message(field(2, spec)));
  assert.deepEqual(decodeProtobuf(openEnvelope(body, 'Pod'), kindSchema('', 'v1', 'Pod')!)['spec'], {
    volumes: [{ name: 'tmp', emptyDir: {} }],
    containers: [
      {
        name: 'c',
        image: 'i',
        resources: { limits: { cpu: '500m' } },
        livenessProbe: { httpGet: { path: '/', port: 80 }, initialDelaySeconds: 3 },
      },
    ],
    activeDeadlineSeconds: 0,
  });
});

test('a broken body is a bad request', async () => {
  await using api = await TestServer.open();
  const url = '/api/v1/namespaces/default/configmaps';
  const good = envelope('v1', 'ConfigMap', message(field(1, message(field(1, 'a')))));
  const post = async (body: Uint8Array): Promise<number> =>
    (await api.raw('POST', url, { headers: PROTOBUF, body })).status;
  assert.equal(await post(good), 201);
  assert.equal(await post(good.subarray(0, -2)), 400);
  assert.equal(await post(Buffer.from('nonsense')), 400);
  assert.equal(await post(envelope('v1', 'Secret', message())), 400);
});
