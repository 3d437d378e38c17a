import { BANNER } from './emit-types.ts';
import type { FieldModel, GroupVersionModel, MessageModel } from './model.ts';

/**
 * The compact schema: one text a group version, one line a message, read lazily by `src/cluster/api/schema.ts` (which
 * describes the format).
 */
export function emitSchema(groups: readonly GroupVersionModel[]): string {
  const entries = groups.map((group) => {
    const lines = group.messages.map((message) => emitMessage(message, group.id));
    return `  '${group.id}': {\n    group: '${group.group}',\n    version: '${group.version}',\n    package: '${group.package}',\n    text: \`\n${lines.join('\n')}\n\`,\n  },\n`;
  });
  return `${BANNER}
export interface GroupVersionData {
  readonly group: string;
  readonly version: string;
  readonly package: string;
  readonly text: string;
}

export const schemaData: Readonly<Record<string, GroupVersionData>> = {
${entries.join('')}};
`;
}

function emitMessage(message: MessageModel, id: string): string {
  const flags = `${message.kind ? '*' : ''}${message.structType === 'atomic' ? '^' : ''}`;
  return [message.name + flags, ...message.fields.map((field) => emitField(field, id))].join('\t');
}

function emitField(field: FieldModel, id: string): string {
  const base =
    field.type.type === 'scalar'
      ? field.type.code
      : `@${field.type.id === id ? '' : `${field.type.id}/`}${field.type.name}`;
  const shape = field.kind === 'list' ? '[' : field.kind === 'map' ? '{' : '';
  const parts = [field.name, String(field.number), shape + base];
  if (field.inline) parts.push('~');
  if (!field.optional) parts.push('!');
  if (field.pointer) parts.push('*');
  if (field.always) parts.push('+');
  if (field.goType !== undefined && field.goType !== goTypeOf(field, id)) parts.push(`g=${field.goType}`);
  if (field.listType !== undefined) parts.push(`l=${field.listType}`);
  if (field.listMapKeys.length > 0) parts.push(`k=${field.listMapKeys.join(',')}`);
  if (field.mapType === 'atomic' || field.structType === 'atomic') parts.push('^');
  if (field.mapType === 'granular' || field.structType === 'granular') parts.push('%');
  if (field.patchStrategy !== undefined) parts.push(`p=${field.patchStrategy}`);
  if (field.patchMergeKey !== undefined) parts.push(`m=${field.patchMergeKey}`);
  if (field.defaultValue !== undefined) parts.push(`d=${field.defaultValue}`);
  return parts.join(' ');
}

const GO_SCALARS: Readonly<Record<string, string>> = {
  s: 'string',
  b: 'bool',
  i: 'int32',
  l: 'int64',
  d: 'float64',
  y: '[]uint8',
  t: 'v1.Time',
  u: 'v1.MicroTime',
  D: 'v1.Duration',
  f: 'v1.FieldsV1',
  q: 'resource.Quantity',
  x: 'intstr.IntOrString',
  r: 'runtime.RawExtension',
};

/** What `schema.ts` makes of the definition alone. */
function goTypeOf({ kind, type }: FieldModel, home: string): string {
  const single =
    type.type === 'scalar'
      ? (GO_SCALARS[type.code] ?? '')
      : `${(type.id === '' ? home : type.id).split('-')[1] ?? ''}.${type.name}`;
  return `${kind === 'list' ? '[]' : kind === 'map' ? 'map[string]' : ''}${single}`;
}
