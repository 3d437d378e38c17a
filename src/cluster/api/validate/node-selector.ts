/** What nodes are wanted: terms of pods' affinity, volumes and device slices. */
import { append } from '../../../base/append.ts';
import { forbidden, invalid, required, type FieldError } from '../field-error.ts';
import { listAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { formed } from './checks.ts';
import { dns1123Subdomain, labelValue, qualifiedName } from './names.ts';

export function validateNodeSelector(selector: JsonObject, field: string): FieldError[] {
  const at = `${field}.nodeSelectorTerms`;
  const terms = objectsAt(selector, 'nodeSelectorTerms');
  if (terms.length === 0) return [required(at, 'must have at least one node selector term')];
  return terms.flatMap((term, index) => validateNodeTerm(term, `${at}[${index}]`));
}

export function validateNodeTerm(term: JsonObject, field: string, anyValue = false): FieldError[] {
  return [
    ...objectsAt(term, 'matchExpressions').flatMap((item, index) =>
      validateExpression(item, `${field}.matchExpressions[${index}]`, anyValue),
    ),
    ...objectsAt(term, 'matchFields').flatMap((item, index) =>
      validateField(item, `${field}.matchFields[${index}]`),
    ),
  ];
}

function validateExpression(item: JsonObject, at: string, anyValue: boolean): FieldError[] {
  const values = listAt(item, 'values');
  const operator = stringAt(item, 'operator');
  const errors: FieldError[] = [];
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) {
        errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        errors.push(
          forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        );
      }
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) {
        errors.push(
          required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"),
        );
      }
      break;
    default:
      errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
  }
  const key = stringAt(item, 'key');
  append(
    errors,
    qualifiedName(key).map((detail) => invalid(`${at}.key`, key, detail)),
  );
  for (const [index, value] of anyValue ? [] : values.entries()) {
    append(
      errors,
      labelValue(textOf(value)).map((detail) => invalid(`${at}.values[${index}]`, value, detail)),
    );
  }
  return errors;
}

/** The only field of a node that selects it is its name. */
function validateField(item: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const operator = stringAt(item, 'operator');
  const values = listAt(item, 'values');
  if (operator !== 'In' && operator !== 'NotIn') {
    errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
  } else if (values.length !== 1) {
    const detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
    errors.push(required(`${at}.values`, detail));
  }
  const key = stringAt(item, 'key');
  if (key !== 'metadata.name') {
    return [...errors, invalid(`${at}.key`, key, 'not a valid field selector key')];
  }
  for (const [index, value] of values.entries()) {
    append(errors, formed(textOf(value), `${at}.values[${index}]`, dns1123Subdomain));
  }
  return errors;
}
