import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seededRandom } from '../../base/random.ts';
import { duplicateKeys } from './duplicate-keys.ts';
import { decodeValue, parseJson, parseLargeJson } from './decode.ts';
import {
  goSyntaxError,
  hasValues,
  isCrowded,
  isLong,
  parseInSlices,
  parseShared,
  parseText,
} from './parse-in-slices.ts';
import type { JsonValue } from './json.ts';
import { kindSchema } from './schema.ts';

const TEXTS = [
  '{"a":[1,-0,2.5e3,-1E-2,true,false,null,"x\\u00e9\\n\\\\"],"b":{},"c":[],"":{"":0}}',
  ' [ { "a" : 1 , "a" : { "b" : 2 , "b" : 3 } } , [ ] ] \n',
  '{"__proto__":{"polluted":true},"constructor":1,"a\\u0062":1,"ab":2}',
  '"only text \\" with \\\\"',
  '12',
  '{"items":[{"name":"x","name":"y"},{"name":"z","v":{"k":1,"k":2}}]}',
  '{"deep":{"er":{"and":{"deeper":{"than":{"that":[{"b":"\\ud83d\\ude00"},{"c":"\\ud83d"}]}}}}}}',
];

async function outcome(text: string, maxDuplicates: number): Promise<unknown> {
  try {
    return await parseInSlices(text, maxDuplicates);
  } catch (error) {
    assert(error instanceof SyntaxError, String(error));
    return 'refused';
  }
}

/** Where nobody asks for duplicates, short objects are read in one go. */
async function judged(text: string): Promise<void> {
  const wanted = expected(text);
  assert.deepEqual(await outcome(text, 100), wanted, JSON.stringify(text));
  const value = await outcome(text, 0);
  assert.deepEqual(
    value,
    wanted === 'refused' ? wanted : { ...wanted, duplicates: [] },
    JSON.stringify(text),
  );
}

function expected(text: string): 'refused' | { value: JsonValue; duplicates: string[] } {
  try {
    const value = JSON.parse(text, (_, one: JsonValue) =>
      typeof one === 'string' ? one.toWellFormed() : one,
    ) as JsonValue;
    return { value, duplicates: duplicateKeys(text, value) };
  } catch {
    return 'refused';
  }
}

test('reads what JSON.parse reads, finds the same duplicates, refuses the same', async () => {
  for (const text of TEXTS) await judged(text);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  const random = seededRandom(7);
  const pick = (count: number): number => Math.floor(random.next() * count);
  const marks = '{}[]":,\\0-1.e+tnu \n\u0001é';
  for (let round = 0; round < 5000; round++) {
    let text = TEXTS[pick(TEXTS.length)]!;
    for (let change = 0; change <= pick(3); change++) {
      const at = pick(text.length + 1);
      text = text.slice(0, at) + marks.charAt(pick(marks.length)) + text.slice(at + pick(3));
    }
    await judged(text);
  }
});

test('goes on over the ends of slices', async () => {
  const value = Array.from({ length: 3000 }, (_, i) => ({ name: `n${i}`, list: [i, { deep: [[i]] }] }));
  const text = JSON.stringify({ value, long: 'x'.repeat(100_000) }, undefined, 1);
  assert.deepEqual((await parseInSlices(text, 100)).value, JSON.parse(text));
});

test('leaves out a list where it is told to, and nowhere else', async () => {
  const fields = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, i) => [`f:a]"${i}`, { '.': [{}, '[', 1] }]),
  );
  const metadata = {
    name: 'a',
    managedFields: [{ manager: 'm', fieldsV1: fields }, {}],
    labels: { managedFields: 'x' },
  };
  const item = { metadata, spec: { metadata: { managedFields: [1] }, managedFields: [[2]] } };
  const { managedFields: _, ...left } = metadata;
  const list = JSON.stringify({ items: [item, { metadata: { managedFields: [] } }, item] }, undefined, 1);
  assert.deepEqual(await parseShared(list, { without: ['items', 'metadata', 'managedFields'] }), {
    items: [{ ...item, metadata: left }, { metadata: {} }, { ...item, metadata: left }],
  });
  assert.deepEqual(await parseText(list), JSON.parse(list));
  assert.deepEqual(await parseShared(list, { without: ['metadata', 'managedFields'] }), JSON.parse(list));
  const path = { without: ['object', 'metadata', 'managedFields'] };
  const frame = JSON.stringify({ type: 'ADDED', object: item });
  assert.deepEqual(await parseShared(frame, path), { type: 'ADDED', object: { ...item, metadata: left } });
  for (const end of [300_000, frame.indexOf('labels') - 2])
    await assert.rejects(async () => parseShared(frame.slice(0, end), path), {
      message: /unexpected end of JSON input/,
    });
});

interface Wide {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly containers: readonly { readonly env: readonly { name: string; value: string }[] }[];
  };
}

const wide = (name: string, prefix: string, count = 3000): string =>
  JSON.stringify({
    metadata: { name },
    spec: {
      containers: [
        {
          image: 'i',
          env: Array.from({ length: count }, (_, i) => ({ name: `${prefix}${i}`, value: 'é"' })),
        },
      ],
    },
  });

const readShared = async (text: string): Promise<Wide> =>
  (await parseShared(text, { without: ['metadata', 'managedFields'], inOneGo: 1000 })) as Wide;

test('values are counted no further than is asked, but an object of thousands is remembered as such', () => {
  const few = { a: [1, { b: 2 }], c: {} };
  assert.deepEqual([hasValues(few, 5), hasValues(few, 6), hasValues('text', 1)], [true, false, false]);
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, 1]));
  const { k0: _, ...fewer } = many;
  assert.deepEqual([hasValues({ many }, 3), isCrowded(many)], [true, true]);
  assert.deepEqual([hasValues({ fewer }, 3), isCrowded(fewer)], [true, false]);
});

test('those who share have one copy of a long list', async () => {
  const [one, same] = await Promise.all([readShared(wide('a', 'v')), readShared(wide('b', 'v'))]);
  assert.deepEqual(one, JSON.parse(wide('a', 'v')));
  assert.deepEqual(same, JSON.parse(wide('b', 'v')));
  const env = ({ spec }: Wide): unknown => spec.containers[0]?.env;
  assert.equal(env(one), env(same));
  assert.notEqual(one.spec, same.spec);
  assert.ok(isLong(same.spec) && isLong(same.spec.containers[0]!) && !isLong(same.metadata));
  const longer = await readShared(wide('a', 'v', 3001));
  assert.deepEqual(longer, JSON.parse(wide('a', 'v', 3001)));
  assert.notEqual(env(longer), env(one));
  const { value } = await parseInSlices(wide('a', 'v'), 0);
  assert.deepEqual(value, one);
  assert.notEqual(env(value), env(one));
});

test('a list of objects is read anew, whatever is in it', async () => {
  const items = Array.from({ length: 300 }, (_, i) => ({
    metadata: { name: `n${i}` },
    text: 'x'.repeat(100),
  }));
  const text = JSON.stringify({ items });
  const read = async (): Promise<{ items: unknown[] }> =>
    (await parseShared(text, { without: ['items', 'metadata', 'managedFields'], inOneGo: 1000 })) as {
      items: unknown[];
    };
  const one = await read();
  assert.deepEqual(one, { items });
  assert.notEqual((await read()).items, one.items);
});

test('what no one can read stops no one else', async () => {
  const broken = wide('a', 'broken').slice(0, -2);
  const [refused, read] = await Promise.allSettled([readShared(broken), readShared(wide('b', 'broken'))]);
  assert.equal(refused.status, 'rejected');
  assert.equal(read.status, 'fulfilled');
});

test('stops at what is too deep before it reads the rest', async () => {
  await assert.rejects(parseInSlices('['.repeat(2_000_000), 100), {
    code: 'invalid',
    message: /nested deeper/,
  });
  await assert.rejects(parseInSlices('{"a":'.repeat(1001), 100), { code: 'invalid' });
});

test('says in Go words where it is no JSON', async () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['{"a" 1}', /invalid character '1' after object key$/],
    ['{"a":x}', /invalid character 'x' looking for beginning of value/],
    ['{a:1}', /invalid character 'a' looking for beginning of object key string/],
    ['[1 2]', /invalid character '2' after array element/],
    ['{"a":1}}', /invalid character '}' after top-level value/],
    ['{"a":"', /unexpected end of JSON input/],
  ];
  for (const [text, message] of wrong)
    for (const maxDuplicates of [0, 100])
      await assert.rejects(parseInSlices(text, maxDuplicates), { message });
});

test('large bodies are judged as small ones are', async () => {
  const pad = `"pad":"${'x'.repeat(40_000)}"`;
  const body = Buffer.from(`{"a":1,"a":{"b":[2]},${pad}}`);
  assert.deepEqual(await parseLargeJson(body, 'Patch'), parseJson(body, 'Patch'));
  await assert.rejects(parseLargeJson(Buffer.from(`{${pad}`), 'Pod'), {
    code: 'invalid',
    message: /^the object provided is unrecognized \(must be of type Pod\)/,
  });
  await assert.rejects(parseLargeJson(Buffer.alloc(40_000, 0xff), 'Pod'), {
    message: /invalid character .* looking for beginning of value/,
  });
});

test('complaints of strict decoding end at a hundred', () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, 1]));
  const kind = kindSchema('', 'v1', 'ConfigMap');
  assert(kind !== undefined);
  assert.equal(decodeValue({ ...many }, kind).unknown.length, 100);
});

test('what is no JSON is told in the words of Go', () => {
  for (const [text, why] of [
    ['nope', "'o' in literal null (expecting 'u')"],
    ['[tru', "' ' in literal true (expecting 'e')"],
    ['-x', "'x' in numeric literal"],
    ['1.', "' ' after decimal point in numeric literal"],
    ['1e+x', "'x' in exponent of numeric literal"],
    ['01', "'1' after top-level value"],
    [String.raw`"a\q"`, "'q' in string escape code"],
    [String.raw`"\u1z"`, String.raw`'z' in \u hexadecimal character escape`],
    ['"a\nb"', String.raw`'\n' in string literal`],
    ['{"a":1 "b"}', "'\"' after object key:value pair"],
    ["'a'", String.raw`'\'' looking for beginning of value`],
  ] as const)
    assert.equal(goSyntaxError(text), `invalid character ${why}`, text);
  assert.equal(goSyntaxError('{"a'), 'unexpected end of JSON input');
});
