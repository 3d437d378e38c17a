import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson, parseLargeJson } from './decode.ts';
import { objectAt, type JsonObject } from './json.ts';
import { joinRepeated } from './repeated-members.ts';
import { kindSchema } from './schema.ts';

const { message } = kindSchema('', 'v1', 'Pod')!;

const spec = (members: string): string => `{"spec":{${members}}}`;

const JOINED: readonly (readonly [text: string, joined: JsonObject])[] = [
  [
    '{"metadata":{"name":"a","labels":{"a":"1"}},"metadata":{"labels":{"b":"2"}}}',
    { metadata: { name: 'a', labels: { a: '1', b: '2' } } },
  ],
  ['{"metadata":{"name":"a"},"metadata":null}', { metadata: { name: 'a' } }],
  ['{"metadata":{"labels":{"a":"1"},"labels":null}}', { metadata: { labels: null } }],
  [
    '{"metadata":{"labels":{"a":"1"},"labels":{"b":"2"},"labels":{"a":"3"}}}',
    { metadata: { labels: { a: '3', b: '2' } } },
  ],
  [
    spec('"securityContext":{"runAsUser":1},"securityContext":{"runAsGroup":2}'),
    { spec: { securityContext: { runAsUser: 1, runAsGroup: 2 } } },
  ],
  [spec('"securityContext":{"runAsUser":1},"securityContext":null'), { spec: { securityContext: null } }],
  [
    spec('"containers":[{"name":"a","image":"x"},{"name":"b"}],"containers":[{"name":"c"}]'),
    { spec: { containers: [{ name: 'c', image: 'x' }] } },
  ],
  [
    spec(
      '"containers":[{"name":"a","args":["1","2"],"args":[null,"3"],"tty":true,"tty":null}],"containers":[null]',
    ),
    { spec: { containers: [{ name: 'a', args: ['1', '3'], tty: true }] } },
  ],
  [spec('"containers":[{"name":"a"}],"containers":[]'), { spec: { containers: [] } }],
  // For the decoder to refuse.
  [spec('"nodeName":7,"nodeName":"a"'), { spec: { nodeName: 7 } }],
  [spec('"containers":{},"containers":[]'), { spec: { containers: {} } }],
  ['{"unknown":{"a":1},"unknown":{"b":2}}', { unknown: { b: 2 } }],
];

test('members that come again are read into what is there', async () => {
  for (const [text, joined] of JOINED) {
    const { value, duplicates } = parseJson(Buffer.from(text), 'Pod');
    assert.notEqual(duplicates.length, 0, text);
    assert.deepEqual(joinRepeated(value as JsonObject, message), joined, text);
  }
});

test('the same of what is read in slices', async () => {
  const long = 'x'.repeat(300_000);
  const text = `{"metadata":{"name":"a","annotations":{"a":"${long}"}},"metadata":{"annotations":{"b":"1"}}}`;
  const { value } = await parseLargeJson(Buffer.from(text), 'Pod');
  const joined = joinRepeated(value as JsonObject, message);
  assert.deepEqual(objectAt(joined, 'metadata'), { name: 'a', annotations: { a: long, b: '1' } });
});
