import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Flag, milliseconds, parseFlags } from './flags.ts';

const TABLE: readonly Flag[] = [
  { name: 'bundle', alias: 'b', type: 'string', help: '' },
  { name: 'detach', alias: 'd', type: 'boolean', help: '' },
  { name: 'env', alias: 'e', type: 'list', help: '' },
  { name: 'preserve-fds', type: 'integer', help: '', default: '0' },
  { name: 'interval', type: 'duration', help: '', default: '5s' },
];

describe('parseFlags', () => {
  // Each as runc 1.1.5 understands it.
  const cases: [line: string, flags: Record<string, unknown>, args: string][] = [
    ['web', {}, 'web'],
    ['--bundle /b web', { bundle: '/b' }, 'web'],
    ['--bundle=/b web', { bundle: '/b' }, 'web'],
    ['-bundle /b web', { bundle: '/b' }, 'web'],
    ['-b /b web', { bundle: '/b' }, 'web'],
    ['-b=/b=c web', { bundle: '/b=c' }, 'web'],
    ['-b --detach web', { bundle: '--detach' }, 'web'],
    ['--bundle= web', { bundle: '' }, 'web'],
    ['-b 1 -b 2 web', { bundle: '2' }, 'web'],
    ['web -d', { detach: true }, 'web'],
    ['--detach=false web', { detach: false }, 'web'],
    ['--detach=0 -d=T web', { detach: true }, 'web'],
    ['-e A=1 -e=B=2 web', { env: ['A=1', 'B=2'] }, 'web'],
    ['--preserve-fds -3 web', { 'preserve-fds': -3 }, 'web'],
    ['--interval 1m30s web', { interval: 90_000 }, 'web'],
    ['web - -- -d --', {}, 'web - -d --'],
    ['', {}, ''],
  ];
  for (const [line, expected, args] of cases) {
    test(line === '' ? '(nothing)' : line, () => {
      const { flags, args: rest } = parseFlags(line === '' ? [] : line.split(' '), TABLE);
      const got = {
        bundle: flags.string('bundle'),
        detach: flags.boolean('detach'),
        env: flags.list('env'),
        'preserve-fds': flags.integer('preserve-fds'),
        interval: flags.duration('interval'),
      };
      const standard = { bundle: undefined, detach: false, env: [], 'preserve-fds': 0, interval: 5000 };
      assert.deepEqual(got, { ...standard, ...expected });
      assert.equal(rest.join(' '), args);
    });
  }

  test('verbatim leaves all behind the first argument alone', () => {
    const { flags, args } = parseFlags(['-d', 'web', 'sh', '-e', '--', '-d'], TABLE, { verbatim: true });
    assert.equal(flags.boolean('detach'), true);
    assert.deepEqual(args, ['web', 'sh', '-e', '--', '-d']);
  });

  // Words of Go's flag package.
  const wrong: [line: string, message: string][] = [
    ['--nope', 'flag provided but not defined: -nope'],
    ['-db x', 'flag provided but not defined: -db'],
    ['-b', 'flag needs an argument: -b'],
    ['--bundle', 'flag needs an argument: -bundle'],
    ['--detach=foo', 'invalid boolean value "foo" for -detach: parse error'],
    ['--preserve-fds x', 'invalid value "x" for flag -preserve-fds: parse error'],
    ['--interval 5', 'invalid value "5" for flag -interval: parse error'],
    ['---detach', 'bad flag syntax: ---detach'],
    ['--=x', 'bad flag syntax: --=x'],
  ];
  for (const [line, message] of wrong) {
    test(`${line}: ${message}`, () => {
      assert.throws(() => parseFlags(line.split(' '), TABLE), { message });
    });
  }
});

test('durations are those of Go', () => {
  const cases = { '0': 0, '5s': 5000, '1.5s': 1500, '1h2m3s': 3_723_000, '250ms': 250, '10us': 0.01 };
  for (const [text, expected] of Object.entries(cases)) assert.equal(milliseconds(text), expected, text);
  for (const text of ['', '5', 's', '5 s', '-5s', '1d', '5sx'])
    assert.equal(milliseconds(text), undefined, text);
});
