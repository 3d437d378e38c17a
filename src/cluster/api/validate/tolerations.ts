import { append } from '../../../base/append.ts';
import { invalid, unsupported, type FieldError } from '../field-error.ts';
import { stringAt, type JsonObject } from '../json.ts';
import { formed, notSupported } from './checks.ts';
import { labelValue, qualifiedName } from './names.ts';

const OPERATORS = ['Equal', 'Exists'];
const NUMERIC = ['Lt', 'Gt'];
export const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateTolerations(tolerations: readonly JsonObject[], field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (let index = 0; index < tolerations.length; index++) {
    const toleration = tolerations[index]!;
    const at = `${field}[${index}]`;
    const key = stringAt(toleration, 'key');
    const operator = stringAt(toleration, 'operator');
    const effect = stringAt(toleration, 'effect');
    if (key !== '') append(errors, formed(key, `${at}.key`, qualifiedName));
    else if (operator !== 'Exists') {
      errors.push(
        invalid(
          `${at}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    }
    if (toleration['tolerationSeconds'] !== undefined && effect !== 'NoExecute') {
      errors.push(
        invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    }
    append(errors, validateValue(operator, stringAt(toleration, 'value'), `${at}.operator`));
    if (effect !== '') append(errors, notSupported(effect, `${at}.effect`, EFFECTS));
  }
  return errors;
}

/** Upstream puts what is wrong with the value on the operator. */
function validateValue(operator: string, value: string, at: string): FieldError[] {
  switch (operator) {
    case '':
    case 'Equal': {
      const wrong = labelValue(value);
      return wrong.length === 0 ? [] : [invalid(at, value, wrong.join(';'))];
    }
    case 'Exists':
      return value === '' ? [] : [invalid(at, value, "value must be empty when `operator` is 'Exists'")];
    default:
      // Upstream names those that a feature would add to whoever wants one of them, and to nobody else.
      return [unsupported(at, operator, NUMERIC.includes(operator) ? [...OPERATORS, ...NUMERIC] : OPERATORS)];
  }
}
