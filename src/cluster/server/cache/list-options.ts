/** ListOptions of meta/v1 in a query: read as Go reads them, and refused in upstream's words. */
import { forbidden, unsupported, type FieldError } from '../../api/field-error.ts';
import { badRequest, invalidObject, unexplained } from '../failure.ts';
import { flag } from '../request-info.ts';

export interface ListOptions {
  /** 0 for no limit. */
  readonly limit: number;
  readonly continueToken: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  /** Undefined when it is not said. */
  readonly timeoutSeconds: number | undefined;
  readonly bookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
}

/** Throws `BadRequest` for what is no number, and `Invalid` for what does not go together. */
export function listOptionsOf(query: URLSearchParams, watch: boolean): ListOptions {
  const initial = query.get('sendInitialEvents');
  const options: ListOptions = {
    limit: Math.max(0, numberOf(query, 'limit') ?? 0),
    continueToken: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
    timeoutSeconds: numberOf(query, 'timeoutSeconds'),
    bookmarks: flag(query, 'allowWatchBookmarks'),
    sendInitialEvents: initial === null ? undefined : flag(query, 'sendInitialEvents'),
  };
  const errors = watch ? watchErrors(options) : listErrors(options);
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind: 'ListOptions', name: '' }, errors);
  return options;
}

const MATCH = 'resourceVersionMatch';

function listErrors(options: ListOptions): FieldError[] {
  const { resourceVersionMatch: match, resourceVersion, continueToken, sendInitialEvents } = options;
  const errors: FieldError[] = [];
  if (match !== '') {
    if (resourceVersion === '')
      errors.push(forbidden(MATCH, `${MATCH} is forbidden unless resourceVersion is provided`));
    if (continueToken !== '')
      errors.push(forbidden(MATCH, `${MATCH} is forbidden when continue is provided`));
    if (match !== 'Exact' && match !== 'NotOlderThan')
      errors.push(unsupported(MATCH, match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && resourceVersion === '0')
      errors.push(forbidden(MATCH, `${MATCH} "exact" is forbidden for resourceVersion "0"`));
  }
  if (sendInitialEvents !== undefined)
    errors.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  return errors;
}

function watchErrors(options: ListOptions): FieldError[] {
  const { resourceVersion, continueToken, sendInitialEvents } = options;
  const isPlain = options.resourceVersionMatch === '' && sendInitialEvents === undefined;
  // What begins with the present state is as if it had asked for that.
  const asks = isPlain && (resourceVersion === '' || resourceVersion === '0');
  const match = asks ? 'NotOlderThan' : options.resourceVersionMatch;
  const errors: FieldError[] = [];
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan')
    errors.push(forbidden(MATCH, `sendInitialEvents requires setting ${MATCH} to NotOlderThan`));
  if (match === '') return errors;
  if (sendInitialEvents === undefined && !asks)
    errors.push(forbidden(MATCH, `${MATCH} is forbidden for watch unless sendInitialEvents is provided`));
  if (match !== 'NotOlderThan') errors.push(unsupported(MATCH, match, ['NotOlderThan']));
  if (continueToken !== '') errors.push(forbidden(MATCH, `${MATCH} is forbidden when continue is provided`));
  return errors;
}

/** Undefined when it is absent; throws for what is no 64-bit integer. */
export function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const why = numberProblem(text, /^[+-]?\d+$/, [-(2n ** 63n), 2n ** 63n - 1n]);
  if (why !== undefined) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: ${why}`);
  return Number(text);
}

function numberProblem(
  text: string,
  form: RegExp,
  [least, most]: readonly [bigint, bigint],
): string | undefined {
  if (!form.test(text)) return 'invalid syntax';
  // More digits than any number of 64 bits has.
  if (text.length > 40) return 'value out of range';
  const value = BigInt(text.replace(/^\+/, ''));
  return value < least || value > most ? 'value out of range' : undefined;
}

/** Throws for what is no version of an object that is sent. */
export function checkSentVersion(text: string): void {
  const why = text === '' ? undefined : numberProblem(text, /^\d+$/, [0n, 2n ** 64n - 1n]);
  if (why !== undefined) throw unexplained(`strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`);
}

/** The number in a resourceVersion; '' and '0' are 0. What is none is the client's fault only in a list. */
export function parseVersion(text: string, inList = false): number {
  if (text === '') return 0;
  const why = numberProblem(text, /^\d+$/, [0n, 2n ** 64n - 1n]);
  if (why === undefined) return Number(text);
  const error = `strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`;
  const message = `resourceVersion: Invalid value: ${JSON.stringify(text)}: ${error}`;
  throw inList ? badRequest(`invalid resource version: ${message}`) : unexplained(message);
}
