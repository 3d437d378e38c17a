/** Turns protobuf messages into TypeScript types with encoders for what is sent and decoders for what comes back. */
import { BANNER } from './emit-types.ts';
import type { ProtoField, ProtoFile, ProtoMessage } from './proto.ts';

export interface Wanted {
  /** Names of messages that are sent: they get an encoder, and all their fields are optional. */
  readonly requests: readonly string[];
  /** Names of messages that come back: they get a decoder, and their scalars are always there. */
  readonly responses: readonly string[];
}

/** Scalars by name: TypeScript type, value when absent, wire type. 64-bit numbers become numbers: see `number64`. */
const SCALARS: Readonly<Record<string, readonly [type: string, zero: string, wire: number]>> = {
  string: ['string', "''", 2],
  bool: ['boolean', 'false', 0],
  bytes: ['Uint8Array', 'NOTHING', 2],
  int32: ['number', '0', 0],
  uint32: ['number', '0', 0],
  int64: ['number', '0', 0],
  uint64: ['number', '0', 0],
};

interface Named {
  readonly name: string;
  readonly message: ProtoMessage;
  /** Names visible from inside, innermost first. */
  readonly scopes: readonly string[];
}

const HEAD = `${BANNER}
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

const NOTHING = new Uint8Array(0);

/** Revisions and our own lease ids fit a number; an id or hash of etcd's that does not is only looked at, never sent back. */
function number64(value: bigint | string): number {
  return Number(value);
}
`;

/** The source text of the module. */
export function emitEtcd(files: readonly ProtoFile[], wanted: Wanted): string {
  const messages = new Map<string, Named>();
  const enums = new Set<string>();
  const add = (message: ProtoMessage, scopes: readonly string[]): void => {
    const name = `${scopes[0] ?? ''}${message.name}`;
    messages.set(name, { name, message, scopes: [name, ...scopes] });
    for (const item of message.enums) enums.add(`${name}${item.name}`);
    for (const item of message.messages) add(item, [name, ...scopes]);
  };
  for (const file of files) {
    for (const item of file.enums) enums.add(item.name);
    for (const item of file.messages) add(item, []);
  }
  /** The message that a field's type means, or undefined for an enum. */
  const resolve = (field: ProtoField, { scopes }: Named): Named | undefined => {
    const name = field.type.replace(/^\.?(?:mvccpb|etcdserverpb|authpb)\./, '');
    for (const candidate of [...scopes.map((scope) => `${scope}${name}`), name]) {
      const found = messages.get(candidate);
      if (found !== undefined) return found;
      if (enums.has(candidate)) return undefined;
    }
    throw new Error(`${scopes[0]}.${field.name}: unknown type ${field.type}`);
  };
  const reach = (roots: readonly string[]): Named[] => {
    const found = new Map<string, Named>();
    const visit = (named: Named): void => {
      if (found.has(named.name)) return;
      found.set(named.name, named);
      for (const field of named.message.fields) {
        const next = SCALARS[field.type] === undefined ? resolve(field, named) : undefined;
        if (next !== undefined) visit(next);
      }
    };
    for (const name of roots) {
      const root = messages.get(name);
      if (root === undefined) throw new Error(`no message ${name}`);
      visit(root);
    }
    return [...found.values()];
  };
  const requests = reach(wanted.requests);
  const responses = reach(wanted.responses);
  const both = requests.filter((named) => responses.includes(named));
  if (both.length > 0) throw new Error(`sent and received: ${both.map(({ name }) => name).join(', ')}`);
  return [
    HEAD,
    ...requests.map((named) => emitRequest(named, (field) => resolve(field, named))),
    ...responses.map((named) => emitResponse(named, (field) => resolve(field, named))),
  ].join('\n');
}

type Resolve = (field: ProtoField) => Named | undefined;

function emitRequest(named: Named, resolve: Resolve): string {
  const fields = named.message.fields.map((field) => {
    const type = typeOf(field, resolve);
    return `  readonly ${jsonName(field.name)}?: ${field.kind === 'list' ? `readonly ${type}[]` : type} | undefined;\n`;
  });
  const { name, message } = named;
  return `export interface ${name} {\n${fields.join('')}}

export function encode${name}(${message.fields.length === 0 ? '_' : ''}message: ${name}, writer: BinaryWriter = new BinaryWriter()): BinaryWriter {
${message.fields.map((field) => emitWrite(field, resolve)).join('')}  return writer;
}
`;
}

function emitWrite(field: ProtoField, resolve: Resolve): string {
  const value = `message.${jsonName(field.name)}`;
  const inner = SCALARS[field.type] === undefined ? resolve(field) : undefined;
  const write = (one: string): string => {
    if (inner !== undefined)
      return `encode${inner.name}(${one}, writer.tag(${field.number}, 2).fork()).join();`;
    const wire = SCALARS[field.type]?.[2] ?? 0;
    return `writer.tag(${field.number}, ${wire}).${SCALARS[field.type] === undefined ? 'int32' : field.type}(${one});`;
  };
  if (field.kind === 'single') return `  if (${value} !== undefined) ${write(value)}\n`;
  if (inner === undefined && SCALARS[field.type]?.[2] !== 2) {
    // Packed: one length-delimited field with all numbers.
    return `  if (${value} !== undefined && ${value}.length > 0) {
    writer.tag(${field.number}, 2).fork();
    for (const item of ${value}) writer.${SCALARS[field.type] === undefined ? 'int32' : field.type}(item);
    writer.join();
  }\n`;
  }
  return `  for (const item of ${value} ?? []) ${write('item')}\n`;
}

function emitResponse(named: Named, resolve: Resolve): string {
  const { name, message } = named;
  const types: string[] = [];
  const zeros: string[] = [];
  const cases: string[] = [];
  for (const field of message.fields) {
    const key = jsonName(field.name);
    const type = typeOf(field, resolve);
    const inner = SCALARS[field.type] === undefined ? resolve(field) : undefined;
    const read =
      inner !== undefined
        ? `decode${inner.name}(reader, reader.uint32())`
        : type === 'number' && field.type.endsWith('64')
          ? `number64(reader.${field.type}())`
          : `reader.${SCALARS[field.type] === undefined ? 'int32' : field.type}()`;
    if (field.kind === 'list') {
      types.push(`  ${key}: ${type}[];\n`);
      zeros.push(`${key}: []`);
      const packed = inner === undefined && SCALARS[field.type]?.[2] !== 2;
      cases.push(
        packed
          ? `      case ${field.number}:
        if (wire === 2) for (const stop = reader.uint32() + reader.pos; reader.pos < stop; ) message.${key}.push(${read});
        else message.${key}.push(${read});
        break;\n`
          : `      case ${field.number}:\n        message.${key}.push(${read});\n        break;\n`,
      );
      continue;
    }
    types.push(`  ${key}: ${type}${inner === undefined ? '' : ' | undefined'};\n`);
    zeros.push(`${key}: ${inner === undefined ? (SCALARS[field.type]?.[1] ?? '0') : 'undefined'}`);
    cases.push(`      case ${field.number}:\n        message.${key} = ${read};\n        break;\n`);
  }
  return `export interface ${name} {\n${types.join('')}}

export function decode${name}(input: Uint8Array | BinaryReader, length?: number): ${name} {
  const reader = input instanceof BinaryReader ? input : new BinaryReader(input);
  const end = length === undefined ? reader.len : reader.pos + length;
  const message: ${name} = { ${zeros.join(', ')} };
  while (reader.pos < end) {
    const [field, wire] = reader.tag();
    switch (field) {
${cases.join('')}      default:
        reader.skip(wire, field);
    }
  }
  return message;
}
`;
}

/** Enums are numbers. */
function typeOf(field: ProtoField, resolve: Resolve): string {
  if (field.kind === 'map') throw new Error(`${field.name}: maps are not supported`);
  return SCALARS[field.type]?.[0] ?? resolve(field)?.name ?? 'number';
}

/** The proto3 JSON name (https://protobuf.dev/programming-guides/json/): lowerCamelCase. */
function jsonName(name: string): string {
  return name
    .replace(/^[A-Z]+(?=$|[A-Z_])/, (word) => word.toLowerCase())
    .replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
