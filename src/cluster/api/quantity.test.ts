import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  quantityMilli,
  quantityValue,
  tryParseQuantity,
} from './quantity.ts';

const CANONICAL: readonly (readonly [string, string])[] = [
  ['0', '0'],
  ['0Mi', '0'],
  ['0.5', '500m'],
  ['.5', '500m'],
  ['1.', '1'],
  ['1000m', '1'],
  ['1.5Gi', '1536Mi'],
  ['1024Mi', '1Gi'],
  ['1.5Ki', '1536'],
  ['0.5Ki', '512'],
  ['1500Mi', '1500Mi'],
  ['1e3', '1e3'],
  ['1000e0', '1e3'],
  ['12E6', '12e6'],
  ['1E', '1E'],
  ['1000k', '1M'],
  ['-1500m', '-1500m'],
  ['+2', '2'],
  ['1.0001m', '1000100n'],
  ['0.1n', '1n'],
  ['100Ei', '9223372036854775807'],
];

test('a plain amount is read as it is read in any other form', () => {
  const amounts = [
    '0',
    '00',
    '1',
    '7',
    '8',
    '9',
    '10',
    '010',
    '999',
    '1000',
    '1024',
    '2047',
    '2048',
    '123000',
  ];
  const large = [
    '9007199254740',
    '999999999999999',
    '9223372036854775',
    '9223372036854775807',
    '1'.repeat(40),
  ];
  for (const suffix of [
    '',
    'n',
    'u',
    'm',
    'k',
    'M',
    'G',
    'T',
    'P',
    'E',
    'Ki',
    'Mi',
    'Gi',
    'Ti',
    'Pi',
    'Ei',
    'K',
    'i',
    'e3',
    'mm',
    '.',
  ]) {
    for (const amount of [...amounts, ...large]) {
      const quantity = tryParseQuantity(`+${amount}${suffix}`);
      assert.deepEqual(tryParseQuantity(`${amount}${suffix}`), quantity, `${amount}${suffix}`);
      const canonical = quantity && formatQuantity(quantity);
      assert.equal(canonicalQuantity(`${amount}${suffix}`), canonical, `${amount}${suffix}`);
    }
  }
});

test('quantities have one canonical form', () => {
  for (const [text, expected] of CANONICAL) assert.equal(canonicalQuantity(text), expected, text);
  for (const [, text] of CANONICAL) assert.equal(canonicalQuantity(text), text, `again ${text}`);
});

test('what is no quantity is refused', () => {
  for (const text of ['', '1 Gi', '1gi', '1K', '0x1', '1e', '1e3.5', '--1', '1.2.3', 'Infinity']) {
    assert.equal(canonicalQuantity(text), undefined, text);
  }
  for (const text of ['.', 'm', '-']) assert.equal(canonicalQuantity(text), '0', text);
  assert.throws(() => parseQuantity('lots'), { code: 'invalid' });
});

test('quantities compare and add across suffixes', () => {
  assert.ok(compareQuantities(parseQuantity('1Gi'), parseQuantity('1G')) > 0);
  assert.equal(compareQuantities(parseQuantity('1'), parseQuantity('1000m')), 0);
  assert.equal(formatQuantity(addQuantities(parseQuantity('500m'), parseQuantity('1'))), '1500m');
  assert.equal(formatQuantity(addQuantities(parseQuantity('0'), parseQuantity('1Gi'))), '1Gi');
});

test('numbers out of quantities are rounded up', () => {
  assert.equal(quantityMilli('100m'), 100);
  assert.equal(quantityMilli('0.0001'), 1);
  assert.equal(quantityValue('128Mi'), 134_217_728);
  assert.equal(quantityValue('1m'), 1);
  assert.equal(quantityValue('-1500m'), -1);
});
