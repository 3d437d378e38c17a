import type { ScalarTag, SchemaOptions } from 'yaml';

import { PlatformError, errorMessage, isPlatformError } from '../../base/errors.ts';
import { decodeValue, parseLargeJson, type Decoded } from './decode.ts';
import type { JsonValue } from './json.ts';
import type { KindSchema } from './schema.ts';
import { yamlProblem } from './yaml-problem.ts';

/** Decodes a body of type application/yaml: one document. The YAML parser is loaded at the first use. */
export async function decodeYaml(bytes: Uint8Array, kind: KindSchema): Promise<Decoded> {
  const { value, duplicates } = await parseYaml(bytes);
  const decoded = decodeValue(value, kind, { inPlace: true });
  return { object: decoded.object, unknown: [...duplicates, ...decoded.unknown] };
}

const BINARY = 'tag:yaml.org,2002:binary';

/**
 * Scalars mean what they mean to Go's parser: those of YAML 1.1 (`yes` is true, `0644` is octal, `1_000` a thousand), but
 * for times and base 60, which stay texts; and octal numbers of YAML 1.2 as well.
 */
const READING: SchemaOptions = {
  schema: 'yaml-1.1',
  customTags: (tags) => [
    ...tags.filter((tag) => typeof tag === 'string' || !isForeign(tag as ScalarTag)),
    {
      tag: 'tag:yaml.org,2002:int',
      default: true,
      test: /^[-+]?0o[0-7_]+$/,
      resolve: (text: string) => Number(text.replaceAll(/[-+_]/g, '')) * (text.startsWith('-') ? -1 : 1),
    },
    { tag: BINARY, resolve: (text: string) => Buffer.from(text, 'base64').toString('utf8') },
  ],
};

function isForeign({ tag, format }: ScalarTag): boolean {
  return format === 'TIME' || tag === 'tag:yaml.org,2002:timestamp' || tag === BINARY;
}

/**
 * Parses one YAML document. `duplicates` is empty, or one message about all keys that occur twice: Go's, which clients
 * look for. Throws `invalid`.
 */
export async function parseYaml(bytes: Uint8Array): Promise<Parsed> {
  return (await parsedAsJson(bytes)) ?? (await parsedAsYaml(bytes));
}

const TO_JSON = 'error converting YAML to JSON: ';
const UNREAD_YAML = `${TO_JSON}yaml: `;

/** What is wrong with a text that `parseYaml` could not read; undefined for any other failure. */
export function yamlFailure(error: unknown): string | undefined {
  const isIts = isPlatformError(error, 'invalid') && error.message.startsWith(UNREAD_YAML);
  return isIts ? error.message.slice(TO_JSON.length) : undefined;
}

interface Parsed {
  readonly value: JsonValue;
  readonly duplicates: string[];
}

const OPEN = '{'.charCodeAt(0);

/** JSON is YAML too, mostly what programs send, and read many times faster. Undefined when there is anything to say. */
async function parsedAsJson(bytes: Uint8Array): Promise<Parsed | undefined> {
  if (bytes[0] !== OPEN) return undefined;
  try {
    const parsed = await parseLargeJson(bytes, 'YAML');
    return parsed.duplicates.length === 0 ? parsed : undefined;
  } catch (error) {
    if (isPlatformError(error, 'invalid')) return undefined;
    throw error;
  }
}

async function parsedAsYaml(bytes: Uint8Array): Promise<Parsed> {
  const { isScalar, LineCounter, parseDocument, visit } = await import('yaml');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // oxlint-disable-next-line no-control-regex
    if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text)) throw new Error('control characters are not allowed');
    const lineCounter = new LineCounter();
    const document = parseDocument(text, { ...READING, uniqueKeys: false, logLevel: 'silent', lineCounter });
    const first = document.errors[0];
    if (first !== undefined) throw new Error(yamlProblem(first, text));
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
    const why = errorMessage(error).replace(
      /^Unresolved alias \(the anchor must be set before the alias\): (.*)$/,
      "unknown anchor '$1' referenced",
    );
    throw new PlatformError('invalid', `${UNREAD_YAML}${why}`, {
      cause: error,
      details: { reason: 'BadRequest' },
    });
  }
}
