import { PlatformError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from './json.ts';

export type FieldErrorType =
  | 'Required value'
  | 'Invalid value'
  | 'Unsupported value'
  | 'Duplicate value'
  | 'Not found'
  | 'Forbidden'
  | 'Too long'
  | 'Too many'
  | 'Too few'
  | 'Internal error';

/** One complaint about one field, worded as Kubernetes does. */
export interface FieldError {
  readonly type: FieldErrorType;
  /** `spec.containers[0].image`. */
  readonly field: string;
  readonly value?: JsonValue | undefined;
  readonly detail: string;
  /** It is the value's type that is wrong: read like any other wrong value, but with a reason of its own. */
  readonly isType?: boolean;
  /** The complaint is not about one value. */
  readonly hidesValue?: boolean;
  /** The value as upstream writes it, where that is not our JSON. */
  readonly shown?: string;
  /** What it is about, where upstream names no field. */
  readonly about?: string;
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
  'Too few': 'FieldValueTooFew',
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

/** The supported values are listed as they come: upstream sorts most of its lists, not all. */
export function unsupported(
  field: string,
  value: JsonValue | undefined,
  supported: readonly string[],
): FieldError {
  const list = supported.map((item) => goQuote(item));
  return { type: 'Unsupported value', field, value, detail: `supported values: ${list.join(', ')}` };
}

export function duplicate(field: string, value: JsonValue | undefined): FieldError {
  return { type: 'Duplicate value', field, value, detail: '' };
}

export function forbidden(field: string, detail: string): FieldError {
  return { type: 'Forbidden', field, detail };
}

export function notFound(field: string, value: JsonValue | undefined, detail = ''): FieldError {
  return { type: 'Not found', field, value, detail };
}

export function tooLong(field: string, maximum: number): FieldError {
  const most = `may not be more than ${maximum} ${maximum === 1 ? 'byte' : 'bytes'}`;
  return { type: 'Too long', field, detail: maximum < 0 ? 'value is too long' : most };
}

/** Without the field: `Invalid value: "x": must be …`. */
export function fieldErrorText({ type, value, detail, hidesValue, shown: text }: FieldError): string {
  const showsValue =
    hidesValue !== true &&
    type !== 'Required value' &&
    type !== 'Forbidden' &&
    type !== 'Too long' &&
    type !== 'Internal error';
  const shown = showsValue ? `: ${text ?? shownValue(value)}` : '';
  return `${type}${shown}${detail === '' ? '' : `: ${detail}`}`;
}

/** As upstream writes values: texts as Go quotes them, everything else as Go's JSON. */
function shownValue(value: JsonValue | undefined): string {
  if (value === undefined) return 'null';
  if (typeof value === 'string') return goQuote(value);
  return JSON.stringify(value, sortTexts).replaceAll(/[<>&\u2028\u2029]/g, escapeUnicode);
}

/**
 * Labels and their like are maps, and Go writes a map's keys in order. Fields that Go's own names are shown of are in the
 * order of their declaration.
 */
function sortTexts(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if (structs.has(value)) return value;
  const entries = Object.entries(value);
  const isMap = entries.every(([, item]) => typeof item === 'string');
  if (!isMap || entries.every(([key]) => /^[A-Z]/.test(key))) return value;
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** A member of one of upstream's own types. */
export interface GoMember {
  readonly name: string;
  /** The name with a capital when absent. */
  readonly go?: string;
  /** Shown where there is none: an empty text when absent. */
  readonly zero?: JsonValue;
  /** Of an object, or of the objects in a list. */
  readonly members?: readonly GoMember[];
}

/** Shown with their members in the order of their declaration. */
const structs = new WeakSet<object>();

/** A value as upstream shows those of its internal types, which have no names for JSON. */
export function goShown(value: JsonObject, members: readonly GoMember[]): JsonValue {
  const shown = members.map(({ name, go = capitalized(name), zero = '', members: inner }) => {
    const item = value[name];
    if (item === undefined || inner === undefined) return [go, item ?? zero] as const;
    const each = (one: JsonValue): JsonValue => goShown(one as JsonObject, inner);
    return [go, Array.isArray(item) ? item.map(each) : each(item)] as const;
  });
  const struct: JsonObject = Object.fromEntries(shown);
  structs.add(struct);
  return struct;
}

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function escapeUnicode(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const SHORT: Readonly<Record<string, string>> = {
  '\u0007': String.raw`\a`,
  '\b': String.raw`\b`,
  '\f': String.raw`\f`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
  '\v': String.raw`\v`,
};

/** A text as Go's `%q` writes it: what cannot be printed is escaped. */
export function goQuote(text: string): string {
  let result = '"';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (character === '"' || character === '\\') result += `\\${character}`;
    else if (SHORT[character] !== undefined) result += SHORT[character];
    else if (code < 0x20 || code === 0x7f) result += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (character === ' ' || /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(character)) result += character;
    else if (code < 0x10000) result += `\\u${code.toString(16).padStart(4, '0')}`;
    else result += `\\U${code.toString(16).padStart(8, '0')}`;
  }
  return `${result}"`;
}

/** More are counted: each is told twice, and an answer of thirty times the request helps nobody but who wants to do harm. */
export const MAX_TOLD = 10_000;

/** All of them as Kubernetes aggregates: one as it is, more in brackets, equal texts once. */
export function formatFieldErrors(errors: readonly FieldError[]): string {
  const told = errors.slice(0, MAX_TOLD);
  const texts = [...new Set(told.map((error) => `${error.field}: ${fieldErrorText(error)}`))];
  const all = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  return errors.length === told.length ? all : `${all} and ${errors.length - told.length} more`;
}

/** The error to throw for them: `invalid`, which `statusOf` makes a 422 with a cause for each. */
export function fieldErrorsError(errors: readonly FieldError[]): PlatformError {
  return new PlatformError('invalid', formatFieldErrors(errors), { details: { fieldErrors: errors } });
}
