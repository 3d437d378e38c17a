/**
 * What Go's standard library says about texts that it cannot read: Kubernetes' clients show these words. Only for what
 * has been refused already, so nothing here needs to be fast.
 */
import type { JsonValue } from './json.ts';

/** What encoding/json calls a value that is of another type than wanted. */
export function jsonTypeName(value: JsonValue): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

const ALPHABET = /[A-Za-z0-9+/]/;
const EQUALS = '=';

/** Where encoding/base64 stops reading, in bytes; undefined for text that it reads. */
export function base64Error(text: string): string | undefined {
  const source = Buffer.from(text).toString('latin1');
  const isNewline = (at: number): boolean => source[at] === '\n' || source[at] === '\r';
  const corrupt = (at: number): string => `illegal base64 data at input byte ${at}`;
  let at = 0;
  for (;;) {
    for (let digits = 0; digits < 4; at++) {
      if (at >= source.length) return digits === 0 ? undefined : corrupt(at - digits);
      const digit = source[at]!;
      if (isNewline(at)) continue;
      if (ALPHABET.test(digit)) {
        digits++;
        continue;
      }
      if (digit !== EQUALS || digits < 2) return corrupt(at);
      at++;
      if (digits === 2) {
        while (isNewline(at)) at++;
        if (at >= source.length) return corrupt(source.length);
        if (source[at] !== EQUALS) return corrupt(at - 1);
        at++;
      }
      while (isNewline(at)) at++;
      return at < source.length ? corrupt(at) : undefined;
    }
  }
}

/** Go's layouts: of metav1.Time and of metav1.MicroTime. */
export const TIME_LAYOUT = '2006-01-02T15:04:05Z07:00';
export const MICRO_TIME_LAYOUT = '2006-01-02T15:04:05.000000Z07:00';

interface Element {
  readonly pattern: RegExp;
  /** What is said of a number outside of these. */
  readonly range?: { readonly name: string; readonly from: number; readonly to: number };
}

const ELEMENTS: Readonly<Record<string, Element>> = {
  '2006': { pattern: /^\d{4}/ },
  '01': { pattern: /^\d\d/, range: { name: 'month', from: 1, to: 12 } },
  '02': { pattern: /^\d\d/ },
  '15': { pattern: /^\d\d?/, range: { name: 'hour', from: 0, to: 23 } },
  '04': { pattern: /^\d\d/, range: { name: 'minute', from: 0, to: 59 } },
  '05': { pattern: /^\d\d/, range: { name: 'second', from: 0, to: 59 } },
  '.000000': { pattern: /^[.,]\d{6}/ },
  'Z07:00': { pattern: /^(Z|[+-]\d\d:\d\d)/ },
};

/** As package time quotes: what is not ASCII, byte by byte. */
function timeQuote(text: string): string {
  const bytes = Buffer.from(text).toString('latin1');
  // oxlint-disable-next-line no-control-regex
  const quoted = bytes.replace(/["\\]/g, '\\$&').replace(/[\0-\x1f\x80-\xff]/g, (byte) => {
    return `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `"${quoted}"`;
}

/** Of a text that is no time in this layout. */
export function timeError(text: string, layout: string): string {
  const head = `parsing time ${timeQuote(text)}`;
  let rest = text;
  const numbers: number[] = [];
  for (const [part] of layout.matchAll(/2006|01|02|15|04|05|\.000000|Z07:00|[-T:]/g)) {
    const element = ELEMENTS[part];
    const found = element === undefined ? part : (element.pattern.exec(rest)?.[0] ?? '');
    if (found === '' || !rest.startsWith(found))
      return `${head} as ${timeQuote(layout)}: cannot parse ${timeQuote(rest)} as ${timeQuote(part)}`;
    rest = rest.slice(found.length);
    const { range } = element ?? {};
    if (range !== undefined && (Number(found) < range.from || Number(found) > range.to))
      return `${head}: ${range.name} out of range`;
    if (/^\d+$/.test(found)) numbers.push(Number(found));
    // A fraction is read after the seconds though the layout has none.
    if (part === '05' && layout === TIME_LAYOUT) rest = rest.replace(/^[.,]\d+/, '');
  }
  if (rest !== '') return `${head}: extra text: ${timeQuote(rest)}`;
  return `${head}: day out of range`;
}

/** Of a text that is no duration. */
export function durationError(text: string): string {
  const quoted = timeQuote(text);
  const rest = text.replace(/^[+-]/, '').replace(/^((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+/, '');
  const [, unit = ''] = /^(?:\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest) ?? [];
  if (!/^(\d|\.\d)/.test(rest)) return `time: invalid duration ${quoted}`;
  return unit === ''
    ? `time: missing unit in duration ${quoted}`
    : `time: unknown unit ${timeQuote(unit)} in duration ${quoted}`;
}

/** Of a text that is no quantity: its form is wrong, or only its suffix. */
export function quantityError(text: string): string {
  return text !== '' && /^[+-]?\d*(\.\d*)?[eEinumkKMGTP]*[-+]?\d*$/.test(text)
    ? "unable to parse quantity's suffix"
    : "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
}

/** The beginning of a body that nobody could make sense of. */
export function summary(body: Uint8Array): string {
  if (body.length === 0) return '<empty>';
  const text = Buffer.from(body.subarray(0, 30)).toString(body[0] === 123 ? 'utf8' : 'hex');
  return body.length > 30 ? `${text} ...` : text;
}
