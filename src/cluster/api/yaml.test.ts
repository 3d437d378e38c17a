import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inKeyOrder, parseYaml } from './yaml.ts';

const read = async (text: string): ReturnType<typeof parseYaml> => await parseYaml(Buffer.from(text));

test('keys are texts, as Go writes what they are', async () => {
  const cases: readonly [string, string][] = [
    ['010', '8'],
    ['0x1f', '31'],
    ['-5', '-5'],
    ['true', 'true'],
    ['yes', 'true'],
    ['1.5', '1.5'],
    ['1e3', '1000'],
    ['1e6', '1e+06'],
    ['18446744073709551616', '1.8446744e+19'],
    ['.inf', '.inf'],
    ['.nan', '.nan'],
    ['2001-01-01', '2001-01-01'],
    ["''", ''],
    ["'<<'", '<<'],
    ['!!str 1', '1'],
  ];
  for (const [key, text] of cases)
    assert.deepEqual((await read(`a:\n  ${key}: x\n`)).value, { a: { [text]: 'x' } }, key);
});

test('directives, tags, anchors and what is merged are what they are to Go', async () => {
  const cases: readonly [string, unknown][] = [
    ['%YAML 1.1\n---\na: b\n', { a: 'b' }],
    ['%TAG !y! tag:yaml.org,2002:\n---\na: !y!str 5\n', { a: '5' }],
    ['a: !!null ~', { a: null }],
    ['a: !!float 5', { a: 5 }],
    ['a: !foo b', { a: 'b' }],
    ['a: !!timestamp 2001-01-01', { a: '2001-01-01' }],
    ['a: !!set {b, c}', { a: { b: null, c: null } }],
    ['a: !!omap [b: c]', { a: [{ b: 'c' }] }],
    ['a: &x {b: c}\nd: *x\ne: &x f\ng: *x', { a: { b: 'c' }, d: { b: 'c' }, e: 'f', g: 'f' }],
    ['a: {<<: [{b: 1}, {b: 2, c: 3}]}', { a: { b: 1, c: 3 } }],
    ['a: {b: 1, <<: {b: 2}}', { a: { b: 2 } }],
    ['{a: b}{c: d}', { a: 'b' }],
    ['a: b\n---\n]', { a: 'b' }],
  ];
  for (const [text, value] of cases) assert.deepEqual((await read(text)).value, value, text);
  const { duplicates } = await read('a:\n  b: 1\n  <<:\n    b: 2\n');
  assert.deepEqual(duplicates, ['yaml: unmarshal errors:\n  line 4: key "b" already set in map']);
});

test('what Go does not take is refused in its words', async () => {
  const bomb = Array.from({ length: 8 }, (_, i) => {
    const item = i === 0 ? 'x' : `*a${i - 1}`;
    return `a${i}: &a${i} [${Array.from({ length: 9 }, () => item).join(',')}]`;
  });
  const cases: readonly [string, string][] = [
    ['null: x', 'unsupported map key of type: %!s(<nil>), key: <nil>, value: "x"'],
    [
      '? \n: {a: b}',
      'unsupported map key of type: %!s(<nil>), key: <nil>, value: map[interface {}]interface {}{"a":"b"}',
    ],
    ['18446744073709551615: x', 'unsupported map key of type: uint64, key: 0xffffffffffffffff, value: "x"'],
    ['a:\n  : x', 'yaml: line 1: did not find expected key'],
    ['a: .inf', 'json: unsupported value: +Inf'],
    ['a: !!null x', 'yaml: cannot decode !!str `x` as a !!null'],
    ['a: !!float x', 'yaml: cannot decode !!str `x` as a !!float'],
    ['a: !e!x b', 'yaml: found undefined tag handle'],
    ['a: &a [*a]', "yaml: anchor 'a' value contains itself"],
    ['a: *a', "yaml: unknown anchor 'a' referenced"],
    ['a: &a.b c', 'yaml: did not find expected alphabetic or numeric character'],
    ['a: &a [{}]\nb: {<<: *a}', 'yaml: map merge requires map or sequence of maps as the value'],
    [bomb.join('\n'), 'yaml: document contains excessive aliasing'],
    ['%YAML 1.2\n---\na: b', 'yaml: found incompatible YAML document'],
    ['%YAML 1.1\n%YAML 1.1\n---\na: b', 'yaml: line 1: found duplicate %YAML directive'],
    ['%YAML 1.1\na: b', 'yaml: line 1: did not find expected <document start>'],
    ['%YAML x\n---\n', 'yaml: did not find expected version number'],
    ['%YAML 1\n---\n', "yaml: did not find expected digit or '.' character"],
    ['%YAML 1.123\n---\n', 'yaml: found extremely long version number'],
    ['%YAML 1.1 x\n---\n', 'yaml: did not find expected comment or line break'],
    ['%FOO\n---\n', 'yaml: found unknown directive name'],
    ['%TAG e x\n---\n', "yaml: did not find expected '!'"],
    ['%TAG !e!\n---\n', 'yaml: did not find expected whitespace'],
  ];
  for (const [text, why] of cases)
    await assert.rejects(read(text), { message: `error converting YAML to JSON: ${why}` }, text);
});

test('others have their turn while a long text is read', async () => {
  const keys = Array.from({ length: 900 }, (_, i) => `key-${i}`);
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const { value } = await parseYaml(Buffer.from(keys.map((key) => `${key}: some text\n`).join('')));
  isOver = true;
  assert.deepEqual(value, Object.fromEntries(keys.map((key) => [key, 'some text'])));
  assert.ok(turns > 20, `${turns} turns`);
});

test('YAML scalars mean what they mean to Go', async () => {
  const text = `
a: [yes, on, n, Off, TRUE, tRUE, "y"]
b: [0644, 0o17, -012, 0x1F, 0b11, 1_000, 08, +1]
c: [1:30, 190:20:30.5, 2001-01-01, 2001-01-01T00:00:00Z]
d: [1e3, .5, 5., ~, !!binary aGVsbG8=, !!str 5]
e: &e {x: 1}
f: {<<: *e, yes: 2}`;
  const { value } = await read(text);
  assert.deepEqual(value, {
    a: [true, true, false, false, true, 'tRUE', 'y'],
    b: [420, 15, -10, 31, 3, 1000, 8, 1],
    c: ['1:30', '190:20:30.5', '2001-01-01', '2001-01-01T00:00:00Z'],
    d: [1000, 0.5, 5, null, 'hello', '5'],
    e: { x: 1 },
    f: { x: 1, true: 2 },
  });
});

test('JSON is read as YAML, and what is wrong with it is told as of YAML', async () => {
  const text = '{"a": "y", "b": [0.5, null, "0644"], "c": {"d\\u0041": "\\n"}}';
  assert.deepEqual(await read(text), { value: JSON.parse(text) as unknown, duplicates: [] });
  assert.deepEqual((await read('{"a": 1, "a": 2}')).duplicates, [
    'yaml: unmarshal errors:\n  line 1: key "a" already set in map',
  ]);
  // Flow style that is no JSON.
  assert.deepEqual((await read('{a: yes, b: [x,]}')).value, { a: true, b: ['x'] });
  await assert.rejects(read('{"a": [1}'), /^PlatformError: error converting YAML to JSON: yaml: /);
});

test('of YAML in braces nobody reads what follows', async () => {
  for (const more of [' x', '\nb: c', '}', '\nb: "'])
    assert.deepEqual((await read(`{"a":1}${more}`)).value, { a: 1 }, more);
});

test('unknown fields are told in the order of their names', () => {
  const unknown = ['zz', 'metadata.x', 'spec.l[10].b', 'spec.l[9].c', 'spec.l[9].a'];
  assert.deepEqual(
    inKeyOrder(unknown.map((path) => `unknown field "${path}"`)),
    ['metadata.x', 'spec.l[9].a', 'spec.l[9].c', 'spec.l[10].b', 'zz'].map(
      (path) => `unknown field "${path}"`,
    ),
  );
});

test('lines end as YAML 1.1 has them end, and UTF-16 is read', async () => {
  const { value } = await read('a: b\rc: d\u0085e: |\n  f\r  g\u0085  h\r\n');
  assert.deepEqual(value, { a: 'b', c: 'd', e: 'f\ng\nh\n' });
  assert.deepEqual((await read('a: "b\ufeffc"\n')).value, { a: 'b\ufeffc' });
  const wide = Buffer.from('\ufeffa: é\n', 'utf16le');
  assert.deepEqual((await parseYaml(wide)).value, { a: 'é' });
  assert.deepEqual((await parseYaml(Buffer.from(wide).swap16())).value, { a: 'é' });
});

test('what is wrong with a text of YAML is told as Go tells it', async () => {
  for (const [text, why] of [
    ['a: b: c', 'mapping values are not allowed in this context'],
    [
      'kind: X\nmetadata:\n  name: a\n   labels: b\n',
      'line 4: mapping values are not allowed in this context',
    ],
    ['a:\n\t- b', 'line 2: found character that cannot start any token'],
    ['a: |\n  x\n y', 'line 2: did not find expected key'],
    ['{"a":1', "line 1: did not find expected ',' or '}'"],
    ['a: [1\n\n', "line 2: did not find expected ',' or ']'"],
    ['a: [', 'line 1: did not find expected node content'],
    ['a: 1\nb\n', "line 3: could not find expected ':'"],
    ['a: }', 'did not find expected node content'],
    ['"abc', 'found unexpected end of stream'],
    ['a:\n  - b: c\n   d: e', "line 2: did not find expected '-' indicator"],
    ['a:\n- b: c\n d: e', 'line 2: did not find expected key'],
    ['a:\n  b: c\n- d', 'line 2: did not find expected key'],
    ['a:\n- b\nc: d\n- e', 'line 3: did not find expected key'],
    ['a: {b: c}}', 'did not find expected key'],
    ['a: "b" c', 'did not find expected key'],
    ['a: 1\nb\nc: 2', "line 3: could not find expected ':'"],
    ['a: "\\u12"', 'did not find expected hexdecimal number'],
    ['a: |x\n b', 'did not find expected comment or line break'],
    ['a: b\n\tc', 'line 2: found a tab character that violates indentation'],
    ['a: !!int x', 'cannot decode !!str `x` as a !!int'],
    ['a: !!binary x=x', '!!binary value contains invalid base64 data'],
    ['a: {{ b }}', 'invalid map key: map[interface {}]interface {}{"b":interface {}(nil)}'],
    ['a: *x', "unknown anchor 'x' referenced"],
    ['\u0001', 'control characters are not allowed'],
    ['...\na: b', 'did not find expected node content'],
    ['# x\n...', 'did not find expected node content'],
  ])
    await assert.rejects(read(text!), { message: `error converting YAML to JSON: yaml: ${why}` }, text);
});
