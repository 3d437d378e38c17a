/** What upstream says about a patch whose result is no object of its kind: 422, about the patch and not the object. */
import { errorMessage, isPlatformError, type PlatformError } from '../../../base/errors.ts';
import { invalid } from '../../api/field-error.ts';
import { goJson } from '../../api/go-order.ts';
import { goText } from '../../api/go-text.ts';
import type { JsonValue } from '../../api/json.ts';
import { invalidObject } from '../failure.ts';

/** The result of a strategic merge patch is converted from a map, those of the others are decoded from JSON. */
export type PatchSubject =
  | { readonly strategic: true; readonly patch: JsonValue }
  | { readonly strategic: false; readonly result: () => JsonValue };

export function patchFailure(subject: PatchSubject, why: string): PlatformError {
  const value = subject.strategic ? goText(subject.patch) : goJson(subject.result());
  return invalidObject({ group: '', kind: '', name: '' }, [invalid('patch', value, why)]);
}

const PREFIX = /^.* cannot be handled as an? [^:]+: /;

/** Why the decoder did not take something; undefined for other failures. */
export function undecodedReason(error: unknown): string | undefined {
  const message = errorMessage(error);
  return isPlatformError(error, 'invalid') && PREFIX.test(message) ? message.replace(PREFIX, '') : undefined;
}

/** From a failure of the decoder; anything else is passed on as it is. */
export function undecodable(error: unknown, subject: PatchSubject): unknown {
  const why = undecodedReason(error);
  if (why === undefined) return error;
  return patchFailure(subject, subject.strategic ? conversionText(why) : why);
}

const CONTAINERS: readonly (readonly [prefix: string, text: string])[] = [
  ['[]', 'cannot restore slice from'],
  ['map[', 'cannot restore map from'],
];
const GO_KINDS: Readonly<Record<string, string>> = { array: 'slice', object: 'map', number: 'int64' };
const SCALARS = new Set(['string', 'bool', 'int32', 'int64', 'float64']);

/** The converter's words for what encoding/json calls an unmarshal error. */
function conversionText(why: string): string {
  const [, from = '', to = ''] = /^json: cannot unmarshal (\S+) into .* of type (\S+)$/.exec(why) ?? [];
  if (to === '') return why;
  if (SCALARS.has(to)) return `unrecognized type: ${to}`;
  const kind = GO_KINDS[from] ?? from;
  const container = CONTAINERS.find(([prefix]) => to.startsWith(prefix));
  return container === undefined ? `cannot restore struct from: ${kind}` : `${container[1]} ${kind}`;
}
