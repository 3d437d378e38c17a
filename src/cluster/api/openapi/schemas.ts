import { isJsonObject, type JsonObject, type JsonValue } from '../json.ts';
import type { ResourceDeclaration } from '../resource-declaration.ts';
import { description, descriptionInKind } from './descriptions.ts';
import { enumOf } from './enums.ts';
import { kindSchema, type FieldSchema, type KindSchema, type MessageSchema } from '../schema.ts';

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

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

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
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

/** Gathers the schemas that paths refer to, and theirs in turn. */
export class SchemaCollector {
  readonly #messages = new Map<string, MessageSchema>();
  readonly #named = new Map<string, JsonObject>();
  readonly #kinds = new Map<string, GroupVersionKind[]>();
  readonly #custom = new Map<string, string>();

  /** Makes a user's definition known, so that references to its kind and list find it. */
  define(resource: ResourceDeclaration): void {
    const { group, version, kind, listKind } = resource;
    const openApi = resource.openApi?.() ?? {};
    const meta = kindSchema('meta.k8s.io', 'v1', 'PartialObjectMetadata');
    const list = kindSchema('meta.k8s.io', 'v1', 'PartialObjectMetadataList');
    const metadataOf = (schema: KindSchema | undefined): JsonObject => {
      const message = schema?.message.fields.get('metadata')?.message;
      return message === undefined
        ? { type: 'object' }
        : { ...describedInKind('metadata'), allOf: [this.#reference(message)] };
    };
    const head = {
      apiVersion: { ...describedInKind('apiVersion'), type: 'string' },
      kind: { ...describedInKind('kind'), type: 'string' },
    };
    const gvk = (name: string): JsonObject[] => [{ group, version, kind: name }];
    const name = customName(resource);
    const properties = isJsonObject(openApi['properties']) ? openApi['properties'] : {};
    this.#custom.set(`${group}/${version}/${kind}`, name);
    this.#custom.set(`${group}/${version}/${listKind}`, `${name}List`);
    this.#named.set(name, {
      ...openApi,
      properties: { ...properties, ...head, metadata: metadataOf(meta) },
      'x-kubernetes-group-version-kind': gvk(kind),
    });
    this.#named.set(`${name}List`, {
      type: 'object',
      properties: {
        ...head,
        metadata: metadataOf(list),
        items: { ...describedInKind('items'), type: 'array', items: { allOf: [reference(name)] } },
      },
      required: ['items'],
      'x-kubernetes-group-version-kind': gvk(listKind),
    });
  }

  isCustom({ group, version, kind }: GroupVersionKind): boolean {
    return this.#custom.has(`${group}/${version}/${kind}`);
  }

  /** A reference to a kind's schema. */
  kind(gvk: GroupVersionKind): JsonObject {
    const custom = this.#custom.get(`${gvk.group}/${gvk.version}/${gvk.kind}`);
    if (custom !== undefined) return reference(custom);
    const schema = kindSchema(gvk.group, gvk.version, gvk.kind);
    if (schema === undefined) return { type: 'object' };
    const name = openApiName(schema.message);
    const kinds = this.#kinds.get(name) ?? [];
    if (!kinds.some((item) => item.group === gvk.group && item.version === gvk.version)) kinds.push(gvk);
    this.#kinds.set(name, kinds);
    return this.#reference(schema.message);
  }

  /** All schemas, by name, sorted. Stops after each. */
  *collected(): Generator<void, JsonObject> {
    const result: Record<string, JsonObject> = {};
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

  #schema(name: string, message: MessageSchema): JsonObject {
    const properties: JsonObject = {};
    const required: string[] = [];
    const describe =
      message.fields.has('kind') && message.fields.has('apiVersion') ? descriptionInKind : description;
    for (const field of message.fields.values()) {
      properties[field.name] = {
        ...described(describe(name, field.name)),
        ...this.#field(field, enumOf(name, field.name)),
      };
      if (field.required && field.number > 0) required.push(field.name);
    }
    const kinds = this.#kinds.get(name);
    return {
      ...described(description(name)),
      type: 'object',
      ...(message.fields.size > 0 ? { properties } : {}),
      ...(required.length > 0 ? { required } : {}),
      ...(message.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
      ...(kinds === undefined
        ? {}
        : { 'x-kubernetes-group-version-kind': kinds.map((gvk): JsonObject => ({ ...gvk })) }),
    };
  }

  #field(field: FieldSchema, values: readonly string[] | undefined): JsonObject {
    const extensions = fieldExtensions(field);
    const limited = values === undefined ? {} : { enum: [...values] };
    if (field.kind === 'list')
      return { type: 'array', items: { ...this.#element(field), ...limited }, ...extensions };
    if (field.kind === 'map') {
      return { type: 'object', additionalProperties: this.#element(field), ...extensions };
    }
    return { ...this.#element(field), ...limited, ...extensions };
  }

  #element(field: FieldSchema): JsonObject {
    if (field.type === 'message' && field.message !== undefined) {
      // Beside a $ref nothing else may stand, hence the allOf.
      return { allOf: [this.#reference(field.message)] };
    }
    const named = NAMED[field.type];
    if (named === undefined) return { ...SCALARS[field.type] };
    this.#named.set(named.name, named.schema);
    return { allOf: [reference(named.name)] };
  }
}

function described(text: string | undefined): JsonObject {
  return text === undefined ? {} : { description: text };
}

function describedInKind(field: string): JsonObject {
  return described(descriptionInKind('', field));
}

/** `com.example.v1.Widget` for Widget of example.com/v1. */
function customName({ group, version, kind }: ResourceDeclaration): string {
  return `${group.split('.').toReversed().join('.')}.${version}.${kind}`;
}

function reference(name: string): JsonObject {
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
