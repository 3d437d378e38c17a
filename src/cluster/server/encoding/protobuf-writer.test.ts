import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { JsonObject } from '../../api/json.ts';
import { kindSchema, type KindSchema } from '../../api/schema.ts';
import { decodeProtobuf, openEnvelope } from './protobuf.ts';
import { encodeEnvelope, encodeMessage } from './protobuf-writer.ts';
import { wholeBody } from './list-body.ts';
import { configMap, pod, TestServer } from '../testing/test-server.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

function schemaOf(group: string, version: string, kind: string): KindSchema {
  const schema = kindSchema(group, version, kind);
  assert.ok(schema !== undefined);
  return schema;
}

function roundTrip(object: JsonObject, schema: KindSchema): JsonObject {
  const { apiVersion, kind } = object as { apiVersion: string; kind: string };
  const body = encodeEnvelope({ apiVersion, kind }, encodeMessage(object, schema.message));
  return decodeProtobuf(openEnvelope(body, schema.kind), schema);
}

test('what is written is read again', async () => {
  await using api = await TestServer.open();
  const spec = {
    containers: [
      {
        name: 'main',
        image: 'busybox',
        args: ['a', '', 'ü'],
        ports: [{ containerPort: 80 }],
        resources: { limits: { cpu: '10m', memory: '1Gi' } },
        livenessProbe: { httpGet: { path: '/x', port: 'http' } },
        readinessProbe: { tcpSocket: { port: 8080 } },
        securityContext: { runAsUser: 0, privileged: false },
      },
    ],
    tolerations: [{ operator: 'Exists' }],
  };
  const created = await api.create('/api/v1/namespaces/default/pods', pod('p', spec));
  assert.deepEqual(roundTrip(created, schemaOf('', 'v1', 'Pod')), created);
});

test('numbers of every size, times, durations and schemas', () => {
  const lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l', generation: 9_007_199_254_740_991 },
    spec: { renewTime: '2026-01-02T03:04:05.678000Z', leaseTransitions: -1 },
  };
  assert.deepEqual(roundTrip(lease, schemaOf('coordination.k8s.io', 'v1', 'Lease')), lease);
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'x' },
    spec: {
      versions: [
        {
          name: 'v1',
          schema: {
            openAPIV3Schema: {
              type: 'object',
              additionalProperties: { type: 'string', maximum: 1.5 },
              properties: { a: { default: { b: [1, null] }, items: { type: 'string' } } },
            },
          },
        },
      ],
    },
  };
  const schema = schemaOf('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition');
  assert.deepEqual(roundTrip(definition, schema), definition);
});

test('objects, lists, metadata, watches and failures in protobuf', async () => {
  await using api = await TestServer.open();
  const maps = '/api/v1/namespaces/default/configmaps';
  await api.create(maps, configMap('a', { k: 'v' }));
  await api.create(maps, configMap('b', { k: 'w' }));
  const get = async (url: string, accept = PROTOBUF): Promise<Uint8Array> => {
    const response = await api.raw('GET', url, { headers: { accept } });
    assert.equal(response.headers['content-type'], PROTOBUF);
    return await wholeBody(response.body);
  };
  const one = decodeProtobuf(
    openEnvelope(await get(`${maps}/a`), 'ConfigMap'),
    schemaOf('', 'v1', 'ConfigMap'),
  );
  assert.deepEqual(one['data'], { k: 'v' });
  const list = openEnvelope(await get(maps), 'ConfigMapList');
  assert.equal(list.kind, 'ConfigMapList');
  const items = decodeProtobuf(list, schemaOf('', 'v1', 'ConfigMapList'))['items'] as JsonObject[];
  assert.deepEqual(
    items.map(({ data }) => data),
    [{ k: 'v' }, { k: 'w' }],
  );
  const metadata = openEnvelope(
    await get(`${maps}/a`, `${PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`),
    'PartialObjectMetadata',
  );
  assert.equal(metadata.kind, 'PartialObjectMetadata');
  const missing = openEnvelope(await get(`${maps}/none`), 'Status');
  assert.equal(missing.kind, 'Status');

  const stop = new AbortController();
  const watch = await api.raw('GET', `${maps}?watch=1`, {
    headers: { accept: PROTOBUF },
    signal: stop.signal,
  });
  assert.equal(watch.headers['content-type'], `${PROTOBUF};stream=watch`);
  for await (const chunk of watch.body as AsyncIterable<Uint8Array>) {
    const bytes = Buffer.from(chunk);
    const frame = bytes.subarray(4, 4 + bytes.readUInt32BE(0));
    assert.equal(frame.subarray(2, 7).toString(), 'ADDED');
    assert.ok(frame.includes('k8s\0'));
    break;
  }
  stop.abort();
});
