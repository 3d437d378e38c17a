import type { ScalarTag, SchemaOptions } from 'yaml';

import { PlatformError, errorMessage, isPlatformError } from '../../base/errors.ts';
import { decodeValue, parseLargeJson, type Decoded } from './decode.ts';
import { base64Error } from './go-errors.ts';
import { goSyntax } from './go-text.ts';
import type { JsonValue } from './json.ts';
import type { KindSchema } from './schema.ts';
import { hasHalf, mayHaveHalf, scannerProblem, utf8Problem, yamlProblem } from './yaml-problem.ts';

/** Decodes a body of type application/yaml: one document. The YAML parser is loaded at the first use. */
export async function decodeYaml(bytes: Uint8Array, kind: KindSchema): Promise<Decoded> {
  const { value, duplicates } = await parseYaml(bytes);
  const decoded = decodeValue(value, kind, { inPlace: true });
  return { object: decoded.object, unknown: [...duplicates, ...decoded.unknown] };
}

const CORE = 'tag:yaml.org,2002:';
const BINARY = `${CORE}binary`;
/** What values with these tags have to be. */
const TYPES: Readonly<Record<string, string>> = {
  [`${CORE}int`]: 'number',
  [`${CORE}float`]: 'number',
  [`${CORE}bool`]: 'boolean',
};

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
    {
      tag: BINARY,
      resolve: (text: string, onError: (message: string) => void) => {
        if (base64Error(text) !== undefined) onError('!!binary value contains invalid base64 data');
        return Buffer.from(text, 'base64').toString('utf8');
      },
    },
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
  const text = textOf(bytes);
  return (await parsedAsJson(bytes, text)) ?? (await parsedAsYaml(text));
}

const TO_JSON = 'error converting YAML to JSON: ';
const UNREAD_YAML = `${TO_JSON}yaml: `;

/** What is wrong with a text that `parseYaml` could not read; undefined for any other failure. */
export function yamlFailure(error: unknown): string | undefined {
  const isIts = isPlatformError(error, 'invalid') && error.message.startsWith(UNREAD_YAML);
  return isIts ? error.message.slice(TO_JSON.length) : undefined;
}

/** What those are warned of who are not refused for keys that occur twice: `line 3: key "a" already set in map`. */
export function duplicateWarnings(complaint: string): readonly string[] {
  const [head, ...lines] = complaint.split('\n');
  return head === DUPLICATES ? lines.map((line) => line.trim()) : [complaint];
}

const DUPLICATES = 'yaml: unmarshal errors:';

interface Parsed {
  readonly value: JsonValue;
  readonly duplicates: string[];
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]/;

function textOf(bytes: Uint8Array): string {
  let text;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw unread(utf8Problem(bytes), error);
  }
  if (CONTROL.test(text)) throw unread('control characters are not allowed');
  return text;
}

function unread(why: string, cause?: unknown): PlatformError {
  return new PlatformError('invalid', `${UNREAD_YAML}${why}`, { cause, details: { reason: 'BadRequest' } });
}

/** JSON is YAML too, mostly what programs send, and read many times faster. Undefined when there is anything to say. */
async function parsedAsJson(bytes: Uint8Array, text: string): Promise<Parsed | undefined> {
  if (!text.startsWith('{') || mayHaveHalf(text)) return undefined;
  try {
    const parsed = await parseLargeJson(bytes, 'YAML');
    return parsed.duplicates.length === 0 ? parsed : undefined;
  } catch (error) {
    if (isPlatformError(error, 'invalid')) return undefined;
    throw error;
  }
}

async function parsedAsYaml(text: string): Promise<Parsed> {
  const { isCollection, isScalar, LineCounter, parseDocument, visit } = await import('yaml');
  try {
    const lineCounter = new LineCounter();
    const document = parseDocument(text, { ...READING, uniqueKeys: false, logLevel: 'silent', lineCounter });
    const root = document.contents;
    // Go reads no further than to the brace at the end.
    const end = isCollection(root) && root.flow === true ? root.range?.[1] : undefined;
    const errors = document.errors.filter(
      ({ pos: [at], message }) => end === undefined || at < end || message.startsWith('Flow '),
    );
    if (errors.length > 0) throw new Error(yamlProblem(errors, text));
    // JSON in between makes dates, maps and the like plain.
    const value = JSON.parse(JSON.stringify(document.toJS({ maxAliasCount: 100 }))) as JsonValue;
    const twice: { line: number; key: string }[] = [];
    visit(document, {
      Scalar(_key, { type, range, tag = '', value, source = '' }) {
        const wanted = Object.hasOwn(TYPES, tag) ? TYPES[tag] : undefined;
        if (wanted !== undefined && typeof value !== wanted)
          throw new Error(`cannot decode !!str \`${source}\` as a !!${tag.slice(CORE.length)}`);
        const [from, to] = type === 'QUOTE_DOUBLE' && range ? range : [0, 0];
        if (hasHalf(text.slice(from, to)))
          throw new Error(
            scannerProblem(lineCounter.linePos(from).line, 'found invalid Unicode character escape code'),
          );
      },
      Map(_key, { items }) {
        const seen = new Set<unknown>();
        for (const { key } of items) {
          if (isCollection(key))
            throw new Error(`invalid map key: ${goSyntax(key.toJS(document) as JsonValue, 'interface {}')}`);
          if (!isScalar(key)) continue;
          const { line } = lineCounter.linePos(key.range?.[0] ?? 0);
          if (seen.has(key.value)) twice.push({ line, key: JSON.stringify(key.value) });
          seen.add(key.value);
        }
      },
    });
    const lines = twice
      .toSorted((a, b) => a.line - b.line)
      .map(({ line, key }) => `  line ${line}: key ${key} already set in map`);
    const duplicates = twice.length === 0 ? [] : [`${DUPLICATES}\n${lines.join('\n')}`];
    return { value, duplicates };
  } catch (error) {
    const why = errorMessage(error)
      .replace(
        /^Unresolved alias \(the anchor must be set before the alias\): (.*)$/,
        "unknown anchor '$1' referenced",
      )
      .replace(/^Merge sources must be .*/, 'map merge requires map or sequence of maps as the value');
    throw unread(why, error);
  }
}
