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
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { isKnownFormat } from './formats.ts';
import { lazyPattern, type LinearPattern } from '../pattern/lazy.ts';

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
  readonly pattern: LinearPattern | undefined;
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
  readonly optionalOldSelf: boolean | undefined;
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

const boolean = (json: JsonObject, name: string): boolean => getOwn(json, name) === true;

/** Parses a schema that `check.ts` has nothing against. */
export function parseStructural(json: JsonObject): Structural {
  const properties = getOwn(json, 'properties');
  const additional = getOwn(json, 'additionalProperties');
  const items = getOwn(json, 'items');
  const listType = stringAt(json, 'x-kubernetes-list-type');
  const mapType = stringAt(json, 'x-kubernetes-map-type');
  return {
    type: stringAt(json, 'type') as SchemaType,
    format: isKnownFormat(stringAt(json, 'type'), stringAt(json, 'format')) ? stringAt(json, 'format') : '',
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
      optionalOldSelf: rule['optionalOldSelf'] as boolean | undefined,
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
    pattern: pattern === '' ? undefined : lazyPattern(pattern),
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
