import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, toJson } from './json-values.ts';
import { Budget, CelError, compile, environmentOf, PER_RULE, typeText } from './program.ts';
import { escapedName, typeOfSchema } from './schema-types.ts';
import { Structural } from '../structural/schema.ts';
import { DYN, INT, list, map, STRING, type CelType } from './types.ts';
import type { Value } from './values.ts';

const types = new Map<string, CelType>([
  ['m', map(STRING, INT)],
  ['l', list(INT)],
  ['d', DYN],
  ['s', STRING],
]);
const values: Record<string, Value> = {
  m: fromJson({ a: 1, b: 2 }, map(STRING, INT)),
  l: [1n, 2n, 3n],
  d: fromJson({ x: 1, y: 'a', z: [1, 2], n: null, f: 1.5 }),
  s: 'héllo',
};

function run(text: string, budget = new Budget(PER_RULE)): Value {
  return compile(text, environmentOf(types)).evaluate((name) => values[name], budget);
}

const chain = (part: string, times: number, by: string, end = ''): string =>
  `${Array.from({ length: times }, () => part).join(by)}${end}`;

/** Each is true. */
const TRUE = `
1 + 2 * 3 == 7
-5 % 3 == -2 && 5 / -2 == -2
-9223372036854775808 < 0
dyn(1) == 1.0 && 1.0 == dyn(1)
dyn(1) == dyn(1.0) && dyn(1u) == dyn(1)
1 < 1.5 && 2u > 1
"a" + 'b' == "ab"
r"\\n" == "\\\\n"
b"abc" == bytes("abc") && string(b"abc") == "abc"
"\\u00e9" == "é" && size("é") == 1
"""a"b""" == 'a"b'
[1, 2] + [3] == [1, 2, 3]
2 in l && !(5 in l) && "a" in m && !("c" in m)
{"a": 1, "b": 2} == m
m.a == 1 && m["b"] == 2
has(m.a) && !has(m.c) && has(d.x) && !has(d.q)
m.all(k, k.size() == 1) && m.exists(k, m[k] == 2)
m.all(k, v, v > 0) && l.exists(i, v, i == 0 && v == 1)
m.map(k, k) == ["a", "b"] && l.map(x, x > 1, x * 2) == [4, 6]
l.filter(x, x > 1) == [2, 3] && m.filter(k, k == "a") == ["a"]
l.exists_one(x, x == 2) && l.existsOne(i, x, x == 2)
l.transformList(i, v, i + v) == [1, 3, 5]
m.transformMap(k, v, v * 2) == {"a": 2, "b": 4}
l.transformMapEntry(i, v, {string(v): i}) == {"1": 0, "2": 1, "3": 2}
1 / 0 == 1 || true
!(false && 1 / 0 == 1)
l.exists(x, 1 / (x - 1) == 1)
d.y.startsWith("a") && d.z[0] == 1 && d.x + 1 == 2
d.n == null && d.f > 1.4
m[?"c"].orValue(5) == 5 && m.?a.orValue(0) == 1 && !m.?c.hasValue()
d.?q.?r.orValue("z") == "z"
optional.of(1).optMap(x, x + 1).value() == 2
[?m.?a, ?m.?c] == [1] && {?"a": m.?c} == {}
type(1) == int && type("") == string && type(timestamp(0)) == google.protobuf.Timestamp
duration("1h30m") > duration("89m") && duration("90m").getHours() == 1
timestamp("2020-02-29T12:00:00Z").getDayOfYear() == 59
timestamp("2020-01-01T00:00:00Z").getHours("Europe/Berlin") == 1
timestamp("2020-01-01T00:00:00Z") - timestamp("2019-12-31T23:00:00Z") == duration("1h")
string(timestamp("2023-05-06T07:08:09+02:00") + duration("1h")) == "2023-05-06T08:08:09+02:00"
timestamp("2023-05-06T07:08:09+02:00") == timestamp("2023-05-06T05:08:09Z")
{"a": 1, "a": 2} == {"a": 2}
quantity("1.k").asInteger() == 1000 && url("https://a.b/c?d=e#f").getEscapedPath() == "/c" && url("https://a.b/?d=e#f").getQuery() == {"d": ["e"]}
isSemver("18446744073709551615.0.0") && !isSemver("18446744073709551616.0.0") && !isSemver("1.0.0-18446744073709551616")
string(duration("1.5s")) == "1.5s" && string(timestamp(0)) == "1970-01-01T00:00:00Z"
(null < null || true) && (null + duration("1s") == null || true) && (null - null == 1 || true)
double("1_000.5") == 1000.5 && double("0x1.8p3") == 12.0 && double("-0x_1p-1") == -0.5
int("42") == 42 && double("1.5") == 1.5 && string(1.5) == "1.5" && int(2.9) == 2
"hello".charAt(1) == "e" && s.indexOf("l") == 2 && s.lastIndexOf("l") == 3
"a,b,c".split(",") == ["a", "b", "c"] && "a,b,c".split(",", 2) == ["a", "b,c"]
"abc".substring(1) == "bc" && "abc".substring(0, 2) == "ab"
"aXbX".replace("X", "-") == "a-b-" && "aXbX".replace("X", "-", 1) == "a-bX"
" a ".trim() == "a" && "Aé".lowerAscii() == "aé" && "a".upperAscii() == "A"
["a", "b"].join("-") == "a-b" && [1, 2].reverse() == [2, 1]
"%s is %d and %.2f".format(["x", 3, 1.5]) == "x is 3 and 1.50"
strings.quote("a\\"b") == '"a\\\\"b"'
[1, 2, 2].isSorted() && [1, 2].sum() == 3 && [3, 1].min() == 1 && ["a", "b"].max() == "b"
[1, 2, 1].indexOf(1) == 0 && [1, 2, 1].lastIndexOf(1) == 2
sets.contains([1, 2], [1]) && sets.equivalent([1, 1], [1]) && sets.intersects([1], [1, 2])
["bb", "a"].sortBy(x, size(x)) == ["a", "bb"] && [1].first().value() == 1 && ![].last().hasValue()
optional.of(1).orValue(1 / 0) == 1 && int(duration("1s")) == 1000000000 && int(timestamp("1969-12-31T23:59:59.5Z")) == -1
"%s".format([["a", 1.5, {"b": b"c"}]]) == "[\\"a\\", 1.500000, {\\"b\\":b\\"c\\"}]" && "%.0f %.1f".format([2.5, 0.25]) == "2 0.2"
string(1e6) == "1e+06" && string(123456.0) == "123456" && "%f".format([1234.5]) == "1,234.500000" && string(duration("1500ms")) == "1.5s"
url("https://a.b:99/é?x=1;y=2&z").getQuery() == {"z": [""]} && url("https://a.b/é").getEscapedPath() == "/%C3%A9" && url("https://a.b") != url("https://A.b")
"abc".indexOf("c", 7) == -1 && [,] == [] && !isSemver("1-alpha", true)
"abc 123".find("[0-9]+") == "123" && "a1b2".findAll("[0-9]") == ["1", "2"] && "a1b2".findAll("[0-9]", 1) == ["1"]
s.matches("^h.llo$") && "x".matches("(?i)X") && !"a1".matches("^[[:alpha:]]+$")
url("https://user@example.com:8080/a/b?q=1&q=2#x").getHost() == "example.com:8080"
url("https://example.com:80/").getPort() == "80" && url("/a?b=c").getEscapedPath() == "/a"
url("https://e.com/?k=v").getQuery() == {"k": ["v"]} && isURL("/x") && !isURL("x")
quantity("1.5Gi").isGreaterThan(quantity("1Gi")) && quantity("50k").asInteger() == 50000
quantity("1").add(quantity("500m")).compareTo(quantity("1500m")) == 0 && quantity("200M") == quantity("0.2G")
isQuantity("1Ki") && !isQuantity("x") && sign(quantity("2").sub(3)) == -1
ip("192.168.0.1").family() == 4 && ip("::1").isLoopback() && !isIP("1.2.3") && ip.isCanonical("::1")
cidr("10.0.0.0/8").containsIP("10.1.2.3") && cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16") && cidr("10.0.0.0/8").prefixLength() == 8
string(cidr("10.1.2.3/8").masked()) == "10.0.0.0/8" && string(ip("1:0:0:0:0:0:0:1")) == "1::1"
!format.dns1123Label().validate("abc").hasValue() && format.named("dns1123Label").value().validate("A_").hasValue()
semver("1.2.3").isLessThan(semver("1.10.0")) && isSemver("1.0.0-rc.1") && semver("v1.2", true).minor() == 2
true ? true : 1 / 0 == 1
"a" < "b" && b"a" < b"b" && false < true
d.z.all(i, i > 0) && dyn([1, 2]).size() == 2
`.trim();

test('expressions that hold', () => {
  for (const text of TRUE.split('\n')) {
    let result: Value;
    try {
      result = run(text);
    } catch (error) {
      assert.fail(`${text}: ${(error as Error).message}`);
    }
    assert.equal(result, true, text);
  }
});

test('what does not compile is refused with its place', () => {
  const cases: readonly [string, RegExp][] = [
    ['s.foo', /ERROR: <input>:1:2: type 'string' does not support field selection\n \| s\.foo\n \| \.\^$/],
    [
      'a-b',
      /:1:1: undeclared reference to 'a' .*\n \| a-b\n \| \^\nERROR: <input>:1:3: undeclared reference to 'b'/,
    ],
    ['a!', /:1:2: Syntax error: extraneous input '!' expecting <EOF>/],
    ['a 1 2', /:1:3: Syntax error: mismatched input '1' expecting <EOF>/],
    ['/a', /:1:1: Syntax error: extraneous input '\/' expecting \{'\[', .*IDENTIFIER\}\n/],
    ['../a', /:1:2: Syntax error: no viable alternative at input '\.\.'/],
    ['', /ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting [^\n]*IDENTIFIER\}$/],
    ['nothing', /undeclared reference to 'nothing' \(in container ''\)/],
    ['s + 1', /found no matching overload for '_\+_' applied to '\(string, int\)'/],
    ['s.charAt("a")', /found no matching overload for 'charAt' applied to 'string\.\(string\)'/],
    ['nope(1)', /undeclared reference to 'nope'/],
    ['1 == "a"', /found no matching overload for '_==_'/],
    ['1 +', /Syntax error: mismatched input '<EOF>'/],
    ['"abc', /token recognition error/],
    ['a.b(', /Syntax error/],
    ['s.all(x, true)', /cannot be range of a comprehension/],
    ['for', /reserved identifier: for/],
    [
      `${'('.repeat(300)}1${')'.repeat(300)}`,
      /ERROR: <input>:-1:0: expression recursion limit exceeded: 250$/,
    ],
    [chain('1', 251, '+', ' > 0'), /ERROR: <input>:-1:0: max recursion depth exceeded$/],
    [chain('1', 30_000, '+'), /max recursion depth exceeded/],
    [`s${'.trim()'.repeat(250)} == s`, /max recursion depth exceeded/],
    [
      `"${'é'.repeat(100_000)}"`,
      /ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100002, limit 100000$/,
    ],
    [chain('z', 120, '&&'), /\n20 more errors were truncated$/],
    ['9223372036854775808', /invalid int literal/],
    ['l[“a”]', /token recognition error/],
    ['s.matches("(")', /ERROR: <input>:1:11: invalid matches argument\n/],
    ['matches(s, "(?=a)")', /invalid matches argument/],
    ['duration("1x") == duration("1s")', /invalid duration argument/],
    ['timestamp("yesterday") == timestamp("now")', /invalid timestamp argument/],
    ['int("a")', /program instantiation failed: type conversion error from 'string' to 'int'$/],
    ['s.find("(")', /program instantiation failed: error parsing regexp: missing closing \)/],
    ['duration(1)', /invalid duration argument/],
    ['timestamp(253402300800)', /invalid timestamp argument/],
    ['1e400', /invalid double literal/],
    ['true && 1', /:1:9: expected type 'bool' but found 'int'/],
    ['1 ? 2 : 3', /'_\?_:_' applied to '\(int, int, int\)'/],
    ['[1] + ["a"]', /'_\+_' applied to '\(list\(int\), list\(string\)\)'/],
    ['l.existsOne(x, true)', /undeclared reference to 'existsOne'/],
    ['l.all(x, x, true)', /duplicate variable name: x/],
    ['cel.bind(x, 1, x)', /undeclared reference to 'bind'/],
    ['m.`a`', /unsupported syntax: '`'/],
    ['size(s,)', /mismatched input '\)'/],
    ['kubernetes.URL', /undeclared reference to 'kubernetes'/],
    ['quantity("1").sign()', /'sign' applied to 'kubernetes\.Quantity\.\(\)'/],
    [
      '"%d".format([1.5])',
      /:1:14: error during formatting: decimal clause can only be used on integers, was given double/,
    ],
    ['"%s".format([[?optional.of(1)]])', /:1:27: error during formatting: .* was given optional_type/],
    ['"%s".format([])', /:1:12: index 0 out of range/],
    ['"a".format([1])', /too many arguments supplied to string\.format \(expected 0, got 1\)/],
    ['[1, "a", 2.0]', /: ERROR: <input>:1:5: expected type 'int' but found 'string'(?!.*ERROR)/s],
    ['[[], 1]', /:1:6: expected type 'list\(dyn\)' but found 'int'/],
    ['{1: 1, "a": "b"}', /found 'string'[^]*ERROR: <input>:1:13: expected type 'int' but found 'string'/],
    ['{"a": {1: null, 2: 1}}', /:1:20: expected type 'null' but found 'int'/],
    ['(true ? null : timestamp("2020-01-01T00:00:00Z")).a', /type 'null' does not support field selection/],
    ['l["a"]', /found no matching overload for '_\[_\]' applied to '\(list\(int\), string\)'/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => compile(text, environmentOf(types)), message, text);
  }
  assert.throws(() => compile('1', environmentOf(types), 'bool'), /must evaluate to a bool/);
});

test('literals of one type, and what format is given, compile', () => {
  for (const text of [
    '"%s%d".format(["a", 1])',
    '"%s".format([[1, "a"]])',
    '[[], [1]]',
    '[{}, {"a": 1}]',
    '[optional.of(1), optional.none()]',
    '[?optional.of(1), 2]',
    '[l, [1]]',
  ])
    assert.doesNotThrow(() => compile(text, environmentOf(types)), text);
});

test('failures say what went wrong', () => {
  const cases: readonly [string, RegExp][] = [
    ['1 / 0', /division by zero$/],
    ['1 % 0', /modulus by zero$/],
    ['9223372036854775807 + 1', /integer overflow/],
    ['m.c', /no such key: c$/],
    ['l[5]', /index out of bounds: 5$/],
    ['d.x + d.y', /no such overload/],
    ['s.substring(9)', /index out of range: 9/],
    ['s.matches("(?=" + "a)")', /error parsing regexp/],
    ['quantity("x")', /quantities must match/],
    ['[1].map(x, 2).min() == 2 && [].map(x, 1).min() == 1', /min called on empty list/],
    ['timestamp("9999-12-31T23:59:59Z") + duration("1h")', /timestamp overflow/],
    ['(-9223372036854775807 - 1) % -1', /integer overflow/],
    ['int("" + "a")', /type conversion error from 'string' to 'int'$/],
    ['l[dyn(1.5)]', /unsupported index value 1\.5 in list/],
    ['quantity("2000m").asInteger()', /cannot convert value to integer/],
    ['url("https://a.b:port/")', /URL parse error during conversion from string: parse "https:/],
    ['"%s".format([[b"\\xff"]])', /invalid UTF-8 in bytes, cannot convert to string/],
    ['"%s".format([{1.5: 1}])', /no formatting function for map key of type double/],
    ['{"a": 1, "b": 2}.transformMapEntry(k, v, {"x": v})', /insert failed: key x already exists/],
    ['optional.none().value()', /optional.none\(\) dereference/],
  ];
  for (const [text, message] of cases) assert.throws(() => run(text), message, text);
});

test('an evaluation that costs too much is cut off', () => {
  const deep = 'l.map(a, l.map(b, l.map(c, l.map(d, l.map(e, a + b)))))';
  assert.throws(() => run(deep, new Budget(1000)), /actual cost limit exceeded/);
  const nested = '[1,2,3,4,5,6,7,8,9,10]'.concat('.map(x, [1,2,3,4,5,6,7,8,9,10])'.repeat(1));
  assert.equal((run(nested) as Value[]).length, 10);
  const text = compile('s.contains("z")', environmentOf(types));
  const budget = new Budget(10_000);
  assert.equal(
    text.evaluate(() => 'a'.repeat(50_000), budget),
    false,
  );
  assert.equal(budget.left, 10_000 - 5_001);
});

test('matching is paid for by the text and the pattern', () => {
  const cost = (text: string, pattern: string): number => {
    const budget = new Budget(1_000_000);
    compile(
      's.matches(m)',
      environmentOf(
        new Map([
          ['s', STRING],
          ['m', STRING],
        ]),
      ),
    ).evaluate((name) => (name === 's' ? text : pattern), budget);
    return 1_000_000 - budget.left;
  };
  // Two variables, and 101 tenths rounded up times five quarters rounded up.
  assert.equal(cost('a'.repeat(100), 'a+b+c'), 2 + 11 * 2);
  assert.equal(cost('', 'abcdefgh'), 2 + 1 * 2);
});

test('structural schemas give types', () => {
  const schema = new Structural({
    type: 'object',
    properties: {
      size: { type: 'integer' },
      ratio: { type: 'number' },
      when: { type: 'string', format: 'date-time' },
      'a-b.c': { type: 'string' },
      port: { 'x-kubernetes-int-or-string': true },
      any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
      in: { type: 'string' },
    },
  });
  const self = typeOfSchema(schema);
  const environment = environmentOf(new Map([['self', self]]));
  const value = fromJson(
    {
      size: 1,
      ratio: 2,
      when: '2020-01-01T00:00:00Z',
      'a-b.c': 'x',
      port: 80,
      any: { q: [1] },
      labels: {},
      in: 'y',
    },
    self,
  );
  const ask = (text: string): Value => compile(text, environment).evaluate(() => value, new Budget(1e6));
  assert.equal(ask('self.size == 1 && self.ratio == 2.0 && self.when.getFullYear() == 2020'), true);
  assert.equal(ask('self.a__dash__b__dot__c == "x" && self.port == 80'), true);
  assert.equal(ask('self.labels.size() == 0 && self.__in__ == "y"'), true);
  // What nobody has declared is kept, and not seen.
  for (const text of ['self.nope', 'self.any.q'])
    assert.throws(() => compile(text, environment), /undefined field '(nope|q)'/);
  assert.throws(() => compile('self.size == 1.5 && self.size + 1.5 > 1.0', environment), CelError);
  assert.deepEqual(['a__b', 'in', 'x/y', '1a', 'ok'].map(escapedName), [
    'a__underscores__b',
    '__in__',
    'x__slash__y',
    undefined,
    'ok',
  ]);
  assert.equal(typeText(compile('[self.size]', environment).type), 'list(int)');
});

test('literals of objects go back to JSON', () => {
  const environment = environmentOf(types, { struct: () => 'open' });
  const text = 'Object{spec: Object.spec{replicas: 1, ?a: m.?c, labels: {"x-y": s}}}';
  const value = compile(text, environment).evaluate((name) => values[name], new Budget(1000));
  assert.deepEqual(toJson(value), { spec: { replicas: 1, labels: { 'x-y': 'héllo' } } });
});

test('chains that upstream takes are not too deep', () => {
  assert.equal(run(chain('1', 250, '+', ' > 0')), true);
  assert.equal(run(chain('true', 14_000, '&&')), true);
  assert.equal(run(chain('false', 14_000, '||')), false);
  assert.equal(run(`${'!'.repeat(300)}true && ${'-'.repeat(301)}l[0] < 0`), true);
});

test('lists with keys are added by them, and compared without their order', () => {
  const item = { type: 'object', properties: { k: { type: 'string' }, v: { type: 'integer' } } };
  const schema = new Structural({
    type: 'object',
    properties: {
      set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
      map: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: item,
      },
      other: { type: 'array', items: item },
    },
  });
  const type = typeOfSchema(schema, true);
  const of = (k: string, v: number) => ({ k, v });
  const self = fromJson(
    { set: ['b', 'a'], map: [of('x', 1), of('y', 2)], other: [of('z', 4), of('x', 3)] },
    type,
  );
  for (const text of [
    'self.set + ["c", "a"] == ["a", "c", "b"]',
    '(self.set + ["c", "a"])[1] == "a"',
    'self.set + ["c"] != ["a", "c", "c"]',
    '(self.map + dyn(self.other)).size() == 3 && (self.map + dyn(self.other))[0].v == 3',
    '(self.map + dyn(self.other))[2] == dyn(self.other[0])',
    'self.map == [self.map[1], self.map[0]] && self.map != [self.map[0], self.map[0]]',
  ]) {
    const program = compile(text, environmentOf(new Map([['self', type]])));
    assert.equal(
      program.evaluate(() => self, new Budget(PER_RULE)),
      true,
      text,
    );
  }
});

test('lists do not grow without end, nor for nothing', () => {
  const doubled = (text: string, times: number): string =>
    times === 0 ? text : doubled(`[${text}].map(x, x + x)[0]`, times - 1);
  assert.equal(run(`size(${doubled('[1]', 10)})`), 1024n);
  assert.throws(() => run(`size(${doubled('[1]', 25)})`), CelError);
  assert.throws(() => run(`lists.range(1000).map(y, lists.range(100000) + [y]).size()`), CelError);
});
