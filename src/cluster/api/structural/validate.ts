/** A value against a structural schema, in the words of upstream's validator. */
import { goQuote, invalid, required, tooLong, unsupported, type FieldError } from '../field-error.ts';
import { getOwn, isJsonObject, jsonEqual, type JsonObject, type JsonValue } from '../json.ts';
import { tooMany } from '../validate/checks.ts';
import { patternProblem } from '../pattern/lazy.ts';
import { formatProblem } from './formats.ts';
import { isSchema } from './prune.ts';
import type { Checks, Structural } from './schema.ts';

/** Complaints about a value that has been pruned and has its defaults. */
export function validateValue(value: JsonValue, schema: Structural, path = ''): FieldError[] {
  const errors: FieldError[] = [];
  visit(value, schema, path, errors);
  return errors;
}

/** The field of complaints that upstream gives none. */
const NO_FIELD = '<nil>';

function visit(value: JsonValue, schema: Structural, path: string, errors: FieldError[]): void {
  if (value === null) {
    if (!schema.nullable && schema.type !== '') errors.push(wrongType(value, schema.type, path));
    return;
  }
  if (!hasType(value, schema)) {
    errors.push(wrongType(value, schema.intOrString ? 'integer,string' : schema.type, path));
    return;
  }
  checkValue(value, schema, path, errors);
  if (Array.isArray(value)) visitItems(value, schema, path, errors);
  else if (isJsonObject(value)) visitFields(value, schema, path, errors);
}

function hasType(value: JsonValue, { type, intOrString }: Structural): boolean {
  if (intOrString) return typeof value === 'string' || Number.isInteger(value);
  switch (type) {
    case '':
      return true;
    case 'object':
      return isJsonObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function typeName(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
}

function wrongType(value: JsonValue, type: string, path: string): FieldError {
  const what = typeName(value);
  return {
    ...invalid(path, what, `${path} in body must be of type ${type}: ${JSON.stringify(what)}`),
  };
}

function visitItems(
  value: readonly JsonValue[],
  schema: Structural,
  path: string,
  errors: FieldError[],
): void {
  const { items, listType, listMapKeys } = schema;
  const seen = new Set<string>();
  value.forEach((item, index) => {
    const at = `${path}[${index}]`;
    if (items !== undefined) visit(item, items, at, errors);
    if (listType !== 'set' && listType !== 'map') return;
    const key = JSON.stringify(listType === 'set' ? item : keysOf(item, listMapKeys, items));
    if (seen.has(key))
      errors.push({ type: 'Duplicate value', field: at, value: JSON.parse(key) as JsonValue, detail: '' });
    seen.add(key);
  });
}

function keysOf(item: JsonValue, keys: readonly string[], items: Structural | undefined): JsonObject {
  const found: JsonObject = {};
  for (const key of keys) {
    const value = isJsonObject(item) ? getOwn(item, key) : undefined;
    found[key] = value ?? items?.properties.get(key)?.defaultValue ?? null;
  }
  return found;
}

function visitFields(value: JsonObject, schema: Structural, path: string, errors: FieldError[]): void {
  for (const [name, property] of schema.properties) {
    const child = getOwn(value, name);
    if (child !== undefined) visit(child, property, path === '' ? name : `${path}.${name}`, errors);
  }
  if (!isSchema(schema.additional)) return;
  for (const [name, child] of Object.entries(value)) {
    if (child === undefined || schema.properties.has(name)) continue;
    visit(child, schema.additional, path === '' ? name : `${path}.${name}`, errors);
  }
}

/** The keywords of one level: those of the schema itself, and those of its branches. */
function checkValue(
  value: JsonValue,
  { checks, format }: Structural,
  path: string,
  errors: FieldError[],
): void {
  const bad = (detail: string): void => void errors.push(invalid(path, value, `${path} in body ${detail}`));
  if (checks.enum !== undefined && !checks.enum.some((one) => jsonEqual(one, value))) {
    errors.push(
      unsupported(
        path,
        value,
        checks.enum.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))),
      ),
    );
  }
  if (typeof value === 'number') checkNumber(value, checks, bad);
  else if (typeof value === 'string') checkString(value, checks, path, errors);
  else if (Array.isArray(value)) checkArray(value, checks, path, errors);
  else if (isJsonObject(value)) checkObject(value, checks, path, errors);
  const problem = formatProblem(format, value);
  if (problem !== undefined) errors.push(invalid(path, value, `${path} in body ${problem}`));
  checkBranches(value, checks, path, errors);
}

function checkNumber(value: number, checks: Checks, bad: (detail: string) => void): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = checks;
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    bad(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  }
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    bad(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  }
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf))
    bad(`should be a multiple of ${multipleOf}`);
}

function checkString(value: string, checks: Checks, path: string, errors: FieldError[]): void {
  const { minLength, maxLength, pattern } = checks;
  const bad = (detail: string): void => void errors.push(invalid(path, value, `${path} in body ${detail}`));
  // In characters, not in UTF-16 units.
  const length = minLength === undefined && maxLength === undefined ? 0 : Array.from(value).length;
  // What is counted in characters is complained about in bytes.
  if (maxLength !== undefined && length > maxLength) errors.push(tooLong(path, maxLength));
  if (minLength !== undefined && length < minLength) bad(`should be at least ${minLength} chars long`);
  if (pattern === undefined) return;
  // Stored when other patterns were taken than are now.
  const problem = patternProblem(pattern.source);
  if (problem !== undefined) bad(`should match '${pattern.source}, but pattern is invalid: ${problem}'`);
  else if (!pattern.test(value)) bad(`should match '${pattern.source}'`);
}

function checkArray(value: readonly JsonValue[], checks: Checks, path: string, errors: FieldError[]): void {
  const { minItems, maxItems, uniqueItems } = checks;
  if (minItems !== undefined && value.length < minItems) {
    errors.push(invalid(path, value.length, `${path} in body should have at least ${minItems} items`));
  }
  if (maxItems !== undefined && value.length > maxItems) {
    errors.push(...tooMany(path, value.length, maxItems));
  }
  if (uniqueItems && value.some((item, index) => value.slice(0, index).some((one) => jsonEqual(one, item)))) {
    errors.push(invalid(path, [...value], `${path} in body shouldn't contain duplicates`));
  }
}

function checkObject(value: JsonObject, checks: Checks, path: string, errors: FieldError[]): void {
  const { minProperties, maxProperties } = checks;
  for (const name of checks.required) {
    if (getOwn(value, name) === undefined) errors.push(required(path === '' ? name : `${path}.${name}`));
  }
  const count = Object.keys(value).length;
  if (minProperties !== undefined && count < minProperties) {
    errors.push(invalid(path, count, `${path} in body should have at least ${minProperties} properties`));
  }
  if (maxProperties !== undefined && count > maxProperties) {
    errors.push(...tooMany(path, count, maxProperties));
  }
}

function checkBranches(value: JsonValue, checks: Checks, path: string, errors: FieldError[]): void {
  const problems = (branch: Structural): FieldError[] => validateValue(value, branch, path);
  const bad = (detail: string): void => {
    errors.push({ ...invalid(NO_FIELD, '', `${goQuote(path)} ${detail}`), about: path });
  };
  /** The branch that the value came closest to says what is missing. */
  const closest = (all: readonly FieldError[][]): void => {
    const [best] = all.toSorted((a, b) => a.length - b.length);
    errors.push(...(best ?? []));
  };
  const any = checks.anyOf.map(problems);
  if (any.length > 0 && any.every((found) => found.length > 0)) {
    bad('must validate at least one schema (anyOf)');
    closest(any);
  }
  const one = checks.oneOf.map(problems);
  const valid = one.filter((found) => found.length === 0).length;
  if (one.length > 0 && valid !== 1) {
    const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
    bad(`must validate one and only one schema (oneOf). ${found}`);
    if (valid === 0) closest(one);
  }
  const all = checks.allOf.map(problems);
  const failed = all.filter((found) => found.length > 0);
  errors.push(...failed.flat());
  if (failed.length > 0) {
    bad(`must validate all the schemas (allOf)${failed.length === all.length ? '. None validated' : ''}`);
  }
  if (checks.not !== undefined && problems(checks.not).length === 0)
    bad('must not validate the schema (not)');
}

/**
 * Ratcheting: complaints about what was already so before an update do not count (KEP-4008). A complaint is about a
 * value; when the value at its path is the same as before, nobody has made it worse. An item of a list has an item
 * before it only by the list's keys; in any other list it counts as changed with the list as a whole.
 */
export function ratcheted(
  errors: readonly FieldError[],
  { schema, value, old }: { readonly schema: Structural; readonly value: JsonValue; readonly old: JsonValue },
): FieldError[] {
  return errors.filter(({ field: named, about, type }) => {
    const field = about ?? named;
    const path = type === 'Required value' ? field.slice(0, Math.max(field.lastIndexOf('.'), 0)) : field;
    const [now, before] = correlated(path.match(/[^.[\]]+/g) ?? [], schema, [value, old]);
    return before === undefined || now === undefined || !jsonEqual(now, before);
  });
}

type Sides = readonly [now: JsonValue | undefined, before: JsonValue | undefined];

/** What stands at the path now, and what did before; of a list whose items cannot be told apart, the list. */
function correlated([step, ...rest]: readonly string[], schema: Structural | undefined, sides: Sides): Sides {
  const [now, before] = sides;
  if (step === undefined) return sides;
  if (Array.isArray(now)) {
    if (schema?.listType !== 'map' || !Array.isArray(before)) return sides;
    const item = now[Number(step)];
    const keys = schema.listMapKeys;
    const same = before.find(
      (other) =>
        isJsonObject(item) &&
        isJsonObject(other) &&
        keys.every((key) => jsonEqual(getOwn(item, key) ?? null, getOwn(other, key) ?? null)),
    );
    return correlated(rest, schema.items, [item, same]);
  }
  const inner =
    schema?.properties.get(step) ?? (typeof schema?.additional === 'object' ? schema.additional : undefined);
  const at = (side: JsonValue | undefined): JsonValue | undefined =>
    isJsonObject(side) ? getOwn(side, step) : undefined;
  return correlated(rest, inner, [at(now), at(before)]);
}
