import { assert } from '../../../base/errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { description, descriptionInKind } from './descriptions.ts';
import { enumOf } from './enums.ts';
import { unionOf } from './unions.ts';
import {
  groupVersionOf,
  kindSchema,
  metaMessage,
  type FieldSchema,
  type FieldType,
  type MessageSchema,
} from '../schema.ts';

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

export interface GroupVersionKind extends GroupVersion {
  readonly kind: string;
}

/** Long work that can stop at each `yield`. */
export type Steps = Generator<void, JsonObject>;

/** Upstream's name of a message in OpenAPI: `k8s.io.api.apps.v1.Deployment` → `io.k8s.api.apps.v1.Deployment`. */
export function openApiName(message: MessageSchema): string {
  return message.fullName.replace(/^k8s\.io\./, 'io.k8s.').replace('_', '-');
}

const SCALARS: Readonly<Record<string, JsonObject>> = {
  string: { type: 'string' },
  boolean: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  strings: { type: 'array', items: { type: 'string' } },
};

export const KINDS = 'x-kubernetes-group-version-kind';
export const OPTION_KINDS: ReadonlySet<string> = new Set(['DeleteOptions', 'WatchEvent']);

export const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const DEFINITIONS = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';

/**
 * Types that are neither a message nor a plain scalar: clients know them by their names. What says nothing else has a
 * description, because `kubectl explain --recursive` takes an empty schema for a missing one.
 */
const NAMED: Readonly<Record<string, { readonly name: string; readonly schema: JsonObject }>> = {
  time: { name: `${META}.Time`, schema: { type: 'string', format: 'date-time' } },
  microTime: { name: `${META}.MicroTime`, schema: { type: 'string', format: 'date-time' } },
  duration: { name: `${META}.Duration`, schema: { type: 'string' } },
  fields: { name: `${META}.FieldsV1`, schema: { type: 'object' } },
  raw: { name: 'io.k8s.apimachinery.pkg.runtime.RawExtension', schema: { type: 'object' } },
  json: { name: `${DEFINITIONS}.JSON`, schema: { description: 'Any JSON value.' } },
  schemaOrBool: {
    name: `${DEFINITIONS}.JSONSchemaPropsOrBool`,
    schema: { description: 'A schema, or true or false.' },
  },
  schemaOrArray: {
    name: `${DEFINITIONS}.JSONSchemaPropsOrArray`,
    schema: { description: 'A schema, or a list of schemas.' },
  },
  schemaOrStrings: {
    name: `${DEFINITIONS}.JSONSchemaPropsOrStringArray`,
    schema: { description: 'A schema, or a list of names of properties.' },
  },
  quantity: {
    name: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
    schema: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  },
  intOrString: {
    name: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
    schema: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  },
};

/** Fields of which upstream says nothing, by message: nothing stands beside their references. */
const UNDESCRIBED: Readonly<Record<string, readonly string[]>> = {
  [`${DEFINITIONS}.JSONSchemaProps`]: [
    'additionalItems',
    'additionalProperties',
    'example',
    'externalDocs',
    'items',
    'not',
  ],
  'io.k8s.api.networking.v1.IngressRule': ['http'],
};

/** Of fields that Go writes with nothing in them. */
const ZEROS: Readonly<Partial<Record<FieldType, JsonValue>>> = {
  string: '',
  boolean: false,
  int32: 0,
  int64: 0,
  double: 0,
};

/** Gathers the schemas that paths refer to, and theirs in turn. */
export class SchemaCollector {
  readonly #messages = new Map<string, MessageSchema>();
  readonly #named = new Map<string, JsonObject>();
  readonly #defined = new Map<string, { readonly name: string; readonly steps: () => Steps }>();
  readonly #asked = new Map<string, () => Steps>();
  readonly #optionVersions: readonly GroupVersion[];

  /** `optionVersions` are the group versions that DeleteOptions and WatchEvent are known in. */
  constructor(optionVersions: readonly GroupVersion[]) {
    this.#optionVersions = optionVersions;
  }

  /** Makes a kind known that is not published: references find it by its `name`. */
  define(gvk: GroupVersionKind, name: string, steps: () => Steps): void {
    this.#defined.set(keyOf(gvk), { name, steps });
  }

  /** A reference to a kind's schema. */
  kind(gvk: GroupVersionKind): JsonObject {
    const defined = this.#defined.get(keyOf(gvk));
    if (defined !== undefined) {
      this.#asked.set(defined.name, defined.steps);
      return reference(defined.name);
    }
    const message = kindSchema(gvk.group, gvk.version, gvk.kind)?.message ?? metaMessage(gvk.kind);
    assert(message !== undefined, `schema of ${gvk.kind}`);
    return this.#reference(message);
  }

  /** A reference to the metadata of an object or a list. */
  metadata(kind: 'PartialObjectMetadata' | 'PartialObjectMetadataList'): JsonObject {
    const message = kindSchema('', 'v1', kind)?.message.fields.get('metadata')?.message;
    return message === undefined ? { type: 'object' } : this.#reference(message);
  }

  /** All schemas, by name, sorted. Stops after each. */
  *collected(): Steps {
    const result: Record<string, JsonObject> = {};
    for (const [name, steps] of this.#asked) result[name] = yield* steps();
    // The map grows while it is walked: fields refer to further messages.
    for (const [name, message] of this.#messages) {
      result[name] = this.#schema(name, message);
      yield;
    }
    for (const [name, schema] of this.#named) result[name] = { ...schema };
    return Object.fromEntries(Object.entries(result).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #reference(message: MessageSchema): JsonObject {
    const name = openApiName(message);
    this.#messages.set(name, message);
    return reference(name);
  }

  #namedReference({ name, schema }: { readonly name: string; readonly schema: JsonObject }): JsonObject {
    this.#named.set(name, schema);
    return reference(name);
  }

  #schema(name: string, message: MessageSchema): JsonObject {
    const properties: JsonObject = {};
    const required: string[] = [];
    const describe =
      message.fields.has('kind') && message.fields.has('apiVersion') ? descriptionInKind : description;
    for (const field of message.fields.values()) {
      const schema = this.#field(field, enumOf(name, field.name));
      properties[field.name] =
        UNDESCRIBED[name]?.includes(field.name) === true
          ? this.#element(field)
          : { ...described(describe(name, field.name)), ...schema };
      if (field.required && field.number > 0) required.push(field.name);
    }
    return {
      ...described(description(name)),
      type: 'object',
      ...(message.fields.size > 0 ? { properties } : {}),
      ...(required.length > 0 ? { required } : {}),
      ...unionOf(name),
      ...(message.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
      ...(message.isKind || OPTION_KINDS.has(message.name) ? { [KINDS]: this.#kindsOf(message) } : {}),
    };
  }

  /** DeleteOptions and WatchEvent are kinds of every group version, all others of their own. */
  #kindsOf({ name, groupVersionId }: MessageSchema): JsonObject[] {
    const { group, version } = groupVersionOf(groupVersionId);
    if (group !== 'meta') return [{ group, version, kind: name }];
    const versions = OPTION_KINDS.has(name) ? this.#optionVersions : [{ group: '', version: 'v1' }];
    return versions.map((of) => ({ group: of.group, version: of.version, kind: name }));
  }

  #field(field: FieldSchema, values: readonly string[] | undefined): JsonObject {
    const limited = values === undefined ? {} : { enum: [...values] };
    const element = this.#element(field);
    const extensions = fieldExtensions(field);
    if (field.kind === 'list') return { type: 'array', items: { ...element, ...limited }, ...extensions };
    if (field.kind === 'map')
      return { type: 'object', additionalProperties: { ...element, ...limited }, ...extensions };
    const zero = field.pointer ? undefined : zeroOf(field);
    // Beside a $ref nothing else may stand, hence the allOf.
    return {
      ...('$ref' in element ? { allOf: [element] } : element),
      ...limited,
      ...(zero === undefined ? {} : { default: zero }),
      ...extensions,
    };
  }

  #element(field: FieldSchema): JsonObject {
    if (field.type === 'message' && field.message !== undefined) return this.#reference(field.message);
    const named = NAMED[field.type];
    return named === undefined ? { ...SCALARS[field.type] } : this.#namedReference(named);
  }
}

/** What Go has where nothing is said: an empty struct always, other values where they are written. */
function zeroOf({ type, always }: FieldSchema): JsonValue | undefined {
  if (type === 'message') return {};
  return always ? ZEROS[type] : undefined;
}

function keyOf({ group, version, kind }: GroupVersionKind): string {
  return `${group}/${version}/${kind}`;
}

export function described(text: string | undefined): JsonObject {
  return text === undefined ? {} : { description: text };
}

export function reference(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
}

function fieldExtensions(field: FieldSchema): JsonObject {
  const extensions: Record<string, JsonValue> = {};
  if (field.listType !== undefined) extensions['x-kubernetes-list-type'] = field.listType;
  if (field.listMapKeys.length > 0) extensions['x-kubernetes-list-map-keys'] = [...field.listMapKeys];
  if (field.atomic || field.granular)
    extensions['x-kubernetes-map-type'] = field.atomic ? 'atomic' : 'granular';
  if (field.patchStrategy.length > 0) {
    extensions['x-kubernetes-patch-strategy'] = field.patchStrategy.join(',');
  }
  if (field.patchMergeKey !== undefined) extensions['x-kubernetes-patch-merge-key'] = field.patchMergeKey;
  if (field.defaultValue !== undefined) extensions['default'] = field.defaultValue;
  return extensions;
}
