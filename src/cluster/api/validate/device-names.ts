/** Names that drivers give: of themselves, their pools, their devices' attributes; and settings for them. */
import { duplicate, invalid, required, tooLong, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, textOf, type JsonObject, type JsonValue } from '../json.ts';
import { formed, longerThan, tooMany } from './checks.ts';
import { dns1123Subdomain, labelValue, qualifiedName } from './names.ts';

const MAX_DRIVER = 63;
const MAX_POOL = 253;
const MAX_IDENTIFIER = 32;
/** Of a key as it is shown in a path. */
const MAX_KEY_SHOWN = MAX_DRIVER + 1 + MAX_IDENTIFIER;
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
const BAD_IDENTIFIER =
  "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function validateDriver(value: string, at: string): FieldError[] {
  if (value === '') return [required(at)];
  return [
    ...longerThan(value, MAX_DRIVER, at),
    ...dns1123Subdomain(value.toLowerCase()).map((detail) => invalid(at, value, detail)),
  ];
}

export function validatePoolName(name: string, at: string): FieldError[] {
  if (name === '') return [required(at)];
  const parts = name.split('/').flatMap((part) => formed(part, at, dns1123Subdomain));
  return [...longerThan(name, MAX_POOL, at), ...parts];
}

export function validateLabelName(name: string, at: string): FieldError[] {
  return formed(name, at, qualifiedName);
}

/** The share of a device: a UUID in its usual form. */
export function validateShareId(id: string, at: string): FieldError[] {
  if (UUID.test(id)) return [];
  const problem = uuidProblem(id);
  const detail =
    problem === undefined
      ? 'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters'
      : `error validating uid: ${problem}`;
  return [invalid(at, id, detail)];
}

/** What upstream's parser says, which takes four forms of a UUID. */
function uuidProblem(id: string): string | undefined {
  const length = Buffer.byteLength(id);
  const hex = (text: string): boolean => /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(text);
  switch (length) {
    case 36:
      return hex(id) ? undefined : 'invalid UUID format';
    case 32:
      return /^[0-9a-fA-F]{32}$/.test(id) ? undefined : 'invalid UUID format';
    case 38:
      if (!id.startsWith('{') || !id.endsWith('}')) return 'invalid bracketed UUID format';
      return hex(id.slice(1, -1)) ? undefined : 'invalid UUID format';
    case 45:
      if (id.slice(0, 9).toLowerCase() !== 'urn:uuid:')
        return `invalid urn prefix: ${JSON.stringify(id.slice(0, 9))}`;
      return hex(id.slice(9)) ? undefined : 'invalid UUID format';
    default:
      return `invalid UUID length: ${length}`;
  }
}

function identifier(value: string, at: string): FieldError[] {
  return [
    ...longerThan(value, MAX_IDENTIFIER, at),
    ...(IDENTIFIER.test(value) ? [] : [invalid(at, value, BAD_IDENTIFIER)]),
  ];
}

/** `memory`, or `example.com/memory`; upstream looks at no more than that. */
export function attributeName(name: string, at: string): FieldError[] {
  const parts = name.split('/');
  const [domain = '', id = ''] = parts;
  if (parts.length === 1) return identifier(domain, at);
  if (parts.length > 2) return [];
  return [
    ...(domain === '' ? [invalid(at, '', 'the domain must not be empty')] : validateDriver(domain, at)),
    ...(id === '' ? [invalid(at, '', 'the name must not be empty')] : identifier(id, at)),
  ];
}

export function fullyQualified(name: string, at: string): FieldError[] {
  const detail = 'a fully qualified name must be a domain and a name separated by a slash';
  return [...attributeName(name, at), ...(name.includes('/') ? [] : [invalid(at, name, detail)])];
}

/** A key in a path, shortened in the middle. */
export function keyed(at: string, key: string, longest = MAX_KEY_SHOWN): string {
  if (key.length <= longest) return `${at}[${key}]`;
  const room = longest - 3;
  return `${at}[${key.slice(0, Math.ceil(room / 2))}...${key.slice(key.length - Math.floor(room / 2))}]`;
}

interface Limits {
  readonly at: string;
  readonly most: number;
}

/** A list that is too long is not looked into. */
export function validateList<T>(
  items: readonly T[],
  { at, most }: Limits,
  validateItem: (item: T, at: string) => FieldError[],
): FieldError[] {
  const long = tooMany(at, items.length, most);
  return long.length > 0 ? long : items.flatMap((item, index) => validateItem(item, `${at}[${index}]`));
}

/** The same of a list whose items have a key each, of which none comes twice. */
export function validateUnique<T>(
  items: readonly T[],
  { at, most, keyOf }: Limits & { readonly keyOf: (item: T) => JsonValue },
  validateItem: (item: T, at: string) => FieldError[],
): FieldError[] {
  const errors = validateList(items, { at, most }, validateItem);
  if (items.length > most) return errors;
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    const text = JSON.stringify(key);
    if (seen.has(text)) errors.push(duplicate(`${at}[${index}]`, key));
    seen.add(text);
  }
  return errors;
}

const MAX_PARAMETERS = 10 * 1024;

/** Any object, of the driver's own making. */
export function validateRaw(value: JsonValue | undefined, at: string): FieldError[] {
  if (value === undefined || value === null) return [required(at)];
  if (Buffer.byteLength(JSON.stringify(value)) > MAX_PARAMETERS) return [tooLong(at, MAX_PARAMETERS)];
  return isJsonObject(value) ? [] : [invalid(at, '<value omitted>', 'must be a valid JSON object')];
}

const MAX_BINDING_CONDITIONS = 4;

/** Conditions for which a binding waits, and those that fail it. */
export function validateBindingConditions(holder: JsonObject, path: string): FieldError[] {
  const textsAt = (key: string): string[] => listAt(holder, key).map((item) => textOf(item));
  const [conditions, failures] = [textsAt('bindingConditions'), textsAt('bindingFailureConditions')];
  const [at, failuresAt] = [`${path}.bindingConditions`, `${path}.bindingFailureConditions`];
  const most = MAX_BINDING_CONDITIONS;
  const errors = [
    ...validateList(conditions, { at, most }, validateLabelName),
    ...validateList(failures, { at: failuresAt, most }, validateLabelName),
  ];
  for (const [index, condition] of conditions.entries())
    if (conditions.indexOf(condition) < index) errors.push(duplicate(`${at}[${index}]`, condition));
  for (const [index, failure] of failures.entries()) {
    const here = `${failuresAt}[${index}]`;
    if (failures.indexOf(failure) < index) errors.push(duplicate(here, failure));
    if (conditions.includes(failure)) {
      const detail = 'bindingFailureConditions must not overlap with bindingConditions';
      errors.push(invalid(here, failure, detail));
    }
  }
  if (conditions.length === 0 && failures.length > 0) {
    errors.push(invalid(at, [], 'bindingConditions are required to use bindingFailureConditions'));
  }
  if (failures.length === 0 && conditions.length > 0) {
    errors.push(invalid(failuresAt, [], 'bindingFailureConditions are required to use bindingConditions'));
  }
  return errors;
}

export const TAINT_EFFECTS = ['NoExecute', 'NoSchedule', 'None'];

export function validateLabelValue(value: string, at: string): FieldError[] {
  return formed(value, at, labelValue);
}
