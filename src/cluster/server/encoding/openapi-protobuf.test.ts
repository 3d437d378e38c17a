import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isJsonObject, objectAt, stringAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import { TestServer } from '../testing/test-server.ts';

/** The fields of a message: number, and bytes or a number. */
function* fields(bytes: Buffer): Generator<readonly [number, Buffer | number]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag % 8 === 1) at += 8;
    else if (tag % 8 === 0) yield [Math.floor(tag / 8), varint()];
    else {
      const length = varint();
      yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
      at += length;
    }
  }
}

function one(bytes: Buffer, number: number): Buffer {
  for (const [found, value] of fields(bytes)) if (found === number && typeof value !== 'number') return value;
  return assert.fail(`field ${number} is missing`);
}

/** Fields of fields, a number after another. */
function at(bytes: Buffer, ...numbers: readonly number[]): Buffer {
  return numbers.reduce(one, bytes);
}

function references(value: JsonValue | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => references(item));
  if (!isJsonObject(value)) return [];
  return [stringAt(value, '$ref'), ...Object.values(value).flatMap((item) => references(item))].filter(
    Boolean,
  );
}

test('OpenAPI v2: whole, as JSON and in gnostic protobuf', async () => {
  await using api = await TestServer.open();
  const { body } = await api.call('GET', '/openapi/v2');
  const definitions = objectAt(body, 'definitions');
  for (const reference of new Set(references(body))) {
    const [, list = '', name = ''] = reference.split('/');
    assert.notDeepEqual(objectAt(body, list, name), {}, reference);
  }
  const quantity = objectAt(definitions, 'io.k8s.apimachinery.pkg.api.resource.Quantity');
  assert.deepEqual(quantity, { type: 'string' });

  const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const response = await api.raw('GET', '/openapi/v2', { headers: { accept } });
  const document = Buffer.from(response.body as Uint8Array);
  assert.equal(one(document, 1).toString(), '2.0');
  const names: string[] = [];
  for (const [number, value] of fields(one(document, 9))) {
    if (number === 1 && typeof value !== 'number') names.push(one(value, 1).toString());
  }
  assert.deepEqual(names, Object.keys(definitions));
  const paths: string[] = [];
  for (const [number, value] of fields(one(document, 8))) {
    if (number === 2 && typeof value !== 'number') paths.push(one(value, 1).toString());
  }
  assert.deepEqual(paths, Object.keys(objectAt(body, 'paths')));
  const shared = at(document, 10, 1);
  assert.equal(at(shared, 1).toString(), Object.keys(objectAt(body, 'parameters'))[0]);
  assert.equal(at(shared, 2, 2, 3, 4).toString(), 'allowWatchBookmarks');
  assert.equal(at(document, 13, 1, 2, 2, 2).toString(), 'authorization');
  const etag = response.headers['etag'] ?? '';
  const again = await api.raw('GET', '/openapi/v2', { headers: { accept, 'if-none-match': etag } });
  assert.equal(again.status, 304);
});

test('OpenAPI v3: a group’s version, as JSON and in gnostic protobuf', async () => {
  await using api = await TestServer.open();
  const path = '/openapi/v3/apis/batch/v1';
  const json = await api.raw('GET', path, {});
  const { components, paths } = JSON.parse(Buffer.from(json.body as Uint8Array).toString()) as JsonObject;
  const schemas = objectAt(components, 'schemas');
  const accept = 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf';
  const response = await api.raw('GET', path, { headers: { accept } });
  assert.equal(response.headers['content-type'], accept.replace('@', '.'));
  assert.equal(response.headers['etag'], json.headers['etag']);
  const document = Buffer.from(response.body as Uint8Array);
  assert.equal(one(document, 1).toString(), '3.0.0');
  const named = (bytes: Buffer): Map<string, Buffer> =>
    new Map(
      [...fields(bytes)].flatMap(([number, value]) =>
        number === 1 && typeof value !== 'number' ? [[one(value, 1).toString(), one(value, 2)] as const] : [],
      ),
    );
  assert.deepEqual([...named(one(document, 4)).keys()], Object.keys(objectAt(paths)));
  const written = named(at(document, 5, 1));
  assert.deepEqual([...written.keys()], Object.keys(schemas));
  const spec = named(at(written.get('io.k8s.api.batch.v1.CronJobSpec')!, 1, 31));
  // A text is a schema; what is in allOf is a reference to one.
  assert.equal(at(spec.get('schedule')!, 1, 25).toString(), 'string');
  assert.equal(
    at(spec.get('jobTemplate')!, 1, 26, 2, 1).toString(),
    '#/components/schemas/io.k8s.api.batch.v1.JobTemplateSpec',
  );
  const either = await api.raw('GET', path, { headers: { accept: `application/json,${accept}` } });
  assert.equal(either.headers['content-type'], 'application/json');
  const none = await api.raw('GET', path, { headers: { accept: accept.replace('v3', 'v2') } });
  assert.equal(none.status, 406);
});
