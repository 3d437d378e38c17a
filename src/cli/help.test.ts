import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '../base/errors.ts';
import { commands, findCommand } from './command-table.ts';
import { commandHelp, overview } from './help.ts';
import { reportError } from './report-error.ts';

test('the overview names every command; each has help with an example', () => {
  const text = overview(commands);
  for (const command of commands) {
    assert.match(text, new RegExp(`^  ${command.name} +\\w`, 'm'));
    assert.match(commandHelp(command), new RegExp(`Usage: sampan ${command.name}[\\s\\S]*Examples:\\n  \\S`));
  }
});

test('an unknown command suggests the nearest', () => {
  assert.throws(
    () => findCommand('stat'),
    (error) => error instanceof PlatformError && error.hint?.includes('sampan status') === true,
  );
});

test('an error is one line with its hint; the code decides the exit code', () => {
  const report = (error: unknown): [number, string] => {
    let text = '';
    const code = reportError(error, (line) => (text += line));
    return [code, text];
  };
  assert.deepEqual(report(new PlatformError('invalid', 'bad flag', { hint: 'see help' })), [
    2,
    'sampan: bad flag; see help\n',
  ]);
  assert.deepEqual(report(new PlatformError('not-found', 'no image')), [4, 'sampan: no image\n']);
  assert.deepEqual(report(new PlatformError('invalid', 'gone', { details: { exitCode: 127 } })), [
    127,
    'sampan: gone\n',
  ]);
  assert.deepEqual(
    report(Object.assign(new Error('Unknown option'), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' }))[0],
    2,
  );
  const [code, text] = report(new TypeError('a bug'));
  assert.equal(code, 70);
  assert.match(text, /internal error: TypeError: a bug\n\s+at /);
});
