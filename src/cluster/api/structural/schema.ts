/**
 * Structural schemas: what a CustomResourceDefinition says of its objects
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema).
 * Read once for each version of a definition; everything else here interprets the result.
 */
import {
  getOwn,
  isJsonObject,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { isKnownFormat } from './formats.ts';
import { lazyPattern, type LinearPattern } from '../pattern/lazy.ts';

export type SchemaType = 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | '';

/** Reads of its JSON what is asked for: schemas may have thousands of fields, of which an object has a few. */
export class Structural {
  readonly type: SchemaType;
  /** Empty where nobody knows it, but for defaults. */
  readonly format: string;
  readonly nullable: boolean;
  readonly intOrString: boolean;
  readonly preserveUnknown: boolean;
  /** An object with apiVersion, kind and metadata of its own. */
  readonly embedded: boolean;
  readonly defaultValue: JsonValue | undefined;
  /** A map's values; true: any. */
  readonly additional: Structural | boolean | undefined;
  readonly items: Structural | undefined;
  readonly listType: 'atomic' | 'set' | 'map' | undefined;
  readonly listMapKeys: readonly string[];
  readonly mapType: 'atomic' | 'granular' | undefined;
  readonly #json: JsonObject;
  readonly #isForDefaults: boolean;
  #properties: ReadonlyMap<string, Structural> | undefined;
  #checks: Checks | undefined;
  #rules: readonly CelRule[] | undefined;
  #hasRules: boolean | undefined;

  /** Of a schema that `check.ts` has nothing against. */
  constructor(json: JsonObject, isForDefaults = false) {
    const [format, items, additional] = [
      stringAt(json, 'format'),
      getOwn(json, 'items'),
      getOwn(json, 'additionalProperties'),
    ];
    this.type = stringAt(json, 'type') as SchemaType;
    this.format = isForDefaults || isKnownFormat(this.type, format) ? format : '';
    this.nullable = boolean(json, 'nullable');
    this.intOrString = boolean(json, 'x-kubernetes-int-or-string');
    this.preserveUnknown = boolean(json, 'x-kubernetes-preserve-unknown-fields');
    this.embedded = boolean(json, 'x-kubernetes-embedded-resource');
    this.defaultValue = getOwn(json, 'default');
    this.additional = isJsonObject(additional)
      ? new Structural(additional, isForDefaults)
      : typeof additional === 'boolean'
        ? additional
        : undefined;
    this.items = isJsonObject(items) ? new Structural(items, isForDefaults) : undefined;
    this.listType = (stringAt(json, 'x-kubernetes-list-type') || undefined) as Structural['listType'];
    this.listMapKeys = listAt(json, 'x-kubernetes-list-map-keys') as string[];
    this.mapType = (stringAt(json, 'x-kubernetes-map-type') || undefined) as Structural['mapType'];
    this.#json = json;
    this.#isForDefaults = isForDefaults;
  }

  get properties(): ReadonlyMap<string, Structural> {
    return (this.#properties ??= parseProperties(getOwn(this.#json, 'properties'), this.#isForDefaults));
  }

  get checks(): Checks {
    return (this.#checks ??= parseChecks(this.#json, this.#isForDefaults));
  }

  get rules(): readonly CelRule[] {
    return (this.#rules ??= objectsAt(this.#json, RULES).map((rule) => ({
      rule: stringAt(rule, 'rule'),
      message: stringAt(rule, 'message'),
      messageExpression: stringAt(rule, 'messageExpression'),
      reason: stringAt(rule, 'reason'),
      fieldPath: stringAt(rule, 'fieldPath'),
      optionalOldSelf: rule['optionalOldSelf'] as boolean | undefined,
    })));
  }

  /** What a value may be; empty: anything. */
  get types(): readonly string[] {
    if (this.intOrString && !this.#isForDefaults) return ['integer', 'string'];
    return this.type === '' ? [] : [this.type];
  }

  /** Whether the schema, or anything in it, has rules. */
  get hasRules(): boolean {
    return (this.#hasRules ??= rulesIn(this.#json));
  }

  /** The same of an object with fewer fields. */
  narrowed(keeps: (name: string) => boolean): Structural {
    const properties = Object.entries(objectAt(this.#json, 'properties')).filter(([name]) => keeps(name));
    const required = (listAt(this.#json, 'required') as string[]).filter(keeps);
    return new Structural({ ...this.#json, properties: Object.fromEntries(properties), required });
  }

  /**
   * The same as upstream holds defaults against it, which converts the schema in another way for them: `x-kubernetes-int-or-string`
   * says nothing of the type, and formats that nobody knows are formats all the same.
   */
  forDefaults(): Structural {
    return new Structural(this.#json, true);
  }

  /** The same of an object of its own. */
  embedding(): Structural {
    return new Structural({ ...this.#json, 'x-kubernetes-embedded-resource': true });
  }
}

const RULES = 'x-kubernetes-validations';

function rulesIn(json: JsonObject): boolean {
  if (objectsAt(json, RULES).length > 0) return true;
  const below = ['items', 'additionalProperties'].map((name) => getOwn(json, name));
  return [...below, ...Object.values(objectAt(json, 'properties'))].some(
    (schema) => isJsonObject(schema) && rulesIn(schema),
  );
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

const boolean = (json: JsonObject, name: string): boolean => getOwn(json, name) === true;

function parseProperties(
  properties: JsonValue | undefined,
  isForDefaults: boolean,
): ReadonlyMap<string, Structural> {
  if (!isJsonObject(properties)) return new Map();
  return new Map(
    Object.entries(properties).flatMap(([name, schema]): [string, Structural][] =>
      isJsonObject(schema) ? [[name, new Structural(schema, isForDefaults)]] : [],
    ),
  );
}

function parseChecks(json: JsonObject, isForDefaults: boolean): Checks {
  const pattern = stringAt(json, 'pattern');
  const values = getOwn(json, 'enum');
  const not = getOwn(json, 'not');
  const branches = (name: string): readonly Structural[] =>
    objectsAt(json, name).map((one) => new Structural(one, isForDefaults));
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
    not: isJsonObject(not) ? new Structural(not, isForDefaults) : undefined,
  };
}
