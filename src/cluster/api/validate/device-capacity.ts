/** How much of a device one allocation may take, where several share it. */
import { append } from '../../../base/append.ts';
import { duplicate, forbidden, invalid, required, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, textOf, type JsonObject, type JsonValue } from '../json.ts';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  parseQuantity,
  formatQuantity,
  quantityValue,
} from '../quantity.ts';
import { tooMany } from './checks.ts';

const MAX_VALUES = 10;

export function validateCapacity(amount: JsonObject, at: string, isShared: boolean): FieldError[] {
  const policy = amount['requestPolicy'];
  if (!isJsonObject(policy)) return [];
  const here = `${at}.requestPolicy`;
  if (!isShared) return [forbidden(here, 'allowMultipleAllocations must be true')];
  const values = listAt(policy, 'validValues').map((value) => textOf(value));
  const range = policy['validRange'];
  if (values.length > 0 && isJsonObject(range)) {
    const detail =
      'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time';
    return [forbidden(here, detail)];
  }
  const most = quantityText(amount['value'] ?? '0');
  const usual = policy['default'];
  const kind = values.length > 0 ? 'validValues' : isJsonObject(range) ? 'validRange' : undefined;
  if (kind === undefined) return [];
  if (usual === undefined) return [required(`${here}.default`, `required when ${kind} is defined`)];
  const sizes = { most, usual: quantityText(usual) };
  return isJsonObject(range)
    ? validateRange(range, sizes, `${here}.validRange`)
    : validateValues(values.map(quantityText), sizes, `${here}.validValues`);
}

interface Sizes {
  /** All of the device. */
  readonly most: string;
  /** What is taken when nobody says. */
  readonly usual: string;
}

function quantityText(value: JsonValue): string {
  const text = textOf(value);
  return canonicalQuantity(text) ?? text;
}

function isMore(some: string, than: string): boolean {
  return compareQuantities(parseQuantity(some), parseQuantity(than)) > 0;
}

function validateValues(values: readonly string[], { most, usual }: Sizes, at: string): FieldError[] {
  const errors: FieldError[] = [];
  values.forEach((value, index) => {
    const before = values[index - 1];
    if (before !== undefined && isMore(before, value)) {
      errors.push(invalid(`${at}[${index}]`, value, 'values must be sorted in ascending order'));
    }
  });
  const many = tooMany(at, values.length, MAX_VALUES);
  append(errors, many);
  let isUsualIn = false;
  if (many.length === 0) {
    const seen = new Set<number>();
    values.forEach((value, index) => {
      if (isMore(value, most)) {
        errors.push(invalid(`${at}[${index}]`, value, `option is larger than capacity value: ${most}`));
      }
      isUsualIn ||= compareQuantities(parseQuantity(value), parseQuantity(usual)) === 0;
    });
    values.forEach((value, index) => {
      const size = quantityValue(value);
      if (seen.has(size)) errors.push(duplicate(`${at}[${index}]`, String(size)));
      seen.add(size);
    });
  }
  if (!isUsualIn) {
    errors.push(invalid(at, usual, 'default value is not valid according to the requestPolicy'));
  }
  return errors;
}

function validateRange(range: JsonObject, { most, usual }: Sizes, at: string): FieldError[] {
  if (range['min'] === undefined) return [required(`${at}.min`, 'required when validRange is defined')];
  const least = quantityText(range['min']);
  const errors: FieldError[] = [];
  const say = (key: string, value: string, detail: string): void =>
    void errors.push(invalid(`${at}.${key}`, value, detail));
  if (isMore(least, most)) say('min', least, `min is larger than capacity value: ${most}`);
  if (isMore(least, usual)) say('min', usual, `default is less than min: ${least}`);
  const upTo = range['max'] === undefined ? undefined : quantityText(range['max']);
  if (upTo !== undefined) {
    if (isMore(least, upTo)) say('max', least, `min is larger than max: ${upTo}`);
    if (isMore(upTo, most)) say('max', upTo, `max is larger than capacity value: ${most}`);
    if (isMore(usual, upTo)) say('max', usual, `default is more than max: ${upTo}`);
  }
  if (range['step'] === undefined) return errors;
  const step = quantityText(range['step']);
  const next = formatQuantity(addQuantities(parseQuantity(least), parseQuantity(step)));
  if (isMore(next, most)) say('step', step, `one step ${next} is larger than capacity value: ${most}`);
  for (const value of [usual, ...(upTo === undefined ? [] : [upTo])]) {
    const stepSize = quantityValue(step);
    // Upstream divides by it, whatever it is: here nothing is a multiple of nothing.
    if (stepSize !== 0 && (quantityValue(value) - quantityValue(least)) % stepSize === 0) continue;
    say('step', value, `value is not a multiple of a given step (${step}) from (${least})`);
  }
  return errors;
}
