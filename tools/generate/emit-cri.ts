import { BANNER } from './emit-types.ts';
import type { ProtoEnum, ProtoField, ProtoFile, ProtoMessage } from './proto.ts';

const SCALARS: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'boolean',
  bytes: 'Uint8Array',
  int32: 'number',
  uint32: 'number',
  int64: 'number',
  uint64: 'number',
  double: 'number',
  float: 'number',
};

/** The messages of the container runtime interface as TypeScript: proto3 JSON names, enums as unions of their names. */
export function emitCri(file: ProtoFile): string {
  const declarations = [
    ...file.enums.map((item) => emitEnum(item, '')),
    ...file.messages.flatMap((message) => emitMessage(message, '')),
  ];
  return `${BANNER}\n${declarations.join('\n')}`;
}

function emitEnum(item: ProtoEnum, prefix: string): string {
  const values = item.values.map((value) => `  | '${value.name}'`);
  return `export type ${prefix}${item.name} =\n${values.join('\n')};\n`;
}

function emitMessage(message: ProtoMessage, prefix: string): string[] {
  const name = `${prefix}${message.name}`;
  const nested = new Set([...message.messages, ...message.enums].map((item) => item.name));
  const lines = message.fields.map(
    (field) => `  ${jsonName(field.name)}?: ${fieldType(field, nested, name)} | undefined;\n`,
  );
  return [
    ...message.enums.map((item) => emitEnum(item, name)),
    ...message.messages.flatMap((item) => emitMessage(item, name)),
    `export interface ${name} {\n${lines.join('')}}\n`,
  ];
}

function fieldType(field: ProtoField, nested: ReadonlySet<string>, owner: string): string {
  const base = SCALARS[field.type] ?? (nested.has(field.type) ? `${owner}${field.type}` : field.type);
  if (field.kind === 'list') return `${base}[]`;
  return field.kind === 'map' ? `Record<string, ${base}>` : base;
}

/** The proto3 JSON name (https://protobuf.dev/programming-guides/json/): lowerCamelCase. */
function jsonName(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
