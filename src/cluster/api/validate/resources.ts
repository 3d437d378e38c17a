/** What containers, and pods as a whole, ask for and may have at most. */
import { append } from '../../../base/append.ts';
import { duplicate, forbidden, invalid, notFound, required, type FieldError } from '../field-error.ts';
import { objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { compareQuantities, tryParseQuantity, type Quantity } from '../quantity.ts';
import { formed, joined } from './checks.ts';
import { dns1123Label } from './names.ts';
import {
  isHugePages,
  mayOvercommit,
  validateContainerResourceName,
  validateResourceQuantity,
} from './resource-names.ts';

export type ResourceNameRule = (name: string, at: string) => FieldError[];

/** The `resources` of a container, at `field`; `claims` are the names of its pod's. */
export function validateResources(
  container: JsonObject,
  field: string,
  claims: ReadonlySet<string>,
): FieldError[] {
  return validateRequirements(objectAt(container, 'resources'), field, {
    rule: validateContainerResourceName,
    claims,
  });
}

export function validateRequirements(
  requirements: JsonObject,
  field: string,
  how: { readonly rule: ResourceNameRule; readonly claims: ReadonlySet<string> },
): FieldError[] {
  const limits = objectAt(requirements, 'limits');
  const requests = objectAt(requirements, 'requests');
  const errors: FieldError[] = [];
  let isHuge = false;
  let isMeasured = false;
  for (const name of Object.keys(limits)) {
    const value = limits[name];
    isHuge ||= isHugePages(name);
    isMeasured ||= name === 'cpu' || name === 'memory';
    const at = `${field}.limits[${name}]`;
    append(errors, how.rule(name, at));
    append(errors, validateResourceQuantity(name, value, at));
    append(errors, wholePages(name, value, at));
  }
  for (const name of Object.keys(requests)) {
    const value = requests[name];
    isHuge ||= isHugePages(name);
    isMeasured ||= name === 'cpu' || name === 'memory';
    const at = `${field}.requests[${name}]`;
    append(errors, how.rule(name, at));
    append(errors, validateResourceQuantity(name, value, at));
    append(errors, compareToLimit(name, { requests, limits, field }));
    append(errors, wholePages(name, value, at));
  }
  if (isHuge && !isMeasured) {
    errors.push(forbidden(field, 'HugePages require cpu or memory'));
  }
  if (requirements['claims'] === undefined) return errors;
  return joined(errors, validateClaims(requirements, `${field}.claims`, how.claims));
}

function wholePages(name: string, value: JsonObject[string], at: string): FieldError[] {
  if (!isHugePages(name)) return [];
  const size = tryParseQuantity(name.slice('hugepages-'.length));
  const quantity = tryParseQuantity(textOf(value));
  if (size === undefined || quantity === undefined || divides(size, quantity)) return [];
  return [invalid(at, textOf(value), `${textOf(value)} is not positive integer multiple of ${name}`)];
}

function divides(size: Quantity, quantity: Quantity): boolean {
  return size.nano > 0n && quantity.nano >= 0n && quantity.nano % size.nano === 0n;
}

function compareToLimit(
  name: string,
  how: { readonly requests: JsonObject; readonly limits: JsonObject; readonly field: string },
): FieldError[] {
  const { requests, limits, field } = how;
  if (limits[name] === undefined && mayOvercommit(name)) return [];
  const value = textOf(requests[name]);
  const request = tryParseQuantity(value);
  const limit = tryParseQuantity(textOf(limits[name]));
  if (request === undefined) return [];
  if (limits[name] === undefined || limit === undefined) {
    const detail = 'Limit must be set for non overcommitable resources';
    return mayOvercommit(name) ? [] : [required(`${field}.limits`, detail)];
  }
  const order = compareQuantities(request, limit);
  const of = `${name} limit of ${textOf(limits[name])}`;
  if (order !== 0 && !mayOvercommit(name)) {
    return [invalid(`${field}.requests`, value, `must be equal to ${of}`)];
  }
  return order > 0 ? [invalid(`${field}.requests`, value, `must be less than or equal to ${of}`)] : [];
}

/** Claims that a container uses are claims of its pod, whole or a request of them. */
function validateClaims(requirements: JsonObject, field: string, known: ReadonlySet<string>): FieldError[] {
  const names = new Set<string>();
  return objectsAt(requirements, 'claims').flatMap((claim, index) => {
    const at = `${field}[${index}]`;
    const [name, request] = [stringAt(claim, 'name'), stringAt(claim, 'request')];
    if (name === '') return [required(at)];
    const errors: FieldError[] = [];
    if (names.has(name)) errors.push(duplicate(at, name));
    else {
      const key = request === '' ? name : `${name}/${request}`;
      if (request !== '') append(errors, formed(request, `${at}.request`, dns1123Label));
      if (names.has(key)) errors.push(duplicate(at, key));
      else if (request === '') {
        for (const other of names) if (other.startsWith(`${name}/`)) errors.push(duplicate(at, name));
      }
      names.add(key);
    }
    if (!known.has(name)) {
      const list = known.size === 0 ? ' which is empty' : `: ${[...known].toSorted().join(', ')}`;
      errors.push(notFound(at, name, `must be one of the names in pod.spec.resourceClaims${list}`));
    }
    return errors;
  });
}
