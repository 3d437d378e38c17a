import { invalid, unsupported, type FieldError } from '../field-error.ts';
import { stringAt, type JsonObject } from '../json.ts';
import { notSupported } from './checks.ts';
import { labelValue, qualifiedName } from './names.ts';

const OPERATORS = ['Equal', 'Exists'];
/** Upstream names these too where it refuses them. */
const COMPARING = ['Lt', 'Gt'];
export const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

interface Allowed {
  /** Taints may be compared with numbers. */
  readonly compares: boolean;
}

export function validateTolerations(
  tolerations: readonly JsonObject[],
  field: string,
  { compares }: Allowed = { compares: true },
): FieldError[] {
  return tolerations.flatMap((toleration, index) => {
    const at = `${field}[${index}]`;
    const errors: FieldError[] = [];
    const [key, operator, value, effect] = [
      stringAt(toleration, 'key'),
      stringAt(toleration, 'operator'),
      stringAt(toleration, 'value'),
      stringAt(toleration, 'effect'),
    ];
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
    if (toleration['tolerationSeconds'] !== undefined && effect !== 'NoExecute') {
      errors.push(
        invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    }
    if (!compares && COMPARING.includes(operator)) {
      errors.push(unsupported(`${at}.operator`, operator, [...OPERATORS, ...COMPARING]));
    } else errors.push(...validateValue(operator, value, `${at}.operator`));
    if (effect !== '') errors.push(...notSupported(effect, `${at}.effect`, EFFECTS));
    return errors;
  });
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
    case 'Lt':
    case 'Gt':
      return /^(0|-?[1-9]\d*)$/.test(value) && Number.isSafeInteger(Number(value))
        ? []
        : [invalid(at, value, 'must be a valid 64-bit integer, without leading zeros')];
    default:
      return notSupported(operator, at, OPERATORS);
  }
}
