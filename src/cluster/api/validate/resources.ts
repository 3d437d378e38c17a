import { invalid, required, type FieldError } from '../field-error.ts';
import { objectAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { compareQuantities, tryParseQuantity } from '../quantity.ts';
import { qualifiedName } from './names.ts';

/** Resources without a domain that containers may ask for. */
const STANDARD = /^(cpu|memory|ephemeral-storage|hugepages-.+)$/;

export function validateResources(container: JsonObject, field: string): FieldError[] {
  const at = `${field}.resources`;
  const limits = objectAt(container, 'resources', 'limits');
  const requests = objectAt(container, 'resources', 'requests');
  const errors = [...validateAmounts(limits, `${at}.limits`), ...validateAmounts(requests, `${at}.requests`)];
  for (const name of Object.keys(requests)) {
    const request = tryParseQuantity(stringAt(requests, name));
    const limit = tryParseQuantity(stringAt(limits, name));
    if (request === undefined) continue;
    if (limit === undefined) {
      if (name.includes('/') || name.startsWith('hugepages-')) {
        errors.push(required(`${at}.limits`, 'Limit must be set for non overcommitable resources'));
      }
    } else if (compareQuantities(request, limit) > 0) {
      errors.push(
        invalid(
          `${at}.requests`,
          requests[name],
          `must be less than or equal to ${name} limit of ${stringAt(limits, name)}`,
        ),
      );
    } else if (name.includes('/') && compareQuantities(request, limit) !== 0) {
      errors.push(
        invalid(
          `${at}.requests`,
          requests[name],
          `must be equal to ${name} limit of ${stringAt(limits, name)}`,
        ),
      );
    }
  }
  return errors;
}

function validateAmounts(amounts: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, value] of Object.entries(amounts)) {
    errors.push(...qualifiedName(name).map((detail) => invalid(field, name, detail)));
    if (!name.includes('/') && !STANDARD.test(name)) {
      errors.push(invalid(`${field}[${name}]`, name, 'must be a standard resource for containers'));
    }
    const quantity = tryParseQuantity(textOf(value));
    if (quantity !== undefined && quantity.nano < 0n) {
      errors.push(invalid(`${field}[${name}]`, value, 'must be greater than or equal to 0'));
    }
    if (quantity !== undefined && name.includes('/') && quantity.nano % 1_000_000_000n !== 0n) {
      errors.push(invalid(`${field}[${name}]`, value, 'must be an integer'));
    }
  }
  return errors;
}
