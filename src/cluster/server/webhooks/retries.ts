/** Questions that are asked again when the other is not there, or not yet: as often, and after as long, as upstream does. */
import { sleep, type Clock } from '../../../base/clock.ts';
import { isPlatformError } from '../../../base/errors.ts';
import type { Random } from '../../../base/random.ts';

const TRIES = 5;
const FIRST_MS = 500;
const FACTOR = 1.5;
const JITTER = 0.2;
const TRY_AGAIN: ReadonlySet<unknown> = new Set([429, 500, 503, 504]);

export interface RetryParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Nobody waits any more. */
  readonly signal: AbortSignal;
}

export async function withRetries<T>(call: () => Promise<T>, parts: RetryParts): Promise<T> {
  let pause = FIRST_MS;
  for (let tried = 1; ; tried++) {
    try {
      return await call();
    } catch (error) {
      if (tried === TRIES || parts.signal.aborted || !mayPass(error)) throw error;
      await sleep(parts.clock, pause * (1 + JITTER * parts.random.next()), parts.signal);
      pause *= FACTOR;
    }
  }
}

/** A connection that broke, or an answer that says to come back. A silence has taken its time already. */
function mayPass(error: unknown): boolean {
  if (!isPlatformError(error, 'unavailable')) return false;
  const { status } = error.details;
  return status === undefined
    ? /ECONNRESET|socket hang up|unexpected EOF/.test(error.message)
    : TRY_AGAIN.has(status);
}
