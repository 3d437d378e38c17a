import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seededRandom } from '../../base/random.ts';
import { parseLargeJson } from './decode.ts';
import { goUtf8, goUtf8InSlices, withoutHalves } from './go-utf8.ts';

const BYTES: readonly (readonly [hex: string, text: string])[] = [
  ['78ff79', 'x\ufffdy'],
  ['c3a9e282acf09f9880', 'é€😀'],
  // Cut off: a character of nothing for each byte, and not one for all.
  ['e28278f09f9879c3', '\ufffd\ufffdx\ufffd\ufffd\ufffdy\ufffd'],
  // Half of a pair, longer than need be, beyond the last one.
  ['eda080', '\ufffd\ufffd\ufffd'],
  ['c080e08080f0808080', '\ufffd'.repeat(9)],
  ['f4908080', '\ufffd'.repeat(4)],
  ['f0e282ac', '\ufffd€'],
  // As JSON would not have it: it is there to be refused.
  ['efbbbf7b', '\ufeff{'],
];

test('each byte of no character is one U+FFFD', async () => {
  for (const [hex, text] of BYTES) {
    assert.equal(goUtf8(Buffer.from(hex, 'hex')), text, hex);
    assert.equal(await goUtf8InSlices(Buffer.from(hex, 'hex')), text, hex);
  }
});

test('many bytes are repaired as few are, wherever they are cut', async () => {
  const random = seededRandom(3);
  const pick = [0x61, 0x80, 0xbf, 0xc3, 0xe2, 0x82, 0xed, 0xa0, 0xf0, 0x9f, 0xf4, 0xff];
  const bytes = Uint8Array.from({ length: 50_000 }, () => pick[Math.floor(random.next() * pick.length)]!);
  assert.equal(await goUtf8InSlices(bytes), goUtf8(bytes));
  const euros = Buffer.concat([Buffer.from('€'.repeat(10_000)), Buffer.from([0xff])]);
  assert.equal(await goUtf8InSlices(euros), `${'€'.repeat(10_000)}\ufffd`);
});

test('an escape of half a pair is U+FFFD', () => {
  for (const [json, text] of [
    [String.raw`"\ud83d\ude00"`, '😀'],
    [String.raw`"x\ud800y\uDFFF"`, 'x\ufffdy\ufffd'],
    [String.raw`"\ud800\ud800"`, '\ufffd\ufffd'],
    [String.raw`"\ud83d\ud83d\ude00"`, '\ufffd😀'],
    [String.raw`"\ud83d\u0041\ude00"`, '\ufffdA\ufffd'],
    [String.raw`"\\ud800\\\ud800"`, '\\ud800\\\ufffd'],
  ] as const)
    assert.equal(JSON.parse(withoutHalves(json)), text, json);
});

test('long bodies are read as short ones are', async () => {
  const members = [`"k":"x\u00ff"`, String.raw`"l":"\ud800"`, String.raw`"\ud801":1,"\udc01":2`];
  const read = async (length: number): Promise<unknown> => {
    const text = `{"pad":"${'x'.repeat(length)}",${members.join(',')}}`;
    const { value, duplicates } = await parseLargeJson(Buffer.from(text, 'latin1'), 'Thing');
    return { ...Object(value), pad: '', duplicates };
  };
  const expected = { pad: '', k: 'x\ufffd', l: '\ufffd', '\ufffd': 2, duplicates: ['\ufffd'] };
  assert.deepEqual(await read(0), expected);
  assert.deepEqual(await read(100_000), expected);
});
