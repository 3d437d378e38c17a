/** What etcd's answers and gRPC's failures mean: to us (may the call be made again?) and to the caller. */
import { errorMessage, isPlatformError, PlatformError } from '../../base/errors.ts';

/** gRPC status codes (https://grpc.io/docs/guides/status-codes/) that are told apart here. */
const CANCELLED = 1;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const OUT_OF_RANGE = 11;
const UNAVAILABLE = 14;
const DATA_LOSS = 15;
const UNAUTHENTICATED = 16;

/**
 * `answered`: etcd has decided. `not-done`: it has certainly not happened. `unknown`: it may have happened, or may
 * happen yet; only a call that changes nothing may be made again.
 */
export type Outcome = 'answered' | 'not-done' | 'unknown';

export interface CallFailure {
  readonly code: number;
  readonly details: string;
}

/** Answers that etcd gives before it proposes anything to its members (etcd's api/v3rpc/rpctypes/error.go). */
const REFUSED_BEFORE = ['etcdserver: no leader', 'etcdserver: too many requests', 'etcdserver: not capable'];

/** What grpc-js says when a call has never left this process. */
const NEVER_SENT = ['No connection established', 'Name resolution failed', 'no connection to'];

export function outcomeOf({ code, details }: CallFailure): Outcome {
  const begins = (texts: readonly string[]): boolean => texts.some((text) => details.startsWith(text));
  if (begins(REFUSED_BEFORE)) return 'not-done';
  if (code === UNAVAILABLE && begins(NEVER_SENT)) return 'not-done';
  // INTERNAL and UNKNOWN are how a stream that breaks in the middle of an answer may look.
  if (code === UNAVAILABLE || code === DEADLINE_EXCEEDED || code === CANCELLED) return 'unknown';
  if (details.startsWith('etcdserver:')) return 'answered';
  const decided = [INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION];
  return [...decided, OUT_OF_RANGE, DATA_LOSS, UNAUTHENTICATED].includes(code) ? 'answered' : 'unknown';
}

/** The failure of a gRPC call, or undefined for anything else that was thrown. */
export function callFailure(error: unknown): CallFailure | undefined {
  const { code, details } = (error ?? {}) as { code?: unknown; details?: unknown };
  return typeof code === 'number' && typeof details === 'string' ? { code, details } : undefined;
}

export interface CallAbout {
  readonly what: string;
  readonly endpoint: string;
  /** An earlier try of the same call may have happened. */
  readonly repeated?: boolean;
}

/**
 * The error that a caller sees. `unavailable`: it has not happened. `timeout` with `details.outcome` "unknown": it may
 * have happened.
 */
export function etcdError(error: unknown, about: CallAbout): PlatformError {
  if (isPlatformError(error)) return error;
  const failure = callFailure(error);
  const name = `etcd ${about.endpoint}`;
  if (failure === undefined)
    return new PlatformError('internal', `${name}: ${about.what}: ${errorMessage(error)}`, { cause: error });
  const { code, details } = failure;
  const text = `${name}: ${about.what}: ${details}`;
  const grpc = { grpc: code, ...(about.repeated === true && { repeated: true }) };
  switch (outcomeOf(failure)) {
    case 'not-done':
      return new PlatformError('unavailable', text, {
        cause: error,
        details: { ...grpc, outcome: 'not-done' },
        hint: 'check that etcd runs and can be reached, and try again',
      });
    case 'unknown':
      return new PlatformError('timeout', `${text}; it may have happened all the same`, {
        cause: error,
        details: { ...grpc, outcome: 'unknown' },
        hint: 'read the object to find out, then try again',
      });
    case 'answered':
      break;
  }
  switch (code) {
    case OUT_OF_RANGE:
      return new PlatformError(details.includes('has been compacted') ? 'expired' : 'invalid', text, {
        cause: error,
        details: grpc,
      });
    case INVALID_ARGUMENT:
      return new PlatformError('invalid', text, {
        cause: error,
        details: grpc,
        ...(details.includes('too large') && {
          hint: 'make the object smaller, or give etcd a larger --max-request-bytes',
        }),
      });
    case NOT_FOUND:
      return new PlatformError('not-found', text, { cause: error, details: grpc });
    case RESOURCE_EXHAUSTED:
      return new PlatformError('exhausted', text, {
        cause: error,
        details: grpc,
        hint: 'compact and defragment etcd, then disarm the alarm with `etcdctl alarm disarm`',
      });
    case PERMISSION_DENIED:
      return new PlatformError('forbidden', text, { cause: error, details: grpc });
    case UNAUTHENTICATED:
      return new PlatformError('unauthenticated', text, { cause: error, details: grpc });
    default:
      return new PlatformError('internal', text, { cause: error, details: grpc });
  }
}
