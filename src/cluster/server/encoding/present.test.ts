import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { parse } from 'yaml';
import type { JsonValue } from '../../api/json.ts';
import { JsonIndenter } from './indent-json.ts';
import { wholeBody } from './list-body.ts';
import { configMap, TestServer } from '../testing/test-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

describe('JSON indented as it comes', () => {
  const values: JsonValue[] = [
    [],
    {},
    [[]],
    [{}, {}],
    { a: {} },
    [1, [2, [[]], { a: [], b: { c: null } }]],
    { 'a"b\\': '{"[,:]}\\\\"', 'c d': ' \n\t ', e: -1.5e30, f: true },
    'text',
    { deep: Array.from({ length: 200 }).reduce<JsonValue>((inner) => [inner], 'x') },
    Array.from({ length: 3000 }, (_, i) => ({ [`key ${i}`]: `é${i}` })),
  ];

  test('is what JSON.stringify makes, wherever it is cut', () => {
    for (const value of values) {
      const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
      for (const size of [1, 3, 7, bytes.length]) {
        const indenter = new JsonIndenter();
        const parts: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += size)
          parts.push(...indenter.parts(bytes.subarray(at, at + size)));
        assert.equal(Buffer.concat(parts).toString('utf8'), JSON.stringify(value, undefined, 2));
      }
    }
  });
});

describe('answers for people', () => {
  let server: TestServer;

  before(async () => {
    server = await TestServer.open();
    for (let i = 0; i < 70; i++)
      await server.create(MAPS, configMap(`m${i}`, { text: 'a\n  b\n', other: `${i}` }));
    await server.create(MAPS, configMap('large', { text: 'x y\n'.repeat(20_000) }));
  });
  after(() => server[Symbol.asyncDispose]());

  const textOf = async (url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> => {
    const { status, body } = await server.raw('GET', url, { headers });
    assert.equal(status, 200);
    return Buffer.from(await wholeBody(body)).toString('utf8');
  };

  for (const path of [MAPS, `${MAPS}?limit=3`, `${MAPS}?labelSelector=a`, `${MAPS}/m1`, `${MAPS}/large`]) {
    for (const accept of ['application/json', TABLE]) {
      test(`${path} as ${accept}`, async () => {
        const plain: unknown = JSON.parse(await textOf(path, { accept }));
        const pretty = `${path}${path.includes('?') ? '&' : '?'}pretty=true`;
        const indented = await textOf(pretty, { accept });
        assert.equal(indented, JSON.stringify(plain, undefined, 2));
        if (accept === TABLE) return;
        assert.deepEqual(parse(await textOf(path, { accept: 'application/yaml' })), plain);
      });
    }
  }
});

test('a JSON answer ends its line unless it is indented; documents do not', async () => {
  await using server = await TestServer.open();
  for (const [url, ends] of [
    [MAPS, '}\n'],
    [`${MAPS}/none`, '}\n'],
    ['/api/v1/namespaces/default', '}\n'],
    ['/apis', '}\n'],
    ['/api/v1/namespaces/default?pretty=true', '\n}'],
    [`${MAPS}/none?pretty=true`, '\n}'],
    ['/version', '\n}'],
    ['/', '\n}'],
  ] as const) {
    const { body } = await server.raw('GET', url);
    const text = Buffer.from(await wholeBody(body));
    assert.equal(text.toString().slice(-2), ends, url);
  }
});
