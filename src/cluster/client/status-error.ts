import { PlatformError, type ErrorCode } from '../../base/errors.ts';
import type { Status } from '../api/generated/meta-v1.ts';

/** The error that a Status, or an answer that is none, stands for. `details.status` is the Status itself. */
export function statusError(code: number, status: Status | undefined, what: string): PlatformError {
  const message = status?.message ?? `${what}: HTTP ${code}`;
  return new PlatformError(errorCode(code, status?.reason), message, {
    details: { httpStatus: code, ...(status === undefined ? {} : { status, reason: status.reason }) },
  });
}

function errorCode(code: number, reason: string | undefined): ErrorCode {
  if (reason === 'AlreadyExists') return 'already-exists';
  switch (code) {
    case 401:
      return 'unauthenticated';
    case 403:
      return 'forbidden';
    case 404:
      return 'not-found';
    case 409:
    case 412:
      return 'conflict';
    case 410:
      return 'expired';
    case 429:
      return 'unavailable';
    default:
      return code >= 500 ? 'unavailable' : 'invalid';
  }
}
