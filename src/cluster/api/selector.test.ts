import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLabelSelector } from './label-selector-text.ts';
import { formatLabelSelector, parseFieldSelector, selectorFromObject } from './selector.ts';

const MATCHING: readonly (readonly [string, Record<string, string>, boolean])[] = [
  ['', {}, true],
  ['a=b', { a: 'b' }, true],
  ['a==b', { a: 'c' }, false],
  ['a!=b', {}, true],
  ['a!=b', { a: 'b' }, false],
  ['a in (x, y),!d', { a: 'y' }, true],
  ['a in (x,y),!d', { a: 'y', d: '' }, false],
  ['a notin (x,y)', {}, true],
  ['a notin (x,y)', { a: 'x' }, false],
  ['a', { a: '' }, true],
  ['!a', { a: '' }, false],
  ['a=', { a: '' }, true],
  ['a=', {}, false],
  ['n>5', { n: '6' }, true],
  ['n<5', { n: '6' }, false],
  ['n>5', { n: 'six' }, false],
  ['app.kubernetes.io/name=web,tier in (front)', { 'app.kubernetes.io/name': 'web', tier: 'front' }, true],
  ['toString', {}, false],
];

test('label selectors match as Kubernetes says', () => {
  for (const [text, labels, expected] of MATCHING) {
    assert.equal(parseLabelSelector(text).matches(labels), expected, `${text} on ${JSON.stringify(labels)}`);
  }
});

test('malformed label selectors are refused', () => {
  for (const text of [
    'a in x',
    'a=b=c',
    'a in (x',
    ',',
    'a,,b',
    '-a=b',
    'a=b c',
    'n>x',
    'a in (b c)',
    '=b',
  ]) {
    assert.throws(() => parseLabelSelector(text), { code: 'invalid' }, text);
  }
});

test('a LabelSelector object matches by labels and expressions', () => {
  const selector = selectorFromObject({
    matchLabels: { app: 'web' },
    matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['back'] }],
  });
  assert.ok(selector.matches({ app: 'web' }));
  assert.ok(!selector.matches({ app: 'web', tier: 'back' }));
  assert.equal(formatLabelSelector(selector), 'app=web,tier!=back');
  assert.ok(!selectorFromObject(undefined).matches({}));
  assert.ok(selectorFromObject({}).matches(undefined));
  assert.throws(() => selectorFromObject({ matchExpressions: [{ key: 'a', operator: 'Like' }] }), {
    code: 'invalid',
  });
});

test('field selectors come apart into terms', () => {
  assert.deepEqual(parseFieldSelector('metadata.name=web,status.phase!=Running,spec.nodeName=='), [
    { field: 'metadata.name', operator: '=', value: 'web' },
    { field: 'status.phase', operator: '!=', value: 'Running' },
    { field: 'spec.nodeName', operator: '=', value: '' },
  ]);
  assert.deepEqual(parseFieldSelector(String.raw`metadata.name=a\,b\=c`), [
    { field: 'metadata.name', operator: '=', value: 'a,b=c' },
  ]);
  assert.throws(() => parseFieldSelector('metadata.name'), { code: 'invalid' });
});
