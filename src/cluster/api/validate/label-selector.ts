import { append } from '../../../base/append.ts';
import { forbidden, invalid, required, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { validateLabels } from './metadata.ts';
import { labelValue, qualifiedName } from './names.ts';

/** A LabelSelector object. */
export function validateLabelSelector(selector: JsonObject, field: string): FieldError[] {
  const errors = validateLabels(selector['matchLabels'], `${field}.matchLabels`);
  for (const [index, item] of objectsAt(selector, 'matchExpressions').entries()) {
    const at = `${field}.matchExpressions[${index}]`;
    const operator = stringAt(item, 'operator');
    const values = listAt(item, 'values');
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) {
        errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) {
        errors.push(
          forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
      }
    } else errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
    const key = stringAt(item, 'key');
    append(
      errors,
      qualifiedName(key).map((detail) => invalid(`${at}.key`, key, detail)),
    );
    for (const [position, value] of values.entries()) {
      append(
        errors,
        labelValue(textOf(value)).map((detail) => invalid(`${at}.values[${position}]`, value, detail)),
      );
    }
  }
  return errors;
}

export function isEmptySelector(selector: unknown): boolean {
  if (!isJsonObject(selector)) return true;
  const labels = selector['matchLabels'];
  return (
    (!isJsonObject(labels) || Object.keys(labels).length === 0) &&
    listAt(selector, 'matchExpressions').length === 0
  );
}
