/** Conditions as most controllers write them (metav1.Condition). */
import { duplicate, invalid, required, tooLong, type FieldError } from '../field-error.ts';
import { numberAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { formed, longerThan, notSupported } from './checks.ts';
import { qualifiedName } from './names.ts';

const STATUSES = ['False', 'True', 'Unknown'];
const REASON = /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/;
const BAD_REASON =
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";
const MAX_REASON = 1024;
const MAX_MESSAGE = 32 * 1024;

/** Those of `status.conditions`. */
export function validateConditions(object: JsonObject): FieldError[] {
  return conditionErrors(objectsAt(object, 'status', 'conditions'), 'status.conditions');
}

export function conditionErrors(conditions: readonly JsonObject[], path: string): FieldError[] {
  const types = conditions.map((condition) => stringAt(condition, 'type'));
  return conditions.flatMap((condition, index) => {
    const at = `${path}[${index}]`;
    const type = types[index] ?? '';
    return [
      ...(types.indexOf(type) < index ? [duplicate(`${at}.type`, type)] : []),
      ...validateCondition(condition, at),
    ];
  });
}

function validateCondition(condition: JsonObject, at: string): FieldError[] {
  const [type, status, reason, since] = (['type', 'status', 'reason', 'lastTransitionTime'] as const).map(
    (key) => stringAt(condition, key),
  ) as [string, string, string, string];
  const errors = [
    ...formed(type, `${at}.type`, qualifiedName),
    ...notSupported(status, `${at}.status`, STATUSES),
  ];
  const generation = numberAt(condition, 'observedGeneration') ?? 0;
  if (generation < 0) {
    const detail = 'must be greater than or equal to zero';
    errors.push(invalid(`${at}.observedGeneration`, generation, detail));
  }
  if (since === '') errors.push(required(`${at}.lastTransitionTime`));
  if (reason === '') errors.push(required(`${at}.reason`));
  else {
    if (!REASON.test(reason)) errors.push(invalid(`${at}.reason`, reason, BAD_REASON));
    if (Buffer.byteLength(reason) > MAX_REASON) errors.push(tooLong(`${at}.reason`, MAX_REASON));
  }
  return [...errors, ...longerThan(stringAt(condition, 'message'), MAX_MESSAGE, `${at}.message`)];
}
