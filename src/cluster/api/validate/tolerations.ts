import { invalid, unsupported, type FieldError } from '../field-error.ts';
import { stringAt, type JsonObject } from '../json.ts';
import { qualifiedName } from './names.ts';

const OPERATORS = ['Equal', 'Exists', 'Gt', 'Lt'];
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateTolerations(tolerations: readonly JsonObject[], field: string): FieldError[] {
  return tolerations.flatMap((toleration, index) => {
    const at = `${field}[${index}]`;
    const errors: FieldError[] = [];
    const key = stringAt(toleration, 'key');
    const operator = stringAt(toleration, 'operator');
    const effect = stringAt(toleration, 'effect');
    if (key !== '') errors.push(...qualifiedName(key).map((detail) => invalid(`${at}.key`, key, detail)));
    else if (operator !== 'Exists') {
      errors.push(
        invalid(
          `${at}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    }
    if (operator !== '' && !OPERATORS.includes(operator)) {
      errors.push(unsupported(`${at}.operator`, operator, OPERATORS));
    }
    if (operator === 'Exists' && stringAt(toleration, 'value') !== '') {
      errors.push(invalid(`${at}.operator`, toleration, "value must be empty when `operator` is 'Exists'"));
    }
    if (effect !== '' && !EFFECTS.includes(effect)) errors.push(unsupported(`${at}.effect`, effect, EFFECTS));
    if (toleration['tolerationSeconds'] !== undefined && effect !== 'NoExecute') {
      errors.push(
        invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    }
    return errors;
  });
}
