import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TooLong } from '../../../base/too-long.ts';
import { ruleCheck } from '../structural/rules.ts';
import { Structural } from '../structural/schema.ts';
import { allowance, withAllowance } from './allowance.ts';
import { fromJson } from './json-values.ts';
import { Budget, compile, environmentOf, PER_RULE } from './program.ts';
import { DYN } from './types.ts';

const environment = environmentOf(new Map([['self', DYN]]));
const numbers = fromJson(Array.from({ length: 50 }, (_, i) => i));
const nested = compile('self.all(x, self.all(y, x + y >= 0))', environment);
const flat = compile('self.all(x, x >= 0)', environment);

/** Each look at it takes so much time. */
function clockOf(ms: number): Parameters<typeof withAllowance>[0] {
  let now = 0;
  const after = (): Disposable => assert.fail('nothing is put off');
  return { now: () => now, monotonic: () => (now += ms), after };
}

const evaluate = (program: typeof nested): unknown =>
  program.evaluate(() => numbers, new Budget(PER_RULE, allowance()));

test('an expression takes its time where nobody waits', () => {
  assert.equal(evaluate(nested), true);
});

test('an expression that holds the thread for too long is given up', () => {
  withAllowance(clockOf(0.5), () => {
    allowance()!.begin();
    assert.throws(() => evaluate(nested), TooLong);
  });
});

test('what expressions take of one turn adds up', () => {
  withAllowance(clockOf(0.5), () => {
    allowance()!.begin();
    assert.throws(() => {
      for (let i = 0; i < 10; i++) evaluate(flat);
    }, TooLong);
  });
});

test('each turn has its time', async () => {
  await withAllowance(clockOf(0.5), async () => {
    for (let i = 0; i < 10; i++) {
      await allowance()!.next();
      assert.equal(evaluate(flat), true);
    }
  });
});

test('the rules of one object share a turn', () => {
  const rule = { rule: 'self.all(x, self.all(y, x + y >= 0))' };
  const list = { type: 'array', items: { type: 'integer' }, 'x-kubernetes-validations': [rule] };
  const check = ruleCheck(new Structural({ type: 'object', additionalProperties: list }))!;
  const object = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`list${i}`, [1, 2, 3]]));
  assert.deepEqual(check(object, undefined), []);
  assert.throws(() => withAllowance(clockOf(0.5), () => check(object, undefined)), TooLong);
});

test('what takes long is no error in the expression', () => {
  const either = compile('self.all(x, self.all(y, x + y >= 0)) || true', environment);
  withAllowance(clockOf(0.5), () => {
    allowance()!.begin();
    assert.throws(() => evaluate(either), TooLong);
  });
});

test('long texts, and many, are not compiled where others wait', () => {
  const text = (length: number): string => Array.from({ length }, () => 'true').join(' && ');
  assert.equal(compile(text(1000), environment).type.kind, 'bool');
  assert.throws(() => withAllowance(clockOf(0), () => compile(text(1000), environment)), TooLong);
  withAllowance(clockOf(0), () => {
    for (let i = 0; i < 3; i++) compile(text(100), environment);
    assert.throws(() => compile(text(100), environment), TooLong);
    allowance()!.begin();
    compile(text(100), environment);
  });
});
