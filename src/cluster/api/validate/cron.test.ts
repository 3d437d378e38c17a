import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTimeZone, scheduleComplaint } from './cron.ts';

const GOOD = [
  '* * * * *',
  '*/15 0-5,22-23 1 jan-mar MON-fri',
  '0 0 ? * 0',
  '5/10 * * * *',
  '@hourly',
  '@every 1h30m',
  'TZ=Europe/Zurich 0 6 * * 1-5',
];

for (const schedule of GOOD) {
  test(`${schedule} is a schedule`, () => assert.equal(scheduleComplaint(schedule), undefined));
}

const BAD: readonly (readonly [string, string])[] = [
  ['', 'empty spec string'],
  ['1 2 3', 'expected exactly 5 fields, found 3: [1 2 3]'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
  ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
  ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
  ['@often', 'unrecognized descriptor: @often'],
  ['@every day', 'failed to parse duration @every day: time: invalid duration "day"'],
  ['TZ=Nowhere 0 6 * * *', 'provided bad location Nowhere: unknown time zone Nowhere'],
];

for (const [schedule, complaint] of BAD) {
  test(`${JSON.stringify(schedule)} is none`, () => assert.equal(scheduleComplaint(schedule), complaint));
}

test('time zones are those of the IANA database', () => {
  assert.ok(isTimeZone('Etc/UTC'));
  assert.ok(!isTimeZone('Mars/Olympus'));
});
