/** Objects of their own inside of others (x-kubernetes-embedded-resource): their head is as that of any object. */
import { append } from '../../../base/append.ts';
import { PlatformError } from '../../../base/errors.ts';
import { fieldErrorText, invalid, required, type FieldError } from '../field-error.ts';
import { getOwn, isJsonObject, stringAt, type JsonObject, type JsonValue } from '../json.ts';
import { validateMetadata } from '../validate/metadata.ts';
import { dns1035Label } from '../validate/names.ts';
import { isSchema } from './prune.ts';
import type { Structural } from './schema.ts';

/** Reads the metadata at a path as metadata of any object; throws when it is none. */
export type ReadMetadata = (metadata: JsonValue, path: string) => JsonValue;

/** Brings the heads of embedded objects into their form, in place. */
export function coerceEmbedded(value: JsonValue, schema: Structural, read: ReadMetadata, path = ''): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items !== undefined) {
      value.forEach((item, index) => coerceEmbedded(item, items, read, `${path}[${index}]`));
    }
    return;
  }
  if (!isJsonObject(value)) return;
  if (schema.embedded) coerceHead(value, read, path);
  for (const [name, child] of Object.entries(value)) {
    if (child === undefined) continue;
    const known = schema.properties.get(name);
    if (known !== undefined) coerceEmbedded(child, known, read, path === '' ? name : `${path}.${name}`);
    else if (isSchema(schema.additional)) coerceEmbedded(child, schema.additional, read, `${path}[${name}]`);
  }
}

function coerceHead(object: JsonObject, read: ReadMetadata, path: string): void {
  for (const key of ['apiVersion', 'kind']) {
    const value = getOwn(object, key);
    if (value === undefined || typeof value === 'string') continue;
    const text = fieldErrorText(invalid('', value, 'must be a string'));
    throw new PlatformError('invalid', `${path}.${key}: ${text}`);
  }
  const metadata = getOwn(object, 'metadata');
  if (metadata !== undefined) object['metadata'] = read(metadata, `${path}.metadata`);
}

export function embeddedErrors(value: JsonValue, schema: Structural, path = ''): FieldError[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined
      ? []
      : value.flatMap((item, index) => embeddedErrors(item, items, `${path}[${index}]`));
  }
  if (!isJsonObject(value)) return [];
  const errors = schema.embedded ? headErrors(value, path) : [];
  for (const [name, child] of Object.entries(value)) {
    if (child === undefined) continue;
    const known = schema.properties.get(name);
    if (known !== undefined)
      append(errors, embeddedErrors(child, known, path === '' ? name : `${path}.${name}`));
    else if (isSchema(schema.additional)) {
      append(errors, embeddedErrors(child, schema.additional, `${path}[${name}]`));
    }
  }
  return errors;
}

function headErrors(object: JsonObject, path: string): FieldError[] {
  const errors = ['apiVersion', 'kind']
    .filter((key) => getOwn(object, key) === undefined)
    .map((key) => required(`${path}.${key}`));
  for (const key of ['apiVersion', 'kind'] as const) {
    const value = getOwn(object, key);
    if (value === undefined) continue;
    const detail =
      typeof value !== 'string'
        ? 'must be a string'
        : value === ''
          ? 'must not be empty'
          : problemOf(key, value);
    if (detail !== undefined) errors.push(invalid(`${path}.${key}`, value, detail));
  }
  const metadata = getOwn(object, 'metadata');
  if (isJsonObject(metadata)) {
    // A name is not needed here, which any name stands for.
    const named = {
      metadata: {
        ...metadata,
        name: metadata['name'] === undefined || metadata['name'] === '' ? 'fakename' : metadata['name'],
      },
    };
    const found = validateMetadata(named, { name: 'path-segment', custom: true });
    append(
      errors,
      found.map((error) => ({ ...error, field: `${path}.${error.field}` })),
    );
    const base = stringAt(metadata, 'generateName');
    const at = `${path}.metadata.generateName`;
    for (const part of ['/', '%']) {
      if (base.includes(part)) errors.push(invalid(at, base, `may not contain '${part}'`));
    }
  }
  return errors;
}

function problemOf(key: 'apiVersion' | 'kind', value: string): string | undefined {
  if (key === 'apiVersion') {
    return value.split('/').length > 2 ? `unexpected GroupVersion string: ${value}` : undefined;
  }
  const wrong = dns1035Label(value.toLowerCase());
  return wrong.length === 0
    ? undefined
    : `may have mixed case, but should otherwise match: ${wrong.join(',')}`;
}
