/**
 * Structural schemas: what a CustomResourceDefinition says of its objects
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema).
 * Parsed once for each version of a definition; everything else here interprets the result.
 */
import {
  getOwn,
  isJsonObject,
  listAt,
  numberAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';

export type SchemaType = 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | '';

export interface Structural {
  readonly type: SchemaType;
  readonly format: string;
  readonly nullable: boolean;
  readonly intOrString: boolean;
  readonly preserveUnknown: boolean;
  /** An object with apiVersion, kind and metadata of its own. */
  readonly embedded: boolean;
  readonly defaultValue: JsonValue | undefined;
  readonly properties: ReadonlyMap<string, Structural>;
  /** A map's values; true: any. */
  readonly additional: Structural | boolean | undefined;
  readonly items: Structural | undefined;
  readonly listType: 'atomic' | 'set' | 'map' | undefined;
  readonly listMapKeys: readonly string[];
  readonly mapType: 'atomic' | 'granular' | undefined;
  readonly checks: Checks;
  readonly rules: readonly CelRule[];
}

/** The keywords that only say which values are allowed; they may stand below allOf and the like as well. */
export interface Checks {
  readonly enum: readonly JsonValue[] | undefined;
  readonly pattern: RegExp | undefined;
  readonly minimum: number | undefined;
  readonly exclusiveMinimum: boolean;
  readonly maximum: number | undefined;
  readonly exclusiveMaximum: boolean;
  readonly multipleOf: number | undefined;
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
  readonly minItems: number | undefined;
  readonly maxItems: number | undefined;
  readonly uniqueItems: boolean;
  readonly minProperties: number | undefined;
  readonly maxProperties: number | undefined;
  readonly required: readonly string[];
  readonly allOf: readonly Structural[];
  readonly anyOf: readonly Structural[];
  readonly oneOf: readonly Structural[];
  readonly not: Structural | undefined;
}

export interface CelRule {
  readonly rule: string;
  readonly message: string;
  readonly messageExpression: string;
  readonly reason: string;
  readonly fieldPath: string;
  readonly optionalOldSelf: boolean;
}

/** Whether the schema, or anything in it, has rules. */
export function hasRules({ rules, properties, items, additional }: Structural): boolean {
  return (
    rules.length > 0 ||
    [...properties.values()].some(hasRules) ||
    (items !== undefined && hasRules(items)) ||
    (typeof additional === 'object' && hasRules(additional))
  );
}

const TYPES: readonly string[] = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** Go's regular expressions have inline flags and `\z`, ours do not; the rest that schemas use is the same. */
function compilePattern(text: string): RegExp {
  const flags = /^\(\?([ims]+)\)/.exec(text);
  const body = flags === null ? text : text.slice(flags[0].length);
  return new RegExp(body.replaceAll(/\\z/g, '$').replaceAll(/\\A/g, '^'), `u${flags?.[1] ?? ''}`);
}

const boolean = (json: JsonObject, name: string): boolean => getOwn(json, name) === true;

/** Parses a schema that `checkStructural` has nothing against. */
export function parseStructural(json: JsonObject): Structural {
  const properties = getOwn(json, 'properties');
  const additional = getOwn(json, 'additionalProperties');
  const items = getOwn(json, 'items');
  const listType = stringAt(json, 'x-kubernetes-list-type');
  const mapType = stringAt(json, 'x-kubernetes-map-type');
  return {
    type: stringAt(json, 'type') as SchemaType,
    format: stringAt(json, 'format'),
    nullable: boolean(json, 'nullable'),
    intOrString: boolean(json, 'x-kubernetes-int-or-string'),
    preserveUnknown: boolean(json, 'x-kubernetes-preserve-unknown-fields'),
    embedded: boolean(json, 'x-kubernetes-embedded-resource'),
    defaultValue: getOwn(json, 'default'),
    properties: parseProperties(properties),
    additional: isJsonObject(additional)
      ? parseStructural(additional)
      : typeof additional === 'boolean'
        ? additional
        : undefined,
    items: isJsonObject(items) ? parseStructural(items) : undefined,
    listType: listType === '' ? undefined : (listType as Structural['listType']),
    listMapKeys: listAt(json, 'x-kubernetes-list-map-keys') as string[],
    mapType: mapType === '' ? undefined : (mapType as Structural['mapType']),
    checks: parseChecks(json),
    rules: objectsAt(json, 'x-kubernetes-validations').map((rule) => ({
      rule: stringAt(rule, 'rule'),
      message: stringAt(rule, 'message'),
      messageExpression: stringAt(rule, 'messageExpression'),
      reason: stringAt(rule, 'reason'),
      fieldPath: stringAt(rule, 'fieldPath'),
      optionalOldSelf: boolean(rule, 'optionalOldSelf'),
    })),
  };
}

function parseProperties(properties: JsonValue | undefined): ReadonlyMap<string, Structural> {
  if (!isJsonObject(properties)) return new Map();
  return new Map(
    Object.entries(properties).flatMap(([name, schema]): [string, Structural][] =>
      isJsonObject(schema) ? [[name, parseStructural(schema)]] : [],
    ),
  );
}

function parseChecks(json: JsonObject): Checks {
  const pattern = stringAt(json, 'pattern');
  const values = getOwn(json, 'enum');
  const not = getOwn(json, 'not');
  const branches = (name: string): readonly Structural[] => objectsAt(json, name).map(parseStructural);
  return {
    enum: Array.isArray(values) ? values : undefined,
    pattern: pattern === '' ? undefined : compilePattern(pattern),
    minimum: numberAt(json, 'minimum'),
    exclusiveMinimum: boolean(json, 'exclusiveMinimum'),
    maximum: numberAt(json, 'maximum'),
    exclusiveMaximum: boolean(json, 'exclusiveMaximum'),
    multipleOf: numberAt(json, 'multipleOf'),
    minLength: numberAt(json, 'minLength'),
    maxLength: numberAt(json, 'maxLength'),
    minItems: numberAt(json, 'minItems'),
    maxItems: numberAt(json, 'maxItems'),
    uniqueItems: boolean(json, 'uniqueItems'),
    minProperties: numberAt(json, 'minProperties'),
    maxProperties: numberAt(json, 'maxProperties'),
    required: listAt(json, 'required') as string[],
    allOf: branches('allOf'),
    anyOf: branches('anyOf'),
    oneOf: branches('oneOf'),
    not: isJsonObject(not) ? parseStructural(not) : undefined,
  };
}

/** How deep a schema may be; recursion is not possible without references, which are not allowed. */
const MAX_DEPTH = 200;

/** What keeps a schema from being structural, with upstream's words. */
export function checkStructural(json: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  check(json, { path, root: true, depth: 0, errors });
  return errors;
}

interface Place {
  readonly path: string;
  readonly root: boolean;
  readonly depth: number;
  readonly errors: FieldError[];
}

function check(json: JsonObject, place: Place): void {
  const { path, root, depth, errors } = place;
  if (depth > MAX_DEPTH) {
    errors.push(invalid(path, '', `must not be nested deeper than ${MAX_DEPTH} levels`));
    return;
  }
  const below = (step: string): Place => ({ path: `${path}.${step}`, root: false, depth: depth + 1, errors });
  checkType(json, place);
  checkForbidden(json, place);
  checkBranches(json, place);
  const properties = getOwn(json, 'properties');
  const additional = getOwn(json, 'additionalProperties');
  if (isJsonObject(properties)) {
    for (const [name, schema] of Object.entries(properties)) {
      if (isJsonObject(schema)) check(schema, below(`properties[${name}]`));
    }
    if (additional !== undefined) {
      errors.push(
        forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'),
      );
    }
  }
  if (additional === false) {
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false'));
  } else if (root && additional !== undefined && getOwn(json, 'type') === 'object') {
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be used at the root'));
  } else if (isJsonObject(additional)) check(additional, below('additionalProperties'));
  const items = getOwn(json, 'items');
  if (isJsonObject(items)) check(items, below('items'));
  else if (Array.isArray(items)) {
    errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
  } else if (getOwn(json, 'type') === 'array') {
    errors.push(required(`${path}.items`, 'must be specified'));
  }
  checkList(json, place);
}

function checkType(json: JsonObject, { path, root, errors }: Place): void {
  const type = stringAt(json, 'type');
  const free =
    boolean(json, 'x-kubernetes-int-or-string') || boolean(json, 'x-kubernetes-preserve-unknown-fields');
  if (type === '') {
    const what = root ? 'must not be empty at the root' : 'must not be empty for specified object fields';
    if (root || !free) errors.push(required(`${path}.type`, what));
  } else if (!TYPES.includes(type)) {
    errors.push(unsupported(`${path}.type`, type, TYPES));
  } else if (root && type !== 'object') {
    errors.push(invalid(`${path}.type`, type, 'must be object at the root'));
  } else if (boolean(json, 'x-kubernetes-int-or-string')) {
    errors.push(invalid(`${path}.type`, type, 'must be empty if x-kubernetes-int-or-string is true'));
  }
  const pattern = stringAt(json, 'pattern');
  if (pattern !== '') {
    try {
      compilePattern(pattern);
    } catch {
      errors.push(invalid(`${path}.pattern`, pattern, 'must be a valid regular expression'));
    }
  }
  if (getOwn(json, 'x-kubernetes-preserve-unknown-fields') === false) {
    const field = `${path}.x-kubernetes-preserve-unknown-fields`;
    errors.push(invalid(field, false, 'must be true or undefined'));
  }
}

const NEVER = [
  'definitions',
  'dependencies',
  'id',
  'patternProperties',
  '$ref',
  '$schema',
  'additionalItems',
];

function checkForbidden(json: JsonObject, { path, errors }: Place): void {
  for (const name of NEVER) {
    if (getOwn(json, name) !== undefined)
      errors.push(forbidden(`${path}.${name}`, `${name} is not supported`));
  }
  if (getOwn(json, 'uniqueItems') === true) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.push(forbidden(`${path}.uniqueItems`, why));
  }
}

/** In branches only values may be restricted: types, properties' metadata and defaults stand outside. */
const OUTSIDE = [
  'type',
  'additionalProperties',
  'default',
  'nullable',
  'title',
  'description',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
];

function checkBranches(json: JsonObject, { path, errors }: Place): void {
  const branches = [
    ...['allOf', 'anyOf', 'oneOf'].flatMap((name) =>
      objectsAt(json, name).map((schema, index) => ({ schema, at: `${path}.${name}[${index}]` })),
    ),
    ...(isJsonObject(getOwn(json, 'not'))
      ? [{ schema: getOwn(json, 'not') as JsonObject, at: `${path}.not` }]
      : []),
  ];
  const intOrString = boolean(json, 'x-kubernetes-int-or-string');
  for (const { schema, at } of branches) checkBranch(schema, { at, intOrString, errors, depth: 0 });
}

function checkBranch(
  schema: JsonObject,
  place: {
    readonly at: string;
    readonly intOrString: boolean;
    readonly errors: FieldError[];
    readonly depth: number;
  },
): void {
  const { at, intOrString, errors, depth } = place;
  if (depth > MAX_DEPTH) return;
  for (const name of OUTSIDE) {
    if (getOwn(schema, name) === undefined || (name === 'type' && intOrString)) continue;
    errors.push(forbidden(`${at}.${name}`, 'must be empty to be structural'));
  }
  const next = (inner: JsonValue | undefined, step: string): void => {
    if (isJsonObject(inner))
      checkBranch(inner, { at: `${at}.${step}`, intOrString: false, errors, depth: depth + 1 });
  };
  const properties = getOwn(schema, 'properties');
  if (isJsonObject(properties)) {
    for (const [name, inner] of Object.entries(properties)) next(inner, `properties[${name}]`);
  }
  next(getOwn(schema, 'items'), 'items');
  next(getOwn(schema, 'not'), 'not');
  for (const name of ['allOf', 'anyOf', 'oneOf']) {
    objectsAt(schema, name).forEach((inner, index) => next(inner, `${name}[${index}]`));
  }
}

function checkList(json: JsonObject, { path, errors }: Place): void {
  const listType = stringAt(json, 'x-kubernetes-list-type');
  const keys = (listAt(json, 'x-kubernetes-list-map-keys') as string[]).map((key) => textOf(key));
  const field = `${path}.x-kubernetes-list-type`;
  if (listType !== '' && !['atomic', 'set', 'map'].includes(listType)) {
    errors.push(unsupported(field, listType, ['atomic', 'map', 'set']));
  }
  if (listType !== '' && getOwn(json, 'type') !== 'array') {
    errors.push(
      invalid(`${path}.type`, stringAt(json, 'type'), 'must be array if x-kubernetes-list-type is specified'),
    );
  }
  if (listType !== 'map') {
    if (keys.length > 0)
      errors.push(invalid(field, listType, 'must be map if x-kubernetes-list-map-keys is non-empty'));
    return;
  }
  if (keys.length === 0) {
    errors.push(
      required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'),
    );
  }
  const items = getOwn(json, 'items');
  if (!isJsonObject(items)) return;
  const requiredNames = listAt(items, 'required');
  const properties = getOwn(items, 'properties');
  keys.forEach((key, index) => {
    const at = `${path}.x-kubernetes-list-map-keys[${index}]`;
    const schema = isJsonObject(properties) ? getOwn(properties, key) : undefined;
    if (!isJsonObject(schema)) {
      errors.push(invalid(at, key, 'entries must all be names of item properties'));
    } else if (!requiredNames.includes(key) && getOwn(schema, 'default') === undefined) {
      const name = `${path}.items.properties[${key}].default`;
      const why = `this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`;
      errors.push(required(name, why));
    }
  });
}
