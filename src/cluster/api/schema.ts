/**
 * The schema of every published message, read lazily from the compact texts of `generated/schema-data.ts`.
 *
 * A text has one line a message, tab-separated: `Name` with flags (`*` its objects carry apiVersion and kind, `^` atomic),
 * then a field each: JSON name, protobuf number, type, then attributes, space-separated. A type is a letter for a scalar,
 * `@Name` or `@group-version/Name` for a message; `[` before it makes a list, `{` a map with string keys. Attributes:
 * `~` inline, `!` required, `*` a pointer in Go, `+` written though it has its zero value, `g=` Go's name of the type, `^` atomic, `%` granular
 * though its message may not be, `l=` list type, `k=` list map keys, `p=` patch strategy, `m=` patch merge key,
 * `d=` default as JSON (always last: it may hold spaces).
 */
import { assert } from '../../base/errors.ts';
import { schemaData, type GroupVersionData } from './generated/schema-data.ts';
import type { JsonValue } from './json.ts';

export type FieldType =
  | 'string'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'time'
  | 'microTime'
  | 'duration'
  | 'fields'
  | 'strings'
  | 'quantity'
  | 'intOrString'
  | 'raw'
  | 'json'
  | 'schemaOrBool'
  | 'schemaOrArray'
  | 'schemaOrStrings'
  | 'message';

const TYPES: Readonly<Record<string, FieldType>> = {
  s: 'string',
  b: 'boolean',
  i: 'int32',
  l: 'int64',
  d: 'double',
  y: 'bytes',
  t: 'time',
  u: 'microTime',
  D: 'duration',
  f: 'fields',
  S: 'strings',
  q: 'quantity',
  x: 'intOrString',
  r: 'raw',
  j: 'json',
  B: 'schemaOrBool',
  A: 'schemaOrArray',
  P: 'schemaOrStrings',
};

const GO_TYPES: Readonly<Partial<Record<FieldType, string>>> = {
  boolean: 'bool',
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  duration: 'v1.Duration',
  fields: 'v1.FieldsV1',
  strings: '[]string',
  quantity: 'resource.Quantity',
  intOrString: 'intstr.IntOrString',
  raw: 'runtime.RawExtension',
};

export interface FieldSchema {
  /** JSON name. */
  readonly name: string;
  /** Protobuf number; 0 for apiVersion and kind, which travel outside the message. */
  readonly number: number;
  readonly type: FieldType;
  readonly kind: 'single' | 'list' | 'map';
  /** In JSON its members stand in the outer message; only on the wire it is a message of its own. */
  readonly inline: boolean;
  /** The message of a field (or of a list's or map's elements) whose type is 'message'. */
  readonly message: MessageSchema | undefined;
  readonly required: boolean;
  /** A pointer in Go: its zero value says something else than nothing. */
  readonly pointer: boolean;
  /** Go writes it though nothing is in it. */
  readonly always: boolean;
  /** Go's name of the type, as errors show it: `v1.Protocol`, `[]string`. */
  readonly goType: string;
  /** The same of a list's or a map's elements. */
  readonly elementGoType: string;
  readonly listType: 'atomic' | 'set' | 'map' | undefined;
  readonly listMapKeys: readonly string[];
  /** The struct or map is replaced as a whole. */
  readonly atomic: boolean;
  /** It is not, though its message may be one wherever else it stands. */
  readonly granular: boolean;
  /** `merge`, `replace`, `retainKeys`. */
  readonly patchStrategy: readonly string[];
  readonly patchMergeKey: string | undefined;
  readonly defaultValue: JsonValue | undefined;
}

export interface MessageSchema {
  readonly name: string;
  /** `core-v1`. */
  readonly groupVersionId: string;
  /** Dotted protobuf name: `k8s.io.api.core.v1.Pod`. */
  readonly fullName: string;
  /** Objects of this message carry apiVersion and kind. */
  readonly isKind: boolean;
  /** Replaced and owned as a whole, wherever it stands. */
  readonly atomic: boolean;
  /** By JSON name, members of inlined messages included. */
  readonly fields: ReadonlyMap<string, FieldSchema>;
  /** Those of them that Go writes even when nothing is in them. */
  readonly always: readonly FieldSchema[];
  /** Those of these whose zero value is not null. */
  readonly filled: readonly FieldSchema[];
  /** By protobuf number, inlined messages as the fields that they are on the wire. */
  readonly wire: ReadonlyMap<number, FieldSchema>;
  /** Go's names of the structs between the message and a field that is inlined, the outermost first. */
  embeddedIn(field: string): readonly string[];
}

export interface KindSchema {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly message: MessageSchema;
}

/** Of types that write their zero value as null. */
const NULL_TYPES: ReadonlySet<FieldType> = new Set([
  'bytes',
  'time',
  'microTime',
  'fields',
  'strings',
  'raw',
  'json',
  'schemaOrBool',
  'schemaOrArray',
  'schemaOrStrings',
]);

class Field implements FieldSchema {
  readonly name: string;
  readonly number: number;
  readonly type: FieldType;
  readonly kind: 'single' | 'list' | 'map';
  readonly inline: boolean = false;
  readonly required: boolean = false;
  readonly pointer: boolean = false;
  readonly always: boolean = false;
  readonly listType: 'atomic' | 'set' | 'map' | undefined;
  readonly listMapKeys: readonly string[] = [];
  readonly atomic: boolean = false;
  readonly granular: boolean = false;
  readonly patchStrategy: readonly string[] = [];
  readonly patchMergeKey: string | undefined;
  readonly defaultValue: JsonValue | undefined;
  readonly #reference: string;
  readonly #home: string;
  #goType: string | undefined;
  #message: MessageSchema | undefined;

  constructor(text: string, home: string) {
    const [name = '', number = '0', type = '', ...attributes] = text.split(' ');
    this.name = name;
    this.number = Number(number);
    this.kind = type.startsWith('[') ? 'list' : type.startsWith('{') ? 'map' : 'single';
    this.#reference = this.kind === 'single' ? type : type.slice(1);
    this.#home = home;
    this.type = TYPES[this.#reference] ?? 'message';
    for (const [index, attribute] of attributes.entries()) {
      const value = attribute.slice(2);
      if (attribute === '~') this.inline = true;
      else if (attribute === '!') this.required = true;
      else if (attribute === '*') this.pointer = true;
      else if (attribute === '+') this.always = true;
      else if (attribute.startsWith('g=')) this.#goType = value;
      else if (attribute === '^') this.atomic = true;
      else if (attribute === '%') this.granular = true;
      else if (attribute.startsWith('l=')) this.listType = value as 'atomic' | 'set' | 'map';
      else if (attribute.startsWith('k=')) this.listMapKeys = value.split(',');
      else if (attribute.startsWith('p=')) this.patchStrategy = value.split(',');
      else if (attribute.startsWith('m=')) this.patchMergeKey = value;
      else if (attribute.startsWith('d=')) {
        this.defaultValue = JSON.parse(attributes.slice(index).join(' ').slice(2)) as JsonValue;
        break;
      }
    }
  }

  get goType(): string {
    const shape = this.kind === 'list' ? '[]' : this.kind === 'map' ? 'map[string]' : '';
    this.#goType ??= `${shape}${this.#singleGoType()}`;
    return this.#goType;
  }

  get elementGoType(): string {
    const [, element] = /^(?:\[\]|map\[[^\]]*\])(.*)$/.exec(this.goType) ?? [];
    return this.kind === 'single' ? this.goType : (element ?? this.#singleGoType());
  }

  #singleGoType(): string {
    if (this.type !== 'message') return GO_TYPES[this.type] ?? this.type;
    const reference = this.#reference.slice(1);
    const slash = reference.indexOf('/');
    const home = slash === -1 ? this.#home : reference.slice(0, slash);
    return `${home.split('-')[1] ?? ''}.${reference.slice(slash + 1)}`;
  }

  get message(): MessageSchema | undefined {
    // Looked up at the first use: messages refer to each other in circles.
    this.#message ??= this.#findMessage();
    return this.#message;
  }

  #findMessage(): MessageSchema | undefined {
    if (this.type !== 'message') {
      return this.type.startsWith('schemaOr') ? messageSchema(this.#home, 'JSONSchemaProps') : undefined;
    }
    const reference = this.#reference.slice(1);
    const slash = reference.indexOf('/');
    return slash === -1
      ? messageSchema(this.#home, reference)
      : messageSchema(reference.slice(0, slash), reference.slice(slash + 1));
  }
}

class Message implements MessageSchema {
  readonly name: string;
  readonly groupVersionId: string;
  readonly fullName: string;
  readonly isKind: boolean;
  readonly atomic: boolean;
  readonly #text: string;
  #fields: ReadonlyMap<string, FieldSchema> | undefined;
  #always: readonly FieldSchema[] | undefined;
  #filled: readonly FieldSchema[] | undefined;
  #wire: ReadonlyMap<number, FieldSchema> | undefined;

  constructor(line: string, groupVersionId: string, data: GroupVersionData) {
    const end = line.indexOf('\t');
    const head = end === -1 ? line : line.slice(0, end);
    this.name = head.replace(/[*^]+$/, '');
    this.isKind = head.includes('*');
    this.atomic = head.includes('^');
    this.groupVersionId = groupVersionId;
    this.fullName = `${data.package}.${this.name}`;
    this.#text = end === -1 ? '' : line.slice(end + 1);
  }

  get fields(): ReadonlyMap<string, FieldSchema> {
    this.#fields ??= this.#parse();
    return this.#fields;
  }

  get always(): readonly FieldSchema[] {
    this.#always ??= [...this.fields.values()].filter((field) => field.always);
    return this.#always;
  }

  get filled(): readonly FieldSchema[] {
    this.#filled ??= this.always.filter(
      ({ kind, pointer, type }) => kind === 'single' && !pointer && !NULL_TYPES.has(type),
    );
    return this.#filled;
  }

  get wire(): ReadonlyMap<number, FieldSchema> {
    this.#wire ??= new Map(this.#ownFields().map((field) => [field.number, field]));
    return this.#wire;
  }

  embeddedIn(name: string): readonly string[] {
    for (const { inline, message } of this.wire.values())
      if (inline && message?.fields.has(name) === true) return [message.name, ...message.embeddedIn(name)];
    return [];
  }

  #ownFields(): Field[] {
    return this.#text === ''
      ? []
      : this.#text.split('\t').map((text) => new Field(text, this.groupVersionId));
  }

  #parse(): ReadonlyMap<string, FieldSchema> {
    const fields = new Map<string, FieldSchema>();
    if (this.isKind) {
      fields.set('apiVersion', new Field('apiVersion 0 s', this.groupVersionId));
      fields.set('kind', new Field('kind 0 s', this.groupVersionId));
    }
    for (const field of this.#ownFields()) {
      if (!field.inline) fields.set(field.name, field);
      else for (const [name, member] of field.message?.fields ?? []) fields.set(name, member);
    }
    return fields;
  }
}

const groups = new Map<string, ReadonlyMap<string, MessageSchema>>();

function groupMessages(id: string): ReadonlyMap<string, MessageSchema> | undefined {
  const known = groups.get(id);
  if (known !== undefined) return known;
  const data = Object.hasOwn(schemaData, id) ? schemaData[id] : undefined;
  if (data === undefined) return undefined;
  const messages = new Map<string, MessageSchema>();
  for (const line of data.text.split('\n')) {
    if (line === '') continue;
    const message = new Message(line, id, data);
    messages.set(message.name, message);
  }
  groups.set(id, messages);
  return messages;
}

function messageSchema(id: string, name: string): MessageSchema {
  const message = groupMessages(id)?.get(name);
  assert(message !== undefined, `schema of ${id}/${name}`);
  return message;
}

let idsByGroupVersion: ReadonlyMap<string, string> | undefined;

/** The schema of a kind, or undefined when no published definition has it. */
export function kindSchema(group: string, version: string, kind: string): KindSchema | undefined {
  idsByGroupVersion ??= new Map(
    Object.entries(schemaData).map(([id, data]) => [`${data.group}/${data.version}`, id]),
  );
  const id = idsByGroupVersion.get(`${group}/${version}`);
  const message = (id === undefined ? undefined : groupMessages(id)?.get(kind)) ?? metaMessage(kind);
  return message?.isKind === true ? { group, version, kind, message } : undefined;
}

/** Of meta/v1, whose kinds every group version accepts: DeleteOptions, Status and the like. */
export function metaMessage(kind: string): MessageSchema | undefined {
  return groupMessages('meta-v1')?.get(kind);
}

/** Of a message's `groupVersionId`; the group of the messages that all groups share is `meta`. */
export function groupVersionOf(id: string): { readonly group: string; readonly version: string } {
  const data = schemaData[id];
  assert(data !== undefined, `group version ${id}`);
  return { group: data.group, version: data.version };
}

/** Every published group version, served here or not. */
export function publishedGroupVersions(): { readonly group: string; readonly version: string }[] {
  return Object.values(schemaData).map(({ group, version }) => ({ group, version }));
}

/** `v1`, `apps/v1`. */
export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Splits `apps/v1` and `v1`. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return slash === -1
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
