import assert from 'node:assert/strict';
import test from 'node:test';
import { rfc3339 } from '../../base/clock.ts';
import type { CronJob, Job } from '../api/generated/batch-v1.ts';
import { cronJobs, jobs } from '../client/kinds.ts';
import { createCronJobController } from './cron-job-controller.ts';
import { whatIsDue } from './cron-job-planner.ts';
import { parseSchedule } from './cron-schedule.ts';
import { running, type Running } from './testing/running.ts';

const ref = { name: 'tick', namespace: 'default' };
const jobTemplate = { spec: { template: { spec: { containers: [{ name: 'c', image: 'i' }] } } } };

const plane = (spec: CronJob['spec']): Running =>
  running({
    create: (environment) => [createCronJobController(environment)],
    before: (api) =>
      void api.put(cronJobs, { metadata: ref, spec: { schedule: '* * * * *', jobTemplate, ...spec } }),
  });

const status = (on: Running) => on.api.read(cronJobs, ref)?.status;
const finish = (on: Running, job: Job, type = 'Complete'): void =>
  void on.api.put(jobs, {
    ...job,
    status: { conditions: [{ type, status: 'True' }], completionTime: rfc3339(on.clock.now()) },
  });

/** Minutes go by, as many jobs as there ought to be come. */
async function minutes(on: Running, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await on.clock.advance(60_200);
    await on.quiet();
  }
}

test('a job a minute; what is finished is kept up to a limit', async () => {
  await using on = plane({ successfulJobsHistoryLimit: 2 });
  await on.quiet();
  assert.equal(on.api.all(jobs).length, 0);
  await minutes(on, 1);
  assert.equal(on.api.all(jobs).length, 1);
  const [job] = on.api.all(jobs);
  assert.equal(job?.metadata?.ownerReferences?.[0]?.kind, 'CronJob');
  assert.equal(status(on)?.active?.[0]?.name, job?.metadata?.name);
  const minute = Date.parse(status(on)?.lastScheduleTime ?? '') / 60_000;
  assert.equal(job?.metadata?.name, `tick-${minute}`);
  for (let i = 0; i < 4; i++) {
    for (const one of on.api.all(jobs)) if (one.status === undefined) finish(on, one);
    await minutes(on, 1);
  }
  assert.equal(on.api.all(jobs).length, 3);
  assert.equal(status(on)?.active?.length, 1);
  assert.ok(on.reasons.includes('SawCompletedJob'));
});

test('Forbid waits for the last, Replace takes its place', async () => {
  await using forbid = plane({ concurrencyPolicy: 'Forbid' });
  await forbid.quiet();
  await minutes(forbid, 2);
  assert.equal(forbid.api.all(jobs).length, 1);
  assert.ok(forbid.reasons.includes('JobAlreadyActive'));
  await using replace = plane({ concurrencyPolicy: 'Replace' });
  await replace.quiet();
  await minutes(replace, 1);
  const first = replace.api.all(jobs)[0]?.metadata?.name;
  await minutes(replace, 1);
  assert.equal(replace.api.all(jobs).length, 1);
  assert.notEqual(replace.api.all(jobs)[0]?.metadata?.name, first);
});

test('what is suspended starts nothing', async () => {
  await using on = plane({ suspend: true });
  await on.quiet();
  await minutes(on, 3);
  assert.equal(on.api.all(jobs).length, 0);
});

test('of times that went by only the last counts, and not when its deadline is over', () => {
  const now = Date.parse('2026-01-01T12:00:30Z');
  const cron = (schedule: string, startingDeadlineSeconds?: number): CronJob => ({
    metadata: { creationTimestamp: '2026-01-01T10:00:00Z' },
    spec: { schedule, ...(startingDeadlineSeconds !== undefined && { startingDeadlineSeconds }) },
  });
  const due = whatIsDue(cron('*/30 * * * *'), now);
  assert.deepEqual(
    [due.at, due.next],
    [Date.parse('2026-01-01T12:00:00Z'), Date.parse('2026-01-01T12:30:00Z')],
  );
  assert.equal(whatIsDue(cron('*/30 * * * *', 10), now).at, undefined);
  assert.equal(whatIsDue(cron('0 0 1 1 *'), now).at, undefined);
  const many = whatIsDue(cron('* * * * *'), now);
  assert.deepEqual([many.at, many.many], [Date.parse('2026-01-01T12:00:00Z'), true]);
});

test('schedules', () => {
  const next = (schedule: string, after: string, zone?: string): string | undefined => {
    const at = parseSchedule(schedule, zone).next(Date.parse(after));
    return at === undefined ? undefined : rfc3339(at);
  };
  const from = '2026-01-01T10:07:30Z'; // A Thursday.
  assert.equal(next('*/15 * * * *', from), '2026-01-01T10:15:00Z');
  assert.equal(next('7 10 * * ?', from), '2026-01-02T10:07:00Z');
  assert.equal(next('0 9-17/4 * * mon-fri', from), '2026-01-01T13:00:00Z');
  assert.equal(next('0 0 13 * fri', from), '2026-01-02T00:00:00Z');
  assert.equal(next('0 0 29 feb *', from), '2028-02-29T00:00:00Z');
  assert.equal(next('0 0 30 2 *', from), undefined);
  assert.equal(next('@weekly', from), '2026-01-04T00:00:00Z');
  assert.equal(next('@every 1h30m', from), '2026-01-01T11:37:30Z');
  assert.equal(next('0 8 * * *', from, 'America/New_York'), '2026-01-01T13:00:00Z');
  assert.equal(next('TZ=Asia/Kolkata 30 16 * * *', from), '2026-01-01T11:00:00Z');
  // In March clocks go from two to three: half past two is left out.
  assert.equal(next('30 2 * * *', '2026-03-29T00:00:00Z', 'Europe/Berlin'), '2026-03-30T00:30:00Z');
  // In October the hour comes twice, and strikes once.
  const first = next('30 2 * * *', '2026-10-24T12:00:00Z', 'Europe/Berlin')!;
  assert.equal(next('30 2 * * *', first, 'Europe/Berlin'), '2026-10-26T01:30:00Z');
});
