import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { seededRandom } from '../../../base/random.ts';
import { compilePattern, PatternError } from './engine.ts';
import { lazyPattern, loadPatterns, patternProblem } from './lazy.ts';

before(loadPatterns);

test('what Go takes is taken', () => {
  const cases: readonly (readonly [pattern: string, text: string, expected: boolean])[] = [
    ['(?i)hello', 'HELLO', true],
    ['^\\pL+$', 'Größe', true],
    ['^\\p{Greek}$', 'ω', true],
    ['^[[:alpha:]]+$', 'abc', true],
    ['^[[:^alpha:]]$', 'a', false],
    ['(?P<year>\\d{4})', 'in 2024', true],
    ['\\Aab\\z', 'ab', true],
    ['^\\Qa.b\\E$', 'axb', false],
    ['(?s)a.b', 'a\nb', true],
    ['a.b', 'a\nb', false],
    ['(?m)^b$', 'a\nb', true],
    ['^.$', '😀', true],
    ['(?U)a+', 'aa', true],
    ['^\\x{1F600}$', '😀', true],
    ['^a{,2}$', 'a{,2}', true],
    ['', 'anything', true],
  ];
  for (const [pattern, text, expected] of cases) {
    assert.equal(compilePattern(pattern).test(text), expected, `${pattern} against ${text}`);
  }
});

test('what Go refuses is refused in its words', () => {
  const cases: readonly (readonly [pattern: string, why: string])[] = [
    ['(a)\\1', 'invalid escape sequence: `\\1`'],
    ['(?=a)', 'invalid or unsupported Perl syntax: `(?=`'],
    ['(?!a)', 'invalid or unsupported Perl syntax: `(?!`'],
    ['+', 'missing argument to repetition operator: `+`'],
    ['a**', 'invalid nested repetition operator: `**`'],
    ['(', 'missing closing ): `(`'],
    ['a)', 'unexpected ): `a)`'],
    ['[a', 'missing closing ]: `[a`'],
    ['[z-a]', 'invalid character class range: `z-a`'],
    ['a{1001}', 'invalid repeat count: `{1001}`'],
    ['(a{1000}){1000}', 'invalid repeat count: `{1000}`'],
    ['(?P<n>a)(?P<n>b)', 'duplicate capture group name: `n`'],
    [`${'('.repeat(2000)}${')'.repeat(2000)}`, 'expression nests too deeply'],
  ];
  for (const [pattern, why] of cases) {
    assert.equal(patternProblem(pattern)?.slice(0, 22 + why.length), `error parsing regexp: ${why}`);
    assert.throws(() => compilePattern(pattern), PatternError);
    assert.throws(() => lazyPattern(pattern).test(''));
  }
});

test('matches are found as Go finds them', () => {
  assert.deepEqual(compilePattern('a*').findAll('baaac', -1), ['', 'aaa', '']);
  assert.deepEqual(compilePattern('[0-9]').findAll('a1b2c3', 2), ['1', '2']);
  assert.deepEqual(compilePattern('[0-9]').findAll('a1', 0), []);
  assert.deepEqual(compilePattern('').findAll('é😀', -1), ['', '', '']);
  assert.deepEqual(compilePattern('a|ab').findAll('abab', -1), ['a', 'a']);
});

test('time grows with the text, not with the ways to match it', () => {
  const long = 'a'.repeat(100_000);
  const hostile = ['(a+)+$', '(a|aa)+$', '(a|a?)+$', '(.*)*$', '^(([a-z])+.)+[A-Z]([a-z])+$', '(x+x+)+y'];
  const spent = process.cpuUsage();
  for (const pattern of hostile) assert.equal(compilePattern(`${pattern}z`).test(`${long}!`), false, pattern);
  const { user } = process.cpuUsage(spent);
  // A backtracking engine would not come back within a lifetime.
  assert.ok(user < 5_000_000, `${user} µs`);
});

test('agrees with the other engine where both mean the same', () => {
  const random = seededRandom(7);
  const pick = (from: readonly string[]): string => from[Math.floor(random.next() * from.length)]!;
  const atoms = ['a', 'b', '[ab]', '[^a]', '.', '(a|b)', '(?:ab)', '(a)', '\\d', '\\w'];
  const repeats = ['', '', '', '*', '+', '?', '{2}', '{1,2}'];
  for (let round = 0; round < 2000; round++) {
    const part = (): string => pick(atoms) + pick(repeats);
    const source = `${pick(['', '^'])}${part()}${pick(['', '|'])}${part()}${part()}${pick(['', '$'])}`;
    const text = Array.from({ length: Math.floor(random.next() * 8) }, () => pick(['a', 'b', '1', 'c'])).join(
      '',
    );
    assert.equal(compilePattern(source).test(text), new RegExp(source).test(text), `${source} on ${text}`);
  }
});
