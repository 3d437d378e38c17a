/** Estimates of a kube-apiserver 1.36, taken from its refusals (tools/compare/requests/expressions.cel.yaml has more). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Structural } from '../structural/schema.ts';
import { boundsOf } from './bounds.ts';
import { estimateCost } from './estimate.ts';
import { compile, environmentOf } from './program.ts';
import { typeOfSchema } from './schema-types.ts';

const text = (maxLength: number): object => ({ type: 'string', maxLength });
const schema = new Structural(
  JSON.parse(
    JSON.stringify({
      type: 'object',
      properties: {
        s: text(10),
        long: { type: 'string' },
        e: { type: 'string', enum: ['a', 'bcd'] },
        i: { type: 'integer' },
        b: { type: 'boolean' },
        l: { type: 'array', maxItems: 10, items: { type: 'integer' } },
        ls: { type: 'array', maxItems: 10, items: text(5) },
        ll: { type: 'array', items: { type: 'array', items: { type: 'string' } } },
        m: { type: 'object', maxProperties: 5, additionalProperties: text(5) },
        o: { type: 'object', properties: { a: text(3) } },
      },
    }),
  ),
);

/** Copying a text of unknown length. */
const UNBOUNDED = 2 ** 64 / 10;

test('expressions are taken to cost what upstream takes them to cost', () => {
  const self = typeOfSchema(schema);
  const environment = environmentOf(new Map([['self', self]]));
  const bounds = boundsOf(schema);
  const cases: readonly [string, number][] = [
    ['true', 0],
    ['self.b', 2],
    ['self.b && self.b', 4],
    ['self.b ? true : self.b && self.b', 6],
    ['self.i == 1', 2],
    ['has(self.o.a)', 2],
    ['self.s == self.s', 8],
    ['self.e == self.long', 5],
    ['self.s + self.s == ""', 12],
    ['self.long + self.s == ""', 314581],
    ['self.m == self.m', 5],
    ['self.ll[0][0] == self.long', 314579],
    ['self.s in self.ls', 14],
    ['self.ls + self.ls == self.ls', 8],
    ['self.l == [1, 2]', 13],
    ['{"a": 1}.a == 1', 31],
    ['string(self.i) + "a" == "b"', UNBOUNDED],
    ['bytes(self.s) == b"a"', 7],
    ['self.l.all(x, x > 1)', 53],
    ['self.l.exists(x, x > 1)', 63],
    ['self.l.exists_one(x, x > 1)', 44],
    ['self.l.map(x, x) == []', 153],
    ['self.l.filter(x, x > 1) == []', 173],
    ['self.l.map(x, x > 1, x) == []', 173],
    ['self.m.all(k, self.m[k] == "abcdefghijklmnopqrst")', 48],
    ['self.m.transformMap(k, v, v) == {}', 83],
    ['self.ls.sortBy(x, x) == []', 386],
    ['self.?s.optMap(x, x + "a").hasValue()', UNBOUNDED],
    ['self.s.replace("a", "bc") == self.long', 20],
    ['self.s.split(",", 3).all(x, x == "a")', 23],
    ['self.ls.join(", ") == self.long', 48],
    ['self.s.contains(self.s)', 20],
    ['self.s.matches("abcdefghijklmnopqrst")', 27],
    ['matches(self.s, "abcdefghijklmnopqrst")', 3],
    ['self.s.find("abc") == self.s', 13],
    ['self.ls.isSorted()', 32],
    ['[1, 2].sum() == 1', 13],
    ['["a"].isSorted()', UNBOUNDED],
    ['self.l.distinct() == [1]', 224],
    ['self.ls.slice(1, 2)[0] == "abc"', 15],
    ['lists.range(10).all(x, x == 1)', 62],
    ['sets.equivalent(self.ls, self.ls)', 205],
    ['url(self.s).getHost() == "abc"', 8],
    ['isURL(self.s)', 3],
    ['quantity(self.s) == quantity("1")', 8],
    ['cidr(self.s).containsIP(self.s)', 16],
    ['cidr(self.s).containsCIDR(cidr("10.0.0.0/8"))', 14],
    ['format.dns1123Label().validate(self.s).hasValue()', 132],
    ['semver(self.s).compareTo(semver(self.s)) == 1', 14],
  ];
  for (const [expression, cost] of cases) {
    const estimated = estimateCost(compile(expression, environment), () => bounds);
    assert.equal(estimated, cost, expression);
  }
});
