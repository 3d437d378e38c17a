/** What keeps a schema from being one of a CustomResourceDefinition, with upstream's words. */
import {
  fieldErrorText,
  forbidden,
  invalid,
  required,
  unsupported,
  type FieldError,
} from '../field-error.ts';
import {
  getOwn,
  isJsonObject,
  jsonEqual,
  listAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
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

/** Rules of the schema language that hold in branches as well. */
export function checkOpenApi(json: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  walk(json, { path, errors, root: true, defaults: undefined, meta: false });
  return errors;
}

interface Walk {
  readonly path: string;
  readonly errors: FieldError[];
  readonly root: boolean;
  /** Why there may be no defaults here; undefined: there may. */
  readonly defaults: string | undefined;
  /** In the metadata of the object or of one within it. */
  readonly meta: boolean;
}

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
/** In the order in which they are refused. */
const NEVER = ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies', '$ref'];

function walk(json: JsonObject, place: Walk): void {
  const { path, errors, root, meta } = place;
  checkWords(json, place);
  if (set(json, 'uniqueItems')) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.push(forbidden(`${path}.uniqueItems`, why));
  }
  const inner = { ...place, root: false };
  const properties = objectAt(json, 'properties');
  const additional = getOwn(json, 'additionalProperties');
  if (additional !== undefined) {
    if (Object.keys(properties).length > 0 && additional !== true) {
      const detail = 'additionalProperties and properties are mutual exclusive';
      errors.push(forbidden(`${path}.additionalProperties`, detail));
    }
    const defaults = meta ? 'inside additionalProperties applying to object metadata' : place.defaults;
    if (isJsonObject(additional))
      walk(additional, { ...inner, path: `${path}.additionalProperties`, defaults });
  }
  const owner = root || set(json, 'x-kubernetes-embedded-resource');
  for (const [name, schema] of Object.entries(properties)) {
    if (!isJsonObject(schema)) continue;
    const ofMeta = owner && ['metadata', 'kind', 'apiVersion'].includes(name);
    walk(schema, {
      ...inner,
      path: `${path}.properties[${name}]`,
      meta: meta || ofMeta,
      defaults: ofMeta && root ? `in top-level ${name}` : place.defaults,
    });
  }
  const not = getOwn(json, 'not');
  if (isJsonObject(not)) walk(not, { ...inner, path: `${path}.not` });
  for (const list of ['allOf', 'oneOf', 'anyOf']) {
    for (const [index, one] of objectsAt(json, list).entries()) {
      walk(one, { ...inner, path: `${path}.${list}[${index}]` });
    }
  }
  const items = getOwn(json, 'items');
  if (isJsonObject(items)) walk(items, { ...inner, path: `${path}.items` });
  if (getOwn(json, 'x-kubernetes-preserve-unknown-fields') === false) {
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  }
  checkListsAndMaps(json, path, errors);
}

function checkWords(json: JsonObject, { path, errors, defaults, meta }: Walk): void {
  const type = stringAt(json, 'type');
  if (type !== '' && !TYPES.includes(type)) {
    errors.push(unsupported(`${path}.type`, type, [...TYPES]));
  }
  if (getOwn(json, 'default') !== undefined && defaults !== undefined) {
    errors.push(forbidden(`${path}.default`, `must not be set ${defaults}`));
  }
  for (const name of NEVER) {
    const value = getOwn(json, name);
    if (value === undefined || value === '' || (isJsonObject(value) && Object.keys(value).length === 0))
      continue;
    errors.push(forbidden(`${path}.${name}`, `${name} is not supported`));
  }
  if (type === 'null') {
    const detail = 'type cannot be set to null, use nullable as an alternative';
    errors.push(forbidden(`${path}.type`, detail));
  }
  if (Array.isArray(getOwn(json, 'items'))) {
    errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
  }
  if (meta && set(json, 'x-kubernetes-embedded-resource')) {
    const detail = 'must not be used inside of resource meta';
    errors.push(forbidden(`${path}.x-kubernetes-embedded-resource`, detail));
  }
}

function checkListsAndMaps(json: JsonObject, path: string, errors: FieldError[]): void {
  const type = stringAt(json, 'type');
  const [mapType, listType] = [getOwn(json, 'x-kubernetes-map-type'), getOwn(json, 'x-kubernetes-list-type')];
  const needs = (wanted: string, word: string): void => {
    const detail = `must be ${wanted} if ${word} is specified`;
    errors.push(type === '' ? required(`${path}.type`, detail) : invalid(`${path}.type`, type, detail));
  };
  if (mapType !== undefined && type !== 'object') needs('object', 'x-kubernetes-map-type');
  if (mapType !== undefined && mapType !== 'atomic' && mapType !== 'granular') {
    errors.push(unsupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']));
  }
  const items = getOwn(json, 'items');
  if (listType !== undefined && type !== 'array') needs('array', 'x-kubernetes-list-type');
  else if (listType === 'set' && isJsonObject(items)) checkSetItems(items, path, errors);
  if (listType !== undefined && listType !== 'atomic' && listType !== 'set' && listType !== 'map') {
    errors.push(unsupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'set', 'map']));
  }
  const keys = listAt(json, 'x-kubernetes-list-map-keys').map((key) => textOf(key));
  if (keys.length > 0 && listType !== 'map') {
    const detail = 'must be map if x-kubernetes-list-map-keys is non-empty';
    const field = `${path}.x-kubernetes-list-type`;
    errors.push(listType === undefined ? required(field, detail) : invalid(field, listType, detail));
  }
  if (listType === 'map') checkMapItems({ items, keys, path, errors });
  if ((listType === 'map' || listType === 'set') && isJsonObject(items)) {
    checkKeyValues(items, { keys: listType === 'map' ? keys : [], listType, path, errors });
  }
}

/** Items of a set are compared whole. */
function checkSetItems(items: JsonObject, path: string, errors: FieldError[]): void {
  const [listType, mapType] = [
    getOwn(items, 'x-kubernetes-list-type'),
    getOwn(items, 'x-kubernetes-map-type'),
  ];
  const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const type = stringAt(items, 'type');
  if (type === 'array' && listType !== undefined && listType !== 'atomic') {
    errors.push(invalid(`${path}.items.x-kubernetes-list-type`, listType, detail));
  }
  if (type === 'object' && mapType !== 'atomic') {
    // The value that is shown is that of the list's type.
    errors.push(invalid(`${path}.items.x-kubernetes-map-type`, listType, detail));
  }
}

function checkMapItems(list: {
  readonly items: JsonObject[string];
  readonly keys: readonly string[];
  readonly path: string;
  readonly errors: FieldError[];
}): void {
  const { items, keys, path, errors } = list;
  const at = `${path}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) {
    errors.push(required(at, 'must not be empty if x-kubernetes-list-type is map'));
  }
  if (items === undefined) {
    errors.push(required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map'));
  }
  if (!isJsonObject(items)) return;
  const type = stringAt(items, 'type');
  if (type !== 'object') {
    const detail = "must be object if parent array's x-kubernetes-list-type is map";
    errors.push(invalid(`${path}.items.type`, type, detail));
    return;
  }
  const seen = new Set<string>();
  for (const key of keys) {
    const schema = getOwn(objectAt(items, 'properties'), key);
    if (!isJsonObject(schema))
      errors.push(invalid(at, [...keys], 'entries must all be names of item properties'));
    else if (stringAt(schema, 'type') === 'array' || stringAt(schema, 'type') === 'object') {
      const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      errors.push(invalid(`${path}.items.properties[${key}].type`, type, detail));
    }
    if (seen.has(key)) errors.push(invalid(at, [...keys], 'must not contain duplicate entries'));
    seen.add(key);
  }
}

/** Items have a key, whatever else they have not. */
function checkKeyValues(
  items: JsonObject,
  list: {
    readonly keys: readonly string[];
    readonly listType: string;
    readonly path: string;
    readonly errors: FieldError[];
  },
): void {
  const { keys, listType, path, errors } = list;
  if (set(items, 'nullable')) {
    const detail = `cannot be nullable when x-kubernetes-list-type is ${listType}`;
    errors.push(forbidden(`${path}.items.nullable`, detail));
  }
  const needed = new Set(listAt(items, 'required'));
  for (const key of keys) {
    const schema = getOwn(objectAt(items, 'properties'), key);
    if (!isJsonObject(schema)) continue;
    const at = `${path}.items.properties[${key}]`;
    const here = 'this property is in x-kubernetes-list-map-keys, so it';
    if (!needed.has(key) && getOwn(schema, 'default') === undefined) {
      errors.push(required(`${at}.default`, `${here} must have a default or be a required property`));
    }
    if (set(schema, 'nullable')) errors.push(forbidden(`${at}.nullable`, `${here} cannot be nullable`));
  }
}
