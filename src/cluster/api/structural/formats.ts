/** The string formats that custom resources may name; others say nothing (OpenAPI 3, format). */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { parseDuration, timeToMs } from '../time.ts';

const cidr = (text: string): boolean => {
  const [address = '', bits = '', ...rest] = text.split('/');
  const family = isIP(address);
  return (
    rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
  );
};

const date = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) && timeToMs(`${text}T00:00:00Z`) !== undefined;

const matches = (pattern: RegExp) => (text: string) => pattern.test(text);

const uuid = (version: string): ((text: string) => boolean) =>
  matches(new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i'));

const LABEL = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';

/** Upstream's pattern: one label without a hyphen at its first place's reach, or labels and a last one of letters. */
const HOST =
  /^(?:[a-zA-Z0-9\p{S}\p{L}](?:-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?|(?:[a-zA-Z0-9\p{S}\p{L}](?:[a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?\.)+[a-zA-Z\p{L}]{2,63})$/u;

const hostname = (text: string): boolean =>
  HOST.test(text) &&
  Buffer.byteLength(text) <= 255 &&
  text.split('.').every((part) => Buffer.byteLength(part) <= 63);

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => timeToMs(text) !== undefined,
  date,
  duration: (text) => parseDuration(text) !== undefined,
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr,
  mac: matches(/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i),
  // An absolute address, or an absolute path.
  uri: (text) => text.startsWith('/') || URL.canParse(text),
  uuid: uuid('[0-9a-f]'),
  uuid3: uuid('3'),
  uuid4: uuid('4'),
  uuid5: uuid('5'),
  byte: (text) => text !== '' && /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text),
  hostname,
  email: matches(/^[^\s@]+@[^\s@]+$/),
  isbn10: matches(/^(\d[- ]?){9}[\dXx]$/),
  isbn13: matches(/^(\d[- ]?){12}\d$/),
  creditcard: matches(/^(\d[- ]?){12,18}\d$/),
  ssn: matches(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  hexcolor: matches(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i),
  rgbcolor: matches(/^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/i),
  'k8s-short-name': matches(new RegExp(`^${LABEL}$`)),
  'k8s-long-name': matches(new RegExp(`^${LABEL}(\\.${LABEL})*$`)),
};

/** `must be of type date-time: "x"`, or undefined when there is nothing to say. */
export function formatProblem(format: string, value: string): string | undefined {
  if (!Object.hasOwn(FORMATS, format) || FORMATS[format]!(value)) return undefined;
  return `must be of type ${format}: ${JSON.stringify(value)}`;
}

/** Known, though any text has them. */
const PLAIN: ReadonlySet<string> = new Set(['bsonobjectid', 'datetime', 'isbn', 'password']);

/** By the type of what has the format; the others say nothing of it. */
export function isKnownFormat(type: string, format: string): boolean {
  if (type === 'integer') return format === 'int32' || format === 'int64';
  if (type === 'number') return format === 'float' || format === 'double';
  return (type === '' || type === 'string') && (Object.hasOwn(FORMATS, format) || PLAIN.has(format));
}
