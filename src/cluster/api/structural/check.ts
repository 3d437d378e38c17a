/** What keeps a schema from being one of a CustomResourceDefinition, with upstream's words. */
import { fieldErrorText, forbidden, invalid, required, type FieldError } from '../field-error.ts';
import { getOwn, isJsonObject, jsonEqual, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { patternProblem } from '../pattern/lazy.ts';

/** How deep a schema may be; recursion is not possible without references, which are not allowed. */
const MAX_DEPTH = 200;

type Level = 'root' | 'item' | 'field';

/** Complaints about what must be said outside of `allOf` and the like, in the order of their texts. */
export function checkStructural(json: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (isTooDeep(json, 0)) return [invalid(path, '', `must not be nested deeper than ${MAX_DEPTH} levels`)];
  checkInvariants(json, { path, level: 'root', errors });
  checkBranchCompleteness(json, { schema: json, structural: path, path, errors });
  const text = (error: FieldError): string => `${error.field}: ${fieldErrorText(error)}`;
  return errors.toSorted((a, b) => (text(a) < text(b) ? -1 : 1));
}

function isTooDeep(value: JsonObject[string], depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth > MAX_DEPTH || Object.values(value).some((item) => isTooDeep(item, depth + 1));
}

interface Place {
  readonly path: string;
  readonly level: Level;
  readonly errors: FieldError[];
}

const set = (json: JsonObject, name: string): boolean => getOwn(json, name) === true;
const INT_OR_STRING: JsonObject[] = [{ type: 'integer' }, { type: 'string' }];

function checkInvariants(json: JsonObject, { path, level, errors }: Place): void {
  const [items, additional] = [getOwn(json, 'items'), getOwn(json, 'additionalProperties')];
  const type = stringAt(json, 'type');
  const at = (name: string): string => `${path}.${name}`;
  if (type === 'array' && items === undefined) errors.push(required(at('items'), 'must be specified'));
  if (isJsonObject(items)) checkInvariants(items, { path: at('items'), level: 'item', errors });
  const properties = objectAt(json, 'properties');
  for (const [name, schema] of Object.entries(properties)) {
    if (!isJsonObject(schema)) continue;
    checkInvariants(schema, { path: at(`properties[${name}]`), level: 'field', errors });
  }
  if (additional !== undefined && level === 'root') {
    errors.push(forbidden(at('additionalProperties'), 'must not be used at the root'));
  }
  if (isJsonObject(additional)) {
    checkInvariants(additional, { path: at('additionalProperties'), level: 'field', errors });
  }
  checkExtensions(json, path, errors);
  checkValues(json, { path, errors, intOrString: true });
  checkType(json, { path, level, errors });
  checkMetadata(json, { path, level, errors });
}

function checkExtensions(json: JsonObject, path: string, errors: FieldError[]): void {
  if (!set(json, 'x-kubernetes-int-or-string')) return;
  const detail = 'must be false if x-kubernetes-int-or-string is true';
  for (const name of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource']) {
    if (set(json, name)) errors.push(invalid(`${path}.${name}`, true, detail));
  }
}

const NO_TYPE: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function checkType(json: JsonObject, { path, level, errors }: Place): void {
  const type = stringAt(json, 'type');
  const field = `${path}.type`;
  const [embedded, open] = [
    set(json, 'x-kubernetes-embedded-resource'),
    set(json, 'x-kubernetes-preserve-unknown-fields'),
  ];
  const ofEmbedded = 'must be object if x-kubernetes-embedded-resource is true';
  if (embedded && type === '') errors.push(required(field, ofEmbedded));
  else if (embedded && type !== 'object') errors.push(invalid(field, type, ofEmbedded));
  else if (type === '' && !set(json, 'x-kubernetes-int-or-string') && !open) {
    errors.push(required(field, NO_TYPE[level]));
  }
  if (embedded && getOwn(json, 'additionalProperties') !== undefined) {
    const detail = 'must not be used if x-kubernetes-embedded-resource is set';
    errors.push(forbidden(`${path}.additionalProperties`, detail));
  }
  if (level === 'root' && type !== '' && type !== 'object') {
    errors.push(invalid(field, type, 'must be object at the root'));
  }
  if (embedded && !open && Object.keys(objectAt(json, 'properties')).length === 0) {
    const detail =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
    errors.push(required(`${path}.properties`, detail));
  }
}

/** kind, apiVersion and metadata are what they are in every object. */
function checkMetadata(json: JsonObject, { path, level, errors }: Place): void {
  const root = level === 'root';
  const checked = root || set(json, 'x-kubernetes-embedded-resource');
  const properties = objectAt(json, 'properties');
  for (const name of ['kind', 'apiVersion']) {
    const schema = getOwn(properties, name);
    if (!checked || !isJsonObject(schema) || stringAt(schema, 'type') === 'string') continue;
    errors.push(invalid(`${path}.properties[${name}].type`, stringAt(schema, 'type'), 'must be string'));
  }
  const metadata = getOwn(properties, 'metadata');
  if (!isJsonObject(metadata)) return;
  const at = `${path}.properties[metadata]`;
  if (checked && stringAt(metadata, 'type') !== 'object') {
    errors.push(invalid(`${at}.type`, stringAt(metadata, 'type'), 'must be object'));
  }
  if (!root) return;
  const { type: _type, default: _default, properties: names, ...rest } = metadata;
  const only = Object.keys(isJsonObject(names) ? names : {}).every(
    (key) => key === 'name' || key === 'generateName',
  );
  if (!only || Object.keys(rest).length > 0) {
    const detail =
      'must not specify anything other than name and generateName, but metadata is implicitly specified';
    errors.push(forbidden(at, detail));
  }
}

interface ValuePlace {
  readonly path: string;
  readonly errors: FieldError[];
  /** Whether `anyOf` may be the usual way to say that a value is a number or a text. */
  readonly intOrString: boolean;
}

function isIntOrString(json: JsonObject): boolean {
  return jsonEqual(getOwn(json, 'anyOf'), INT_OR_STRING);
}

/** What only restricts values: branches, and patterns. */
function checkValues(json: JsonObject, { path, errors, intOrString }: ValuePlace): void {
  if (!(intOrString && isIntOrString(json))) {
    for (const [index, branch] of objectsAt(json, 'anyOf').entries()) {
      checkBranch(branch, { path: `${path}.anyOf[${index}]`, errors, intOrString: false });
    }
  }
  for (const [index, branch] of objectsAt(json, 'allOf').entries()) {
    const first = intOrString && index === 0;
    checkBranch(branch, { path: `${path}.allOf[${index}]`, errors, intOrString: first });
  }
  for (const [index, branch] of objectsAt(json, 'oneOf').entries()) {
    checkBranch(branch, { path: `${path}.oneOf[${index}]`, errors, intOrString: false });
  }
  const not = getOwn(json, 'not');
  if (isJsonObject(not)) checkBranch(not, { path: `${path}.not`, errors, intOrString: false });
  const pattern = stringAt(json, 'pattern');
  const problem = pattern === '' ? undefined : patternProblem(pattern);
  if (problem === undefined) return;
  const why = `must be a valid regular expression, but isn't: ${problem}`;
  errors.push(invalid(`${path}.pattern`, pattern, why));
}

/** Members that stand outside of branches, and how their absence is called. */
const OUTSIDE: Readonly<Record<string, 'empty' | 'false' | 'undefined'>> = {
  type: 'empty',
  additionalProperties: 'undefined',
  default: 'undefined',
  title: 'empty',
  description: 'empty',
  nullable: 'false',
  'x-kubernetes-preserve-unknown-fields': 'false',
  'x-kubernetes-embedded-resource': 'false',
  'x-kubernetes-int-or-string': 'false',
  'x-kubernetes-list-map-keys': 'empty',
  'x-kubernetes-list-type': 'undefined',
  'x-kubernetes-map-type': 'undefined',
  'x-kubernetes-validations': 'empty',
};

function checkBranch(json: JsonObject, { path, errors, intOrString }: ValuePlace): void {
  checkValues(json, { path, errors, intOrString });
  const items = getOwn(json, 'items');
  if (isJsonObject(items)) checkBranch(items, { path: `${path}.items`, errors, intOrString: false });
  const properties = objectAt(json, 'properties');
  for (const [name, schema] of Object.entries(properties)) {
    if (!isJsonObject(schema)) continue;
    checkBranch(schema, { path: `${path}.properties[${name}]`, errors, intOrString: false });
  }
  for (const [name, absent] of Object.entries(OUTSIDE)) {
    const value = getOwn(json, name);
    const gone =
      value === undefined ||
      (absent === 'false' && value === false) ||
      (absent === 'empty' && (value === '' || (Array.isArray(value) && value.length === 0)));
    if (!gone) errors.push(forbidden(`${path}.${name}`, `must be ${absent} to be structural`));
  }
  if (getOwn(properties, 'metadata') !== undefined) {
    errors.push(forbidden(`${path}.properties[metadata]`, 'must not be specified in a nested context'));
  }
}

interface Completeness {
  /** The schema outside of branches to which the branch applies; undefined: there is none. */
  readonly schema: JsonObject | undefined;
  /** Its path. */
  readonly structural: string;
  /** The branch's path. */
  readonly path: string;
  readonly errors: FieldError[];
}

/** Whatever a branch restricts is specified outside of it too. */
function checkBranchCompleteness(branch: JsonObject, place: Completeness): void {
  const { path } = place;
  const not = getOwn(branch, 'not');
  if (isJsonObject(not)) checkCompleteness(not, { ...place, path: `${path}.not` });
  for (const list of ['allOf', 'anyOf', 'oneOf']) {
    for (const [index, one] of objectsAt(branch, list).entries()) {
      checkCompleteness(one, { ...place, path: `${path}.${list}[${index}]` });
    }
  }
}

function checkCompleteness(branch: JsonObject, place: Completeness): void {
  const { schema, structural, path, errors } = place;
  if (schema === undefined) {
    errors.push(required(structural, `because it is defined in ${path}`));
    return;
  }
  checkBranchCompleteness(branch, place);
  const items = getOwn(branch, 'items');
  const known = getOwn(schema, 'items');
  if (isJsonObject(items)) {
    checkCompleteness(items, {
      schema: isJsonObject(known) ? known : undefined,
      structural: `${structural}.items`,
      path: `${path}.items`,
      errors,
    });
  }
  for (const [name, one] of Object.entries(objectAt(branch, 'properties'))) {
    const own = getOwn(objectAt(schema, 'properties'), name);
    if (!isJsonObject(one)) continue;
    const step = `properties[${name}]`;
    checkCompleteness(one, {
      schema: isJsonObject(own) ? own : undefined,
      structural: `${structural}.${step}`,
      path: `${path}.${step}`,
      errors,
    });
  }
}
