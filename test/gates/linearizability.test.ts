/** The checker that judges the stores' histories finds what is wrong, and nothing that is right. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/random.ts';
import { findViolation, type Operation } from '../fixtures/linearizability.ts';

const write = (value: string | undefined, start: number, end: number): Operation => ({
  key: 'k',
  kind: 'write',
  value,
  start,
  end,
});
const read = (value: string | undefined, start: number, end: number): Operation => ({
  key: 'k',
  kind: 'read',
  value,
  start,
  end,
});

const cases: readonly [name: string, right: boolean, history: readonly Operation[]][] = [
  ['nothing', true, []],
  [
    'one after the other',
    true,
    [write('a', 0, 1), read('a', 2, 3), write(undefined, 4, 5), read(undefined, 6, 7)],
  ],
  ['a read of what was never written', false, [write('a', 0, 1), read('b', 2, 3)]],
  ['a lost write', false, [write('a', 0, 1), read(undefined, 2, 3)]],
  ['a stale read', false, [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
  [
    'a read beside a write sees either',
    true,
    [write('a', 0, 1), write('b', 2, 6), read('a', 3, 4), read('b', 7, 8)],
  ],
  ['back and forth', false, [write('a', 0, 1), write('b', 2, 10), read('b', 3, 4), read('a', 5, 6)]],
  ['an unknown write that happened', true, [write('a', 0, Infinity), read('a', 5, 6)]],
  ['an unknown write that did not', true, [write('a', 0, Infinity), read(undefined, 5, 6)]],
  [
    'an unknown write that happened late',
    true,
    [write('a', 0, Infinity), read(undefined, 5, 6), read('a', 7, 8)],
  ],
  [
    'an unknown write that happened twice',
    false,
    [write('a', 0, Infinity), read('a', 1, 2), write('b', 3, 4), read('a', 5, 6)],
  ],
  ['two writers at once', true, [write('a', 0, 5), write('b', 0, 5), read('a', 6, 7), read('a', 8, 9)]],
  [
    'two writers at once, both last',
    false,
    [write('a', 0, 5), write('b', 0, 5), read('a', 6, 7), read('b', 8, 9)],
  ],
];

describe('linearizability', () => {
  for (const [name, right, history] of cases) {
    test(name, () => {
      assert.equal(findViolation(history) === undefined, right);
    });
  }

  test('an initial value counts', () => {
    assert.equal(findViolation([read('x', 0, 1)], new Map([['k', 'x']])), undefined);
  });

  test('the first wrong operation ends what is shown', () => {
    const found = findViolation([write('a', 0, 1), read('b', 2, 3), write('c', 4, 5), read('c', 6, 7)]);
    assert.deepEqual(found?.operations, [write('a', 0, 1), read('b', 2, 3)]);
  });

  /** A register with operations that take time, as a correct store would answer them. */
  function simulate(seed: number): Operation[] {
    const random = seededRandom(seed);
    let value: string | undefined;
    let now = 0;
    const history: Operation[] = [];
    for (let i = 0; i < 400; i++) {
      now += random.next() * 2;
      const effect = now;
      const [start, end] = [effect - random.next() * 8, effect + random.next() * 8];
      if (random.next() < 0.5) {
        value = random.next() < 0.2 ? undefined : `v${i}`;
        history.push(write(value, start, random.next() < 0.05 ? Infinity : end));
      } else history.push(read(value, start, end));
    }
    return history;
  }

  test('a correct register is right, whatever its operations overlap', () => {
    for (let seed = 1; seed <= 20; seed++)
      assert.equal(findViolation(simulate(seed)), undefined, `seed ${seed}`);
  });

  test('one acknowledged write that is lost is found', () => {
    let found = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const history = simulate(seed);
      const values = history.flatMap(({ kind, value, end }) =>
        kind === 'read' && end !== Infinity ? [value] : [],
      );
      // A value that was read loses its write.
      const lost = values.find((value) => value !== undefined);
      const without = history.filter(({ kind, value }) => kind !== 'write' || value !== lost);
      if (findViolation(without) !== undefined) found++;
    }
    assert.equal(found, 20);
  });
});
