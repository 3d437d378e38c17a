import { GO_CONSTANTS, GROUP_NAMES, INLINE_FIELDS, isKind, JSON_NAMES, SCALAR_MESSAGES } from './facts.ts';
import type { GoFields } from './go-fields.ts';
import { OPTIONAL_FIELDS, OPTIONAL_MESSAGES } from './optional-fields.ts';
import type { ProtoField, ProtoFile, ProtoMessage } from './proto.ts';

/** One version of one API group, as the emitters see it. */
export interface GroupVersionModel {
  /** `core-v1`: the file name. */
  readonly id: string;
  /** API group, '' for core. */
  readonly group: string;
  readonly version: string;
  /** Protobuf package. */
  readonly package: string;
  readonly messages: readonly MessageModel[];
}

export interface MessageModel {
  readonly name: string;
  /** Objects of it carry apiVersion and kind. */
  readonly kind: boolean;
  readonly fields: readonly FieldModel[];
  /** `+structType=atomic` and the like. */
  readonly structType: string | undefined;
}

export type FieldType =
  | { readonly type: 'scalar'; readonly ts: string; readonly code: string }
  | { readonly type: 'message'; readonly id: string; readonly name: string };

export interface FieldModel {
  /** JSON name. */
  readonly name: string;
  readonly number: number;
  readonly kind: 'single' | 'list' | 'map';
  readonly type: FieldType;
  readonly inline: boolean;
  readonly optional: boolean;
  readonly listType: string | undefined;
  readonly listMapKeys: readonly string[];
  readonly mapType: string | undefined;
  readonly structType: string | undefined;
  readonly patchStrategy: string | undefined;
  readonly patchMergeKey: string | undefined;
  /** In Go a pointer: told from its zero value when it is not there. */
  readonly pointer: boolean;
  /** Written though it has its zero value. */
  readonly always: boolean;
  /** Go's name of the type, absent where it follows from the definition. */
  readonly goType: string | undefined;
  /** JSON text of `+default=`. */
  readonly defaultValue: string | undefined;
}

const SCALARS: Readonly<Record<string, { readonly ts: string; readonly code: string }>> = {
  string: { ts: 'string', code: 's' },
  bool: { ts: 'boolean', code: 'b' },
  int32: { ts: 'number', code: 'i' },
  uint32: { ts: 'number', code: 'i' },
  int64: { ts: 'number', code: 'l' },
  uint64: { ts: 'number', code: 'l' },
  double: { ts: 'number', code: 'd' },
  float: { ts: 'number', code: 'd' },
  bytes: { ts: 'string', code: 'y' },
};

/** `k8s.io.api.core.v1` → `core-v1`. */
export function packageId(packageName: string): string {
  return packageName.split('.').slice(-2).join('-');
}

/** Builds the models of all files that are API groups; every reference must be known. */
export function buildModel(
  files: readonly ProtoFile[],
  goPackages: { readonly [packageName: string]: GoFields } = {},
): GroupVersionModel[] {
  const known = new Set(files.flatMap((file) => file.messages.map((m) => `${file.package}.${m.name}`)));
  return files
    .filter((file) => /\.v\d+((alpha|beta)\d+)?$/.test(file.package))
    .map((file) => {
      const id = packageId(file.package);
      const [folder = '', version = ''] = id.split('-');
      return {
        id,
        group: GROUP_NAMES[folder] ?? folder,
        version,
        package: file.package,
        messages: file.messages
          .filter((message) => !(`${file.package}.${message.name}` in SCALAR_MESSAGES))
          .map((message) =>
            messageModel(message, { file, folder, known, go: goPackages[file.package] ?? {} }),
          ),
      };
    })
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

interface Scope {
  readonly file: ProtoFile;
  readonly folder: string;
  readonly known: ReadonlySet<string>;
  readonly go: GoFields;
}

function messageModel(message: ProtoMessage, scope: Scope): MessageModel {
  const hasMetadata = message.fields.some(
    (field) => field.name === 'metadata' && /\.(ObjectMeta|ListMeta)$/.test(`.${field.type}`),
  );
  return {
    name: message.name,
    kind: isKind(scope.folder, message.name, hasMetadata),
    fields: message.fields
      .filter((field) => !(field.name === 'typeMeta'))
      .map((field) => fieldModel(message, field, scope)),
    structType: marker(message.comment, 'structType'),
  };
}

function fieldModel(message: ProtoMessage, field: ProtoField, scope: Scope): FieldModel {
  const key = `${message.name}.${field.name}`;
  const name = JSON_NAMES[key] ?? field.name;
  const comment = field.comment;
  const defaultValue = marker(comment, 'default');
  const type = resolve(field.type, scope);
  const [presence = '', goType] = scope.go[message.name]?.[name]?.split(' ') ?? [];
  const pointer = presence.includes('*');
  const inline = INLINE_FIELDS.has(key);
  return {
    name,
    number: field.number,
    kind: field.kind,
    type,
    inline,
    pointer,
    always: presence.includes('+') || (isStruct(field, type) && goType !== undefined && presence === ''),
    goType: goType?.replace(/\bbyte$/, 'uint8'),
    optional:
      comment.some((line) => /^\+(k8s:)?optional\b/.test(line)) || isOptional(message.name, name, scope),
    listType: marker(comment, 'listType') ?? marker(comment, 'k8s:listType'),
    listMapKeys: [...new Set([...markers(comment, 'listMapKey'), ...markers(comment, 'k8s:listMapKey')])],
    mapType: marker(comment, 'mapType'),
    structType: marker(comment, 'structType'),
    patchStrategy: marker(comment, 'patchStrategy'),
    patchMergeKey: marker(comment, 'patchMergeKey'),
    defaultValue: defaultValue === undefined ? undefined : (GO_CONSTANTS[defaultValue] ?? defaultValue),
  };
}

/** The codes of scalars that are structs in Go, which omitempty does not leave out. */
const STRUCTS = new Set(['t', 'u', 'D', 'q', 'x', 'r', 'j', 'B', 'A', 'P']);

function isStruct({ kind }: ProtoField, type: FieldType): boolean {
  return kind === 'single' && (type.type === 'message' || STRUCTS.has(type.code));
}

function isOptional(message: string, field: string, scope: Scope): boolean {
  const fields = OPTIONAL_FIELDS[`${scope.folder}/${message}`] ?? OPTIONAL_FIELDS[message] ?? [];
  return fields.includes(field) || OPTIONAL_MESSAGES.has(message);
}

function resolve(type: string, scope: Scope): FieldType {
  const scalar = SCALARS[type];
  if (scalar !== undefined) return { type: 'scalar', ...scalar };
  const full = type.startsWith('.') ? type.slice(1) : `${scope.file.package}.${type}`;
  const special = SCALAR_MESSAGES[full];
  if (special !== undefined) return { type: 'scalar', ...special };
  if (!scope.known.has(full)) throw new Error(`${scope.file.package}: unknown type ${type}`);
  const dot = full.lastIndexOf('.');
  return { type: 'message', id: packageId(full.slice(0, dot)), name: full.slice(dot + 1) };
}

function markers(comment: readonly string[], name: string): string[] {
  const prefix = `+${name}=`;
  return comment.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length).trim());
}

function marker(comment: readonly string[], name: string): string | undefined {
  return markers(comment, name)[0]?.replace(/^"|"$/g, (quote) => (name === 'default' ? quote : ''));
}
