/** A value against a structural schema, in the words of upstream's validator. */
import { append } from '../../../base/append.ts';
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
export const NO_FIELD = '<nil>';

/** Upstream asks every keyword that fits the value, also where the type is wrong already. */
function visit(value: JsonValue, schema: Structural, path: string, errors: FieldError[]): void {
  const wrong = wrongType(value, schema, path);
  if (wrong !== undefined) errors.push(wrong);
  if (value !== null) checkBranches(value, schema.checks, path, errors);
  if (typeof value === 'string') checkString(value, schema, path, errors);
  else if (typeof value === 'number') checkNumber(value, schema, path, errors);
  else if (Array.isArray(value)) checkItems(value, schema, path, errors);
  checkEnum(value, schema.checks, path, errors);
  if (isJsonObject(value)) checkObject(value, schema, path, errors);
}

const joined = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

function wrongType(value: JsonValue, schema: Structural, path: string): FieldError | undefined {
  const { format, nullable, types } = schema;
  const wanted = types.join(',');
  const what = typeName(value);
  if (value === null) return wanted === '' || nullable ? undefined : notOf(wanted, what, path);
  const isNumber = types.includes('number') || types.includes('integer');
  const isText = typeof value === 'string' || Array.isArray(value);
  const fits = types.includes(what) || (what === 'integer' && types.includes('number'));
  if (format !== '' && !isText && !fits) {
    const own = what === 'integer' ? 'int64' : what === 'number' ? 'float64' : '';
    return own === format ? notOf(wanted, what, path) : notOf(format, own, path);
  }
  // A text with a format is the format's business, and so is, as upstream has it, a list.
  if (format !== '' && isText && !isNumber) return undefined;
  return fits || wanted === '' ? undefined : notOf(wanted, what, path);
}

function typeName(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
}

function notOf(type: string, what: string, path: string): FieldError {
  return typeError(path, what, `${path} in body must be of type ${type}: ${goQuote(what)}`);
}

function typeError(path: string, value: JsonValue, detail: string): FieldError {
  return { ...invalid(path, value, detail), isType: true };
}

function checkEnum(value: JsonValue, checks: Checks, path: string, errors: FieldError[]): void {
  if (checks.enum === undefined || checks.enum.some((one) => isSame(one, value))) return;
  const shown = checks.enum.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
  errors.push(unsupported(path, value, shown));
}

/** Upstream converts a number to the type of the one that is allowed: to a whole one, by leaving off the rest. */
function isSame(allowed: JsonValue, value: JsonValue): boolean {
  if (typeof allowed !== 'number' || typeof value !== 'number') return jsonEqual(allowed, value);
  return (Number.isInteger(allowed) ? Math.trunc(value) : value) === allowed;
}

function checkNumber(
  value: number,
  { checks, type, format }: Structural,
  path: string,
  errors: FieldError[],
): void {
  const bad = (detail: string): void => void errors.push(invalid(path, value, `${path} in body ${detail}`));
  const range = rangeProblem(value, type, format);
  if (range !== undefined) {
    errors.push({
      ...invalid(NO_FIELD, '', `Checked value must be of type ${range} in ${path}`),
      about: path,
    });
  }
  // Upstream compares a whole number with the whole part of the bound.
  const bound = (limit: number): number => (Number.isInteger(value) ? Math.trunc(limit) : limit);
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = checks;
  if (multipleOf !== undefined && multipleOf <= 0) {
    const why = `factor MultipleOf declared for ${path} must be positive: ${multipleOf}`;
    errors.push(invalid(path, multipleOf, why));
  } else if (multipleOf !== undefined && !isMultiple(value, multipleOf)) {
    bad(`should be a multiple of ${multipleOf}`);
  }
  if (minimum !== undefined) {
    const least = bound(minimum);
    if (exclusiveMinimum ? value <= least : value < least) {
      bad(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${least}`);
    }
  }
  if (maximum !== undefined) {
    const most = bound(maximum);
    if (exclusiveMaximum ? value >= most : value > most) {
      bad(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${most}`);
    }
  }
}

function isMultiple(value: number, of: number): boolean {
  if (Number.isInteger(value) && Number.isInteger(of)) return value % of === 0;
  return Number.isInteger(value / of);
}

/** The type that cannot hold the number, when there is one. */
function rangeProblem(value: number, type: string, format: string): string | undefined {
  if (type !== 'integer') return undefined;
  const known = format === 'int32' || format === 'int64';
  const limit = format === 'int32' ? 2 ** 31 : 2 ** 63;
  const most = format === 'int32' ? limit - 1 : limit;
  if (Number.isInteger(value) && value >= -limit && value <= most) return undefined;
  return `integer ${known ? `with format ${format}` : '(default format)'}`;
}

/** The first that is wrong; but what a format asks is asked in any case. */
function checkString(
  value: string,
  { checks, format }: Structural,
  path: string,
  errors: FieldError[],
): void {
  const problem = lengthProblem(value, checks, path) ?? matchProblem(value, checks, path);
  if (problem !== undefined) errors.push(problem);
  const wrong = formatProblem(format, value);
  if (wrong !== undefined) errors.push(typeError(path, value, `${path} in body ${wrong}`));
}

function lengthProblem(
  value: string,
  { minLength, maxLength }: Checks,
  path: string,
): FieldError | undefined {
  if (minLength === undefined && maxLength === undefined) return undefined;
  // In characters, not in UTF-16 units; what is counted in characters is complained about in bytes.
  const length = Array.from(value).length;
  if (maxLength !== undefined && length > maxLength) return tooLong(path, maxLength);
  if (minLength === undefined || length >= minLength) return undefined;
  return invalid(path, value, `${path} in body should be at least ${minLength} chars long`);
}

function matchProblem(value: string, { pattern }: Checks, path: string): FieldError | undefined {
  if (pattern === undefined) return undefined;
  // Stored when other patterns were taken than are now.
  const problem = patternProblem(pattern.source);
  if (problem !== undefined) {
    const detail = `should match '${pattern.source}, but pattern is invalid: ${problem}'`;
    return invalid(path, value, `${path} in body ${detail}`);
  }
  return pattern.test(value)
    ? undefined
    : invalid(path, value, `${path} in body should match '${pattern.source}'`);
}

function checkItems(
  value: readonly JsonValue[],
  { checks, items }: Structural,
  path: string,
  errors: FieldError[],
): void {
  if (items !== undefined) value.forEach((item, index) => visit(item, items, `${path}[${index}]`, errors));
  const { minItems, maxItems, uniqueItems } = checks;
  if (minItems !== undefined && value.length < minItems) {
    errors.push(invalid(path, value.length, `${path} in body should have at least ${minItems} items`));
  }
  if (maxItems !== undefined && value.length > maxItems) {
    append(errors, tooMany(path, value.length, maxItems));
  }
  if (uniqueItems && value.some((item, index) => value.slice(0, index).some((one) => jsonEqual(one, item)))) {
    errors.push(invalid(path, [...value], `${path} in body shouldn't contain duplicates`));
  }
}

function checkObject(
  value: JsonObject,
  { checks, properties, additional }: Structural,
  path: string,
  errors: FieldError[],
): void {
  const count = Object.keys(value).length;
  const { minProperties, maxProperties } = checks;
  if (minProperties !== undefined && count < minProperties) {
    errors.push(invalid(path, count, `${path} in body should have at least ${minProperties} properties`));
  }
  if (maxProperties !== undefined && count > maxProperties) {
    append(errors, tooMany(path, count, maxProperties));
  }
  for (const [name, child] of isSchema(additional) ? Object.entries(value) : []) {
    if (child === undefined || properties.has(name)) continue;
    visit(child, additional as Structural, joined(path, name), errors);
  }
  for (const [name, property] of properties) {
    const child = getOwn(value, name);
    if (child !== undefined) visit(child, property, joined(path, name), errors);
  }
  for (const name of checks.required) {
    if (getOwn(value, name) === undefined) errors.push(required(joined(path, name)));
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
    append(errors, best ?? []);
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
  append(errors, failed.flat());
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
