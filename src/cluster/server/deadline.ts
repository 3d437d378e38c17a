/** How long a request may take that is not meant to last. */
import { PlatformError } from '../../base/errors.ts';
import { durationToNanoseconds } from '../api/time.ts';
import type { Handler, RequestContext } from './context.ts';
import { badRequest } from './failure.ts';
import { isLongRunning } from './request-info.ts';

/** `limitMs`: unless the request itself asks for less, by `timeout=10s`. */
export function deadline(limitMs: number): Handler {
  return (context, next) => {
    if (isLongRunning(context.info)) return next();
    const ms = timeoutOf(context, limitMs);
    const answer = next();
    return new Promise((resolve, reject) => {
      const timer = context.server.clock.after(ms, () => reject(tooLate()));
      const over = (): void => timer[Symbol.dispose]();
      // What comes after the deadline is nobody's any more: nobody hears of its failure either.
      answer.then(resolve, reject).then(over, over);
    });
  };
}

function timeoutOf({ info }: RequestContext, limitMs: number): number {
  const text = info.query.get('timeout') ?? '';
  if (text === '') return limitMs;
  const nanoseconds = durationToNanoseconds(text);
  if (nanoseconds === undefined) {
    const why = /^\d+$/.test(text) ? 'missing unit in' : 'invalid';
    throw badRequest(
      `invalid timeout specified in the request URL - time: ${why} duration ${JSON.stringify(text)}`,
    );
  }
  const ms = nanoseconds / 1e6;
  return ms > 0 ? Math.min(ms, limitMs) : limitMs;
}

function tooLate(): PlatformError {
  return new PlatformError('timeout', 'Timeout: request did not complete within the allotted timeout');
}
