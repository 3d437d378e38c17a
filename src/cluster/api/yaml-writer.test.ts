import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { parse } from 'yaml';
import { seededRandom } from '../../base/random.ts';
import type { JsonValue } from './json.ts';
import { YamlWriter } from './yaml-writer.ts';

function written(value: JsonValue): string {
  let text = '';
  const writer = YamlWriter.document(value, (more) => (text += more));
  while (writer.write(1));
  return text;
}

const STRINGS = [
  'plain', 'two words', 'a: b', 'a:b', 'docker.io/library/busybox:1.36', '- a', '# no', 'a #b', 'a# b', "it's", '"', '', ' ',
  ' first', 'last ', '\n', '\n\n', 'a\n', 'a\n\n', 'a\n\n\n', 'a\nb', 'a\n  b\n\tc\n', ' a\nb', '\ta\nb', '\na', 'a\n\nb\n', 'a\n \nb', 'a \nb ',
  'a\r\nb', 'a\u2028b', 'a\u0085b\nc', '\ufeffa\nb', '\u0000', '\u007f', 'é ü', '😀\nb', '\ud800', 'yes', 'No', 'NULL', 'true', '~', 'on',
  '1', '0x1f', '1e3', '.5', '.inf', '12:30:45', '2026-01-02', '2026-01-02T03:04:05Z', '=', '<<', '!tag', '&a', '*a', '%a', '@a', '`a', '{}', '[]',
  '{{ x }}', '---', '...', '--- a', 'a\n---\nb', 'a\n...\n', '? a', '?', ':', ': a', 'a:', '|', '>', 'x'.repeat(2000), 'tab\there', '\\n',
]; // prettier-ignore

describe('YAML as it is written', () => {
  test('reads as what it was, in either version of YAML', () => {
    const values: JsonValue[] = [
      ...STRINGS,
      ...[null, true, false, 0, -1, 1.5, 1e21, 1e-7, [], {}, [[]], [{}], { a: {} }, [[1, [2, [[]]], {}], []]],
      STRINGS,
      Object.fromEntries(STRINGS.map((text, i) => [text, i])),
      Object.fromEntries(STRINGS.map((text) => [text, { a: [text, [text], { [text]: text }], b: text }])),
      [[{ a: 'x\ny', b: [{ c: 'x\ny\n' }, ['x\n\n', 'y']] }]],
    ];
    for (const value of values) {
      const text = written(value);
      for (const version of ['1.1', '1.2'] as const) {
        assert.deepEqual(parse(text, { version, merge: false }), value, text);
      }
    }
  });

  test('reads as what it was when it is made up', () => {
    const random = seededRandom(7);
    const below = (limit: number): number => Math.floor(random.next() * limit);
    const made = (depth: number): JsonValue => {
      const kind = below(depth > 5 ? 3 : 6);
      if (kind < 2) return Array.from({ length: below(6) }, () => STRINGS[below(STRINGS.length)]!).join('');
      if (kind === 2) return [null, true, below(1000) / 7, below(9)][below(4)]!;
      const items = Array.from({ length: below(5) }, () => made(depth + 1));
      if (kind === 3) return items;
      return Object.fromEntries(items.map((item, i) => [`${STRINGS[below(STRINGS.length)]!}${i}`, item]));
    };
    for (let round = 0; round < 2000; round++) {
      const value = made(0);
      const text = written(value);
      assert.deepEqual(parse(text, { version: '1.1', merge: false }), value, text);
    }
  });

  test('looks as people expect it', () => {
    const pod = {
      kind: 'Pod',
      metadata: { name: 'a', labels: { 'app.kubernetes.io/name': 'x' }, annotations: {} },
      spec: { containers: [{ name: 'c', args: ['--a=b', '80'], env: [] }], hostNetwork: true },
    };
    assert.equal(
      written(pod),
      `kind: Pod
metadata:
  name: a
  labels:
    app.kubernetes.io/name: x
  annotations: {}
spec:
  containers:
  - name: c
    args:
    - "--a=b"
    - "80"
    env: []
  hostNetwork: true
`,
    );
    let item = '';
    const writer = YamlWriter.item({ a: { b: 'one\ntwo\n' } }, (more) => (item += more));
    while (writer.write(2));
    assert.equal(item, '- a:\n    b: |\n      one\n      two\n');
  });
});
