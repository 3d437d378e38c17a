/** The small checks that most kinds are made of. Each returns its complaints, mostly none. */
import { isIP } from 'node:net';
import { append } from '../../../base/append.ts';
import { invalid, required, tooLong, unsupported, type FieldError } from '../field-error.ts';
import { getPath, jsonEqual, numberAt, stringAt, textOf, type JsonObject, type JsonValue } from '../json.ts';
import { tryParseQuantity } from '../quantity.ts';
import { dns1123Subdomain } from './names.ts';

export const NOT_NEGATIVE = 'must be greater than or equal to 0';
export const IMMUTABLE = 'field is immutable';
export const BAD_IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
export const BAD_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

/** No complaints. */
export const NONE: readonly FieldError[] = Object.freeze([]);

/** All of several lists: most are empty on every write, and spreading empty lists costs more than looking at them. */
export function joined(...lists: readonly (readonly FieldError[])[]): FieldError[] {
  const errors: FieldError[] = [];
  for (let i = 0; i < lists.length; i++) append(errors, lists[i]!);
  return errors;
}

/** The path of a member: `spec` and `replicas` make `spec.replicas`. */
export function child(field: string, key: string): string {
  return field === '' ? key : `${field}.${key}`;
}

export function notNegative(object: JsonObject, field: string, ...keys: readonly string[]): FieldError[] {
  return keys.flatMap((key) => {
    const value = numberAt(object, key);
    return value !== undefined && value < 0 ? [invalid(child(field, key), value, NOT_NEGATIVE)] : [];
  });
}

export interface Choice {
  readonly field: string;
  readonly supported: readonly string[];
  /** Nothing at all is a complaint too. */
  readonly required?: boolean;
  /** An empty text is not nothing: a choice that nobody offers. */
  readonly emptyToo?: boolean;
}

export function oneOf(object: JsonObject, key: string, choice: Choice): FieldError[] {
  const at = child(choice.field, key);
  const value = object[key];
  const isNothing = value === undefined || (value === '' && choice.emptyToo !== true);
  if (isNothing) return choice.required === true ? [required(at)] : [];
  return typeof value === 'string' && choice.supported.includes(value)
    ? []
    : [unsupported(at, value, choice.supported)];
}

/** One of a few texts, given at all. */
export function notSupported(
  value: JsonValue | undefined,
  at: string,
  supported: readonly string[],
): FieldError[] {
  return typeof value === 'string' && supported.includes(value) ? [] : [unsupported(at, value, supported)];
}

/** What was there before is left in peace: older rules took more. */
export function validIp(value: string, at: string, before: readonly string[] = []): FieldError[] {
  if (before.includes(value)) return [];
  if (isIP(value) === 0) {
    const padded = isIP(withoutPadding(value)) !== 0;
    return [invalid(at, value, padded ? 'must not have leading 0s' : BAD_IP)];
  }
  return isMapped(value) ? [invalid(at, value, 'must not be an IPv4-mapped IPv6 address')] : [];
}

export function validCidr(value: string, at: string, before: readonly string[] = []): FieldError[] {
  if (before.includes(value)) return [];
  const parsed = parseCidrText(value);
  const [address = '', prefix = ''] = value.split('/');
  if (parsed === undefined) {
    const padded = parseCidrText(`${withoutPadding(address)}/${prefix}`) !== undefined;
    return [invalid(at, value, padded ? PADDED_CIDR : BAD_CIDR)];
  }
  const { bits, length, family } = parsed;
  if (/^0\d/.test(prefix)) return [invalid(at, value, PADDED_CIDR)];
  if (isMapped(address)) return [invalid(at, value, 'must not have an IPv4-mapped IPv6 address')];
  const rest = BigInt((family === 4 ? 32 : 128) - length);
  return (bits >> rest) << rest === bits
    ? []
    : [invalid(at, value, 'must not have bits set beyond the prefix length')];
}

const PADDED_CIDR = 'must not have leading 0s in IP or prefix length';

function withoutPadding(address: string): string {
  return address.replaceAll(/(^|[.:])0+(?=\d+(\.|$))/g, '$1');
}

function isMapped(address: string): boolean {
  return isIP(address) === 6 && v6Bits(address) >> 32n === 0xffffn;
}

/** One address of each family at most. */
export function isDualStack(addresses: readonly string[]): boolean {
  const families = addresses.map((address) => isIP(address.split('/')[0] ?? ''));
  return families.includes(4) && families.includes(6);
}

/** Addresses that mean something only on the machine that uses them are nobody's to be reached at. */
export function notSpecialIp(address: string, at: string): FieldError[] {
  const family = isIP(address);
  if (family === 0) return [invalid(at, address, 'must be a valid IP address')];
  const detail = family === 4 ? special4(address) : special6(v6Bits(address));
  if (detail === undefined) return [];
  return [invalid(at, address, detail === UNSPECIFIED ? `${detail} (${address})` : detail)];
}

const UNSPECIFIED = 'may not be unspecified';
const LOOPBACK = 'may not be in the loopback range (127.0.0.0/8, ::1/128)';
const LINK_LOCAL = 'may not be in the link-local range (169.254.0.0/16, fe80::/10)';
const MULTICAST = 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)';

/** An address has one form, without leading zeros. */
function special4(address: string): string | undefined {
  if (address === '0.0.0.0') return UNSPECIFIED;
  if (address.startsWith('127.')) return LOOPBACK;
  if (address.startsWith('169.254.')) return LINK_LOCAL;
  return address.startsWith('224.0.0.') ? MULTICAST : undefined;
}

function special6(bits: bigint): string | undefined {
  // An IPv4 address in IPv6's clothes is that IPv4 address.
  if (bits >> 32n === 0xffffn) {
    return special4([24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.'));
  }
  if (bits === 0n) return UNSPECIFIED;
  if (bits === 1n) return LOOPBACK;
  if (bits >> 118n === 0x3fan) return LINK_LOCAL;
  return ((bits >> 112n) & 0xff0fn) === 0xff02n ? MULTICAST : undefined;
}

/** A text that must be there and have a form. */
export function named(
  object: JsonObject,
  key: string,
  how: { readonly field: string; readonly rule: (value: string) => string[]; readonly optional?: boolean },
): FieldError[] {
  const at = child(how.field, key);
  const value = stringAt(object, key);
  if (value === '') return how.optional === true ? [] : [required(at)];
  return formed(value, at, how.rule);
}

export function formed(value: string, at: string, rule: (value: string) => string[]): FieldError[] {
  const details = rule(value);
  return details.length === 0 ? [] : details.map((detail) => invalid(at, value, detail));
}

/** Texts without which the object means nothing. */
export function needed(object: JsonObject, field: string, ...keys: readonly string[]): FieldError[] {
  return keys.filter((key) => stringAt(object, key) === '').map((key) => required(child(field, key)));
}

const PERCENT = /^\d+%$/;

/** A whole number or a percentage. */
export function amount(value: JsonValue | undefined, field: string): FieldError[] {
  if (typeof value === 'number') return value < 0 ? [invalid(field, value, NOT_NEGATIVE)] : [];
  if (typeof value !== 'string' || PERCENT.test(value)) return [];
  return [
    invalid(
      field,
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ),
  ];
}

export function atMostWhole(value: JsonValue | undefined, field: string): FieldError[] {
  return typeof value === 'string' && PERCENT.test(value) && Number.parseInt(value, 10) > 100
    ? [invalid(field, value, 'must not be greater than 100%')]
    : [];
}

/** Nothing, or nothing per cent; what is neither number nor percentage counts as nothing too. */
export function isZeroAmount(value: JsonValue | undefined): boolean {
  return (
    value === undefined ||
    value === 0 ||
    (typeof value === 'string' && (/^0+%$/.test(value) || !PERCENT.test(value)))
  );
}

export function positiveQuantity(value: JsonValue | undefined, at: string): FieldError[] {
  const quantity = tryParseQuantity(textOf(value));
  return quantity === undefined || quantity.nano > 0n
    ? []
    : [invalid(at, value, 'must be greater than zero')];
}

export function notNegativeQuantity(value: JsonValue | undefined, at: string): FieldError[] {
  if (value === undefined) return [];
  const quantity = tryParseQuantity(textOf(value));
  return quantity === undefined || quantity.nano >= 0n ? [] : [invalid(at, value, NOT_NEGATIVE)];
}

/** One complaint for each path whose value differs from the old object's, at the path or under another name. */
export function unchanged(object: JsonObject, old: JsonObject, ...paths: readonly string[]): FieldError[] {
  return paths.flatMap((path) => {
    const value = getPath(object, ...path.split('.'));
    return jsonEqual(value, getPath(old, ...path.split('.'))) ? [] : [invalid(path, value, IMMUTABLE)];
  });
}

/** The same for texts that are there even when nobody gave them. */
export function unchangedText(object: JsonObject, old: JsonObject, path: string): FieldError[] {
  const keys = path.split('.');
  const value = textOf(getPath(object, ...keys));
  return value === textOf(getPath(old, ...keys)) ? [] : [invalid(path, value, IMMUTABLE)];
}

/** `acme.io/foo`. */
export function domainPrefixedPath(value: string, at: string): FieldError[] {
  if (value === '') return [required(at)];
  const slash = value.indexOf('/');
  const [domain, path] = [value.slice(0, slash), value.slice(slash + 1)];
  if (slash < 1 || path === '') {
    return [invalid(at, value, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  }
  const errors = formed(domain, at, dns1123Subdomain);
  if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(path)) {
    errors.push(
      invalid(
        at,
        path,
        "Invalid path (e.g. '/', regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
      ),
    );
  }
  return errors;
}

export function longerThan(value: string, maximum: number, at: string): FieldError[] {
  return Buffer.byteLength(value) > maximum ? [tooLong(at, maximum)] : [];
}

export function tooMany(field: string, actual: number, maximum: number): FieldError[] {
  return actual > maximum
    ? [
        {
          type: 'Too many',
          field,
          value: actual,
          detail:
            maximum < 0
              ? 'has too many items'
              : `must have at most ${maximum} ${maximum === 1 ? 'item' : 'items'}`,
        },
      ]
    : [];
}

/** Address and prefix length of a CIDR, undefined when it is none. */
export function parseCidrText(
  text: string,
): { readonly bits: bigint; readonly length: number; readonly family: 4 | 6 } | undefined {
  const [address = '', prefix = ''] = text.split('/');
  const family = isIP(address);
  if (family === 0 || !/^\d{1,3}$/.test(prefix) || text.split('/').length !== 2) return undefined;
  const length = Number(prefix);
  if (length > (family === 4 ? 32 : 128)) return undefined;
  return { bits: family === 4 ? v4Bits(address) : v6Bits(address), length, family: family as 4 | 6 };
}

/** True when `inner` is a part of `outer`, and not all of it. */
export function isStrictSubnet(inner: string, outer: string): boolean {
  const a = parseCidrText(inner);
  const b = parseCidrText(outer);
  if (a === undefined || b === undefined || a.family !== b.family || a.length <= b.length) return false;
  const shift = BigInt((a.family === 4 ? 32 : 128) - b.length);
  return a.bits >> shift === b.bits >> shift;
}

function v4Bits(address: string): bigint {
  return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(Number(part)), 0n);
}

function v6Bits(address: string): bigint {
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  let text = address;
  if (embedded !== null) {
    const low = v4Bits(embedded[2] ?? '');
    text = `${embedded[1] ?? ''}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: gap }, () => '0'), ...right];
  return groups.reduce((sum, part) => (sum << 16n) | BigInt(Number.parseInt(part, 16)), 0n);
}
