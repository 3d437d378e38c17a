/** When a cron job was to start a job, and which of its jobs are kept. */
import type { CronJob, Job } from '../api/generated/batch-v1.ts';
import { parseSchedule, type Schedule } from './cron-schedule.ts';
import { finalCondition } from './job-planner.ts';

export interface Due {
  /** The latest time that was to start a job and has not, in milliseconds since the epoch. */
  readonly at: number | undefined;
  /** So many times have gone by that something is wrong with clocks or controllers. */
  readonly many: boolean;
  /** The next time, after now. */
  readonly next: number | undefined;
}

const MANY = 100;

export function whatIsDue(cron: CronJob, now: number): Due {
  const { schedule = '', timeZone, startingDeadlineSeconds } = cron.spec ?? {};
  const times = parseSchedule(schedule, timeZone);
  const last = Date.parse(cron.status?.lastScheduleTime ?? cron.metadata?.creationTimestamp ?? '');
  const known = Number.isNaN(last) ? now : last;
  // What should have started before that is not started any more.
  const deadline = startingDeadlineSeconds === undefined ? -Infinity : now - startingDeadlineSeconds * 1000;
  const from = Math.max(known, deadline);
  let many = from;
  for (let i = 0; i <= MANY && many <= now; i++) many = times.next(many) ?? Infinity;
  return { at: latest(times, from, now), many: many <= now, next: times.next(now) };
}

/** The last time after `from` and not after `now`: looked for from the end, for there may be very many. */
function latest(times: Schedule, from: number, now: number): number | undefined {
  let found: number | undefined;
  for (let window = 60_000; found === undefined; window *= 2) {
    const start = Math.max(from, now - window);
    for (let time = times.next(start); time !== undefined && time <= now; time = times.next(time))
      found = time;
    if (start === from) break;
  }
  return found;
}

/** Finished jobs beyond the limits of history, oldest first. */
export function beyondHistory(cron: CronJob, jobs: readonly Job[]): readonly Job[] {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cron.spec ?? {};
  const ended = (type: string): Job[] =>
    jobs
      .filter((job) => finalCondition(job.status)?.type === type)
      .toSorted((a, b) => startOf(a).localeCompare(startOf(b)));
  const surplus = (list: readonly Job[], limit: number): readonly Job[] =>
    list.slice(0, Math.max(0, list.length - limit));
  return [
    ...surplus(ended('Complete'), successfulJobsHistoryLimit),
    ...surplus(ended('Failed'), failedJobsHistoryLimit),
  ];
}

function startOf(job: Job): string {
  return `${job.status?.startTime ?? job.metadata?.creationTimestamp ?? ''} ${job.metadata?.name ?? ''}`;
}
