import type * as Yaml from 'yaml';
import type { CollectionTag, CST, Document, LineCounter, ScalarTag, SchemaOptions } from 'yaml';

import { assert, PlatformError, errorMessage, isPlatformError } from '../../base/errors.ts';
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import { decodeValue, parseLargeJson, type Decoded } from './decode.ts';
import { base64Error } from './go-errors.ts';
import type { JsonValue } from './json.ts';
import type { KindSchema } from './schema.ts';
import { directiveProblem } from './yaml-directives.ts';
import { mayHaveHalf, utf8Problem, yamlProblem } from './yaml-problem.ts';
import { NotJson, YamlValues } from './yaml-values.ts';

/** Decodes a body of type application/yaml: one document. The YAML parser is loaded at the first use. */
export async function decodeYaml(bytes: Uint8Array, kind: KindSchema): Promise<Decoded> {
  const { value, duplicates } = await parseYaml(bytes);
  const decoded = decodeValue(value, kind, { inPlace: true });
  return { object: decoded.object, unknown: [...duplicates, ...inKeyOrder(decoded.unknown)] };
}

/** Go makes JSON of it first, whose members come in the order of their names: so do complaints about paths. */
export function inKeyOrder(complaints: readonly string[]): readonly string[] {
  if (complaints.length < 2) return complaints;
  const steps = (complaint: string): readonly string[] => complaint.split(/[.[\]"]+/);
  return complaints.toSorted((one, other) => {
    const [a, b] = [steps(one), steps(other)];
    const at = a.findIndex((step, index) => step !== b[index]);
    const [x = '', y = ''] = [a[at], b[at]];
    if (/^\d+$/.test(x) && /^\d+$/.test(y)) return Number(x) - Number(y);
    return x < y ? -1 : x > y ? 1 : 0;
  });
}

const CORE = 'tag:yaml.org,2002:';
const BINARY = `${CORE}binary`;
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
    { tag: `${CORE}float`, test: /^[-+]?\d+$/, resolve: (text: string) => Number(text) },
    {
      tag: `${CORE}timestamp`,
      resolve: (text: string, onError: (message: string) => void) => {
        if (!/^\d{4}-\d\d?-\d\d?/.test(text)) onError(`cannot decode !!str \`${text}\` as a !!timestamp`);
        return text;
      },
    },
    // Nothing but lists and maps.
    ...(['omap', 'pairs'] as const).map((name) => plain(name, 'seq')),
    plain('set', 'map'),
    {
      tag: BINARY,
      resolve: (text: string, onError: (message: string) => void) => {
        if (base64Error(text) !== undefined) onError('!!binary value contains invalid base64 data');
        return Buffer.from(text, 'base64').toString('utf8');
      },
    },
  ],
};

const FOREIGN = new Set(['timestamp', 'binary', 'omap', 'pairs', 'set'].map((name) => `${CORE}${name}`));

function isForeign({ tag, format }: ScalarTag): boolean {
  return format === 'TIME' || FOREIGN.has(tag);
}

function plain(name: string, collection: 'map' | 'seq'): CollectionTag {
  return { tag: `${CORE}${name}`, collection, resolve: (value) => value };
}

/**
 * Parses one YAML document. `duplicates` is empty, or one message about all keys that occur twice: Go's, which clients
 * look for. Throws `invalid`.
 */
export async function parseYaml(bytes: Uint8Array): Promise<Parsed> {
  const text = textOf(bytes);
  return (await parsedAsJson(bytes, text)) ?? (await parsedAsYaml(withPlainBreaks(text)));
}

const TO_JSON = 'error converting YAML to JSON: ';

/** What is wrong with a text that `parseYaml` could not read; undefined for any other failure. */
export function yamlFailure(error: unknown): string | undefined {
  const isIts = isPlatformError(error, 'invalid') && error.message.startsWith(TO_JSON);
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
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/;

/** YAML 1.1 has lines end with a carriage return or the next-line character too. */
function withPlainBreaks(text: string): string {
  if (/^(?:[ \t]*(?:#.*)?\r?\n)*\.\.\.(?:\s|$)/.test(text))
    throw unread('did not find expected node content');
  return text.replaceAll(/\r\n?|\u0085/g, '\n');
}

/** UTF-8, or UTF-16 that begins with a byte order mark. */
function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
}

function textOf(bytes: Uint8Array): string {
  let text;
  try {
    text = new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
  } catch (error) {
    throw unread(utf8Problem(bytes), error);
  }
  if (CONTROL.test(text)) throw unread('control characters are not allowed');
  return text;
}

function unread(why: string, cause?: unknown): PlatformError {
  const said = cause instanceof NotJson ? why : `yaml: ${why}`;
  return new PlatformError('invalid', `${TO_JSON}${said}`, { cause, details: { reason: 'BadRequest' } });
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

/** Lexemes that are read in a small part of a millisecond. */
const LEXEMES_A_TURN = 100;

/** The first document of a text, as the library's `parseDocument`, which does it all at once. */
async function documentIn(
  { Composer, Lexer, Parser }: typeof Yaml,
  text: string,
  lines: LineCounter,
): Promise<Document.Parsed> {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens: CST.Token[] = [];
  let read = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (++read % LEXEMES_A_TURN === 0) await yieldToLoop();
  }
  for (const token of parser.end()) tokens.push(token);
  await yieldToLoop();
  const composer = new Composer({ ...READING, uniqueKeys: false });
  const [document] = composer.compose(tokens, true, text.length);
  assert(document !== undefined, 'a text has a document');
  for (const error of document.errors) if (error.pos[0] >= 0) error.linePos = [lines.linePos(error.pos[0])];
  await yieldToLoop();
  return document;
}

async function parsedAsYaml(text: string): Promise<Parsed> {
  const problem = directiveProblem(text);
  if (problem !== undefined) throw unread(problem);
  const yaml = await import('yaml');
  try {
    return await parsedBy(yaml, text);
  } catch (error) {
    throw unread(errorMessage(error), error);
  }
}

async function parsedBy(yaml: typeof Yaml, text: string): Promise<Parsed> {
  const lineCounter = new yaml.LineCounter();
  const document = await documentIn(yaml, text, lineCounter);
  const root = document.contents;
  // Go reads no further than to the brace at the end, or to the end of the first document.
  const [first] = document.errors;
  if (first?.message.startsWith('Unexpected flow-map-start') === true) {
    const until = text.slice(0, first.pos[0]);
    if (/^\s*\{[^]*\}\s*$/.test(until)) return await parsedBy(yaml, until);
  }
  const end = yaml.isCollection(root) && root.flow === true ? root.range?.[1] : endOf(text, document.range);
  const errors = document.errors.filter(
    ({ pos: [at], message }) => end === undefined || at < end || message.startsWith('Flow '),
  );
  if (errors.length > 0) throw new Error(yamlProblem(errors, text));
  const values = new YamlValues(yaml, text, lineCounter);
  const value = values.of(document);
  const told = values.twice
    .toSorted((a, b) => a.line - b.line)
    .map(({ line, key }) => `  line ${line}: key ${key} already set in map`);
  return { value, duplicates: told.length === 0 ? [] : [`${DUPLICATES}\n${told.join('\n')}`] };
}

/** Where another document begins. */
function endOf(text: string, range: readonly number[] | undefined): number | undefined {
  const end = range?.[2] ?? 0;
  return text.startsWith('---', end) && end > 0 ? end : undefined;
}
