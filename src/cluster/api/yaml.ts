import { PlatformError, errorMessage } from '../../base/errors.ts';
import { decodeValue, type Decoded } from './decode.ts';
import type { JsonValue } from './json.ts';
import type { KindSchema } from './schema.ts';

/** Decodes a body of type application/yaml: one document. The YAML parser is loaded at the first use. */
export async function decodeYaml(bytes: Uint8Array, kind: KindSchema): Promise<Decoded> {
  const { value, duplicates } = await parseYaml(bytes);
  const decoded = decodeValue(value, kind);
  return { object: decoded.object, unknown: [...duplicates, ...decoded.unknown] };
}

/** Parses one YAML document; `duplicates` are the messages about keys that occur twice. Throws `invalid`. */
export async function parseYaml(bytes: Uint8Array): Promise<{ value: JsonValue; duplicates: string[] }> {
  const { parseDocument } = await import('yaml');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const document = parseDocument(text, { uniqueKeys: false, logLevel: 'silent' });
    const first = document.errors[0];
    if (first !== undefined) throw first;
    // JSON in between makes dates, maps and the like plain.
    const value = JSON.parse(JSON.stringify(document.toJS({ maxAliasCount: 100 }))) as JsonValue;
    const strict = parseDocument(text, { uniqueKeys: true, logLevel: 'silent' });
    return { value, duplicates: strict.errors.map((error) => `yaml: ${error.message.split('\n')[0] ?? ''}`) };
  } catch (error) {
    throw new PlatformError('invalid', `error converting YAML to JSON: yaml: ${errorMessage(error)}`, {
      cause: error,
      details: { reason: 'BadRequest' },
    });
  }
}

/** One YAML document, for people. */
export async function formatYaml(value: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
