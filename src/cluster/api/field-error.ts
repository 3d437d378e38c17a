import { PlatformError } from '../../base/errors.ts';
import type { JsonValue } from './json.ts';

export type FieldErrorType =
  | 'Required value'
  | 'Invalid value'
  | 'Unsupported value'
  | 'Duplicate value'
  | 'Not found'
  | 'Forbidden'
  | 'Too long'
  | 'Too many'
  | 'Internal error';

/** One complaint about one field, worded as Kubernetes does. */
export interface FieldError {
  readonly type: FieldErrorType;
  /** `spec.containers[0].image`. */
  readonly field: string;
  readonly value?: JsonValue | undefined;
  readonly detail: string;
  /** The complaint is not about one value. */
  readonly hidesValue?: boolean;
}

/** The machine-readable reason of a cause in a Status. */
export const CAUSE_REASONS: Readonly<Record<FieldErrorType, string>> = {
  'Required value': 'FieldValueRequired',
  'Invalid value': 'FieldValueInvalid',
  'Unsupported value': 'FieldValueNotSupported',
  'Duplicate value': 'FieldValueDuplicate',
  'Not found': 'FieldValueNotFound',
  Forbidden: 'FieldValueForbidden',
  'Too long': 'FieldValueTooLong',
  'Too many': 'FieldValueTooMany',
  'Internal error': 'InternalError',
};

export function required(field: string, detail = ''): FieldError {
  return { type: 'Required value', field, detail };
}

export function invalid(field: string, value: JsonValue | undefined, detail: string): FieldError {
  return { type: 'Invalid value', field, value, detail };
}

/** About how several values go together: none of them is shown. */
export function inconsistent(field: string, detail: string): FieldError {
  return { type: 'Invalid value', field, detail, hidesValue: true };
}

export function unsupported(
  field: string,
  value: JsonValue | undefined,
  supported: readonly string[],
): FieldError {
  const list = [...supported].toSorted().map((item) => JSON.stringify(item));
  return { type: 'Unsupported value', field, value, detail: `supported values: ${list.join(', ')}` };
}

export function duplicate(field: string, value: JsonValue | undefined): FieldError {
  return { type: 'Duplicate value', field, value, detail: '' };
}

export function forbidden(field: string, detail: string): FieldError {
  return { type: 'Forbidden', field, detail };
}

export function notFound(field: string, value: JsonValue | undefined): FieldError {
  return { type: 'Not found', field, value, detail: '' };
}

export function tooLong(field: string, maximum: number): FieldError {
  return { type: 'Too long', field, detail: `may not be more than ${maximum} bytes` };
}

/** Without the field: `Invalid value: "x": must be …`. */
export function fieldErrorText({ type, value, detail, hidesValue }: FieldError): string {
  const showsValue =
    hidesValue !== true &&
    type !== 'Required value' &&
    type !== 'Forbidden' &&
    type !== 'Too long' &&
    type !== 'Internal error';
  const shown = showsValue ? `: ${value === undefined ? 'null' : JSON.stringify(value)}` : '';
  return `${type}${shown}${detail === '' ? '' : `: ${detail}`}`;
}

/** All of them as Kubernetes aggregates: one as it is, more in brackets, equal texts once. */
export function formatFieldErrors(errors: readonly FieldError[]): string {
  const texts = [...new Set(errors.map((error) => `${error.field}: ${fieldErrorText(error)}`))];
  return texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
}

/** The error to throw for them: `invalid`, which `statusOf` makes a 422 with a cause for each. */
export function fieldErrorsError(errors: readonly FieldError[]): PlatformError {
  return new PlatformError('invalid', formatFieldErrors(errors), { details: { fieldErrors: errors } });
}
