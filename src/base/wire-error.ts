import { errorMessage, isPlatformError, PlatformError, type ErrorCode } from './errors.ts';

/** A failure as it goes from thread to thread: a structured clone of an error would lose what is ours. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

export function toWireError(error: unknown): WireError {
  return isPlatformError(error)
    ? { code: error.code, message: error.message, hint: error.hint, details: error.details }
    : { code: 'internal', message: errorMessage(error), hint: undefined, details: {} };
}

export function fromWireError({ code, message, hint, details }: WireError): PlatformError {
  return new PlatformError(code, message, { details, ...(hint === undefined ? {} : { hint }) });
}
