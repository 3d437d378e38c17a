/**
 * The one error type that crosses rooms. A code from a closed set says what kind of failure it is; each
 * protocol (exit code, Kubernetes Status, CRI status) has one mapper from code to its own vocabulary.
 */
export type ErrorCode =
  | 'invalid' // the caller's input is wrong; message names the field
  | 'not-found'
  | 'already-exists'
  | 'conflict' // compare-and-swap lost, precondition failed
  | 'expired' // a revision has been compacted away
  | 'unauthenticated'
  | 'forbidden'
  | 'unsupported' // this kernel or host lacks something; message names it
  | 'unavailable' // try again later
  | 'exhausted' // disk, addresses, ports, pids
  | 'timeout'
  | 'cancelled'
  | 'internal';

export interface PlatformErrorOptions {
  readonly cause?: unknown;
  /** Machine-readable facts: field paths, ids, errno names. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** What a person can do about it, one sentence. */
  readonly hint?: string;
}

export class PlatformError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: PlatformErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PlatformError';
    this.code = code;
    this.details = options.details ?? {};
    this.hint = options.hint;
  }
}

/** True when `error` is a PlatformError with one of `codes` (any code when none is given). */
export function isPlatformError(error: unknown, ...codes: readonly ErrorCode[]): error is PlatformError {
  return error instanceof PlatformError && (codes.length === 0 || codes.includes(error.code));
}

/** The message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A broken invariant: a bug of ours, never an expected failure. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
