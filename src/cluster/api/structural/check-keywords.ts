/** What the schema language has, and a CustomResourceDefinition may not use: in branches as well. */
import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import {
  getOwn,
  isJsonObject,
  listAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { checkRuleTexts } from './check-rule-texts.ts';
import { isEmpty, MAY_BE_EMPTY, NEVER } from './unsupported.ts';

const set = (json: JsonObject, name: string): boolean => getOwn(json, name) === true;

export function checkKeywords(json: JsonObject, path: string): FieldError[] {
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
  for (const map of ['definitions', 'dependencies']) {
    for (const [name, one] of Object.entries(objectAt(json, map))) {
      if (isJsonObject(one)) walk(one, { ...inner, path: `${path}.${map}[${name}]` });
    }
  }
  const items = getOwn(json, 'items');
  if (isJsonObject(items)) walk(items, { ...inner, path: `${path}.items` });
  if (getOwn(json, 'x-kubernetes-preserve-unknown-fields') === false) {
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  }
  checkListsAndMaps(json, path, errors);
  checkRuleTexts(json, path, errors);
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
    if (value === undefined || (MAY_BE_EMPTY.has(name) && isEmpty(value))) continue;
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
