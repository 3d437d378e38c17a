/** Without priority and fairness: so many requests at once that read, so many that write, and no queue. */
import type { Handler } from '../context.ts';
import { tooManyRequests } from '../failure.ts';
import { isLongRunning } from '../request-info.ts';

const READS = new Set(['get', 'list', 'watch']);

export interface InFlightLimits {
  /** Requests that read; 0: as many as come. */
  readonly reading: number;
  /** Requests that write; 0: as many as come. */
  readonly writing: number;
}

export const DEFAULT_IN_FLIGHT: InFlightLimits = { reading: 400, writing: 200 };

export function maxInFlight(limits: InFlightLimits): Handler {
  const running = { reading: 0, writing: 0 };
  return async ({ info, user }, next) => {
    const kind = READS.has(info.verb) ? 'reading' : 'writing';
    // Administrators can get in when nobody else can.
    const exempt = limits[kind] === 0 || isLongRunning(info) || user.groups.includes('system:masters');
    if (exempt) return await next();
    if (running[kind] >= limits[kind]) throw tooManyRequests(1);
    running[kind]++;
    try {
      return await next();
    } finally {
      running[kind]--;
    }
  };
}
