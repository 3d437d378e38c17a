import { PlatformError, errorMessage } from '../../base/errors.ts';
import { decodeValue, type Decoded } from './decode.ts';
import type { JsonValue } from './json.ts';
import type { KindSchema } from './schema.ts';

/** Decodes a body of type application/yaml: one document. The YAML parser is loaded at the first use. */
export async function decodeYaml(bytes: Uint8Array, kind: KindSchema): Promise<Decoded> {
  const { value, duplicates } = await parseYaml(bytes);
  const decoded = decodeValue(value, kind, { inPlace: true });
  return { object: decoded.object, unknown: [...duplicates, ...decoded.unknown] };
}

/**
 * Parses one YAML document. `duplicates` is empty, or one message about all keys that occur twice: Go's, which clients
 * look for. Throws `invalid`.
 */
export async function parseYaml(bytes: Uint8Array): Promise<{ value: JsonValue; duplicates: string[] }> {
  const { isScalar, LineCounter, parseDocument, visit } = await import('yaml');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const lineCounter = new LineCounter();
    const document = parseDocument(text, { uniqueKeys: false, logLevel: 'silent', lineCounter });
    const first = document.errors[0];
    if (first !== undefined) throw first;
    // JSON in between makes dates, maps and the like plain.
    const value = JSON.parse(JSON.stringify(document.toJS({ maxAliasCount: 100 }))) as JsonValue;
    const twice: string[] = [];
    visit(document, {
      Map(_key, { items }) {
        const seen = new Set<unknown>();
        for (const { key } of items) {
          if (!isScalar(key)) continue;
          const { line } = lineCounter.linePos(key.range?.[0] ?? 0);
          if (seen.has(key.value))
            twice.push(`  line ${line}: key ${JSON.stringify(key.value)} already set in map`);
          seen.add(key.value);
        }
      },
    });
    const duplicates = twice.length === 0 ? [] : [`yaml: unmarshal errors:\n${twice.join('\n')}`];
    return { value, duplicates };
  } catch (error) {
    throw new PlatformError('invalid', `error converting YAML to JSON: yaml: ${errorMessage(error)}`, {
      cause: error,
      details: { reason: 'BadRequest' },
    });
  }
}
