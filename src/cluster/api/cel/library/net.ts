/** Kubernetes' libraries of addresses, and that of URLs. */
import { CelError } from '../cel-error.ts';
import { fn, method, reads, rewrites, type Overload } from '../functions.ts';
import { BOOL, INT, opaque, STRING } from '../types.ts';
import { traversal, type Size } from '../sizes.ts';
import type { Opaque } from '../values.ts';
import { urls } from './urls.ts';

/** An address as a number and its width. */
export class Ip implements Opaque {
  readonly opaque = 'net.IP';
  readonly bits: 32 | 128;
  readonly number: bigint;

  constructor(bits: 32 | 128, number: bigint) {
    this.bits = bits;
    this.number = number;
  }

  equals(other: Opaque): boolean {
    return other instanceof Ip && other.bits === this.bits && other.number === this.number;
  }
}

export class Cidr implements Opaque {
  readonly opaque = 'net.CIDR';
  readonly ip: Ip;
  readonly prefix: number;

  constructor(ip: Ip, prefix: number) {
    this.ip = ip;
    this.prefix = prefix;
  }

  equals(other: Opaque): boolean {
    return other instanceof Cidr && other.ip.equals(this.ip) && other.prefix === this.prefix;
  }

  masked(): Ip {
    const { bits, number } = this.ip;
    const free = BigInt(bits - this.prefix);
    return new Ip(bits, (number >> free) << free);
  }

  has(ip: Ip): boolean {
    return ip.bits === this.ip.bits && new Cidr(ip, this.prefix).masked().equals(this.masked());
  }
}

function parseV4(text: string): bigint | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1);
  if (parts.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith('0')))) return undefined;
  return parts.reduce((number, part) => number * 256n + BigInt(part), 0n);
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = (half: string): bigint[] | undefined => {
    if (half === '') return [];
    const found: bigint[] = [];
    for (const part of half.split(':')) {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      found.push(BigInt(`0x${part}`));
    }
    return found;
  };
  const [head, tail] = [groups(halves[0] ?? ''), halves.length === 2 ? groups(halves[1] ?? '') : []];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const all = [...head, ...Array.from({ length: missing }, () => 0n), ...tail];
  return all.reduce((number, group) => (number << 16n) | group, 0n);
}

/** Undefined for what is no address; addresses with zones, and IPv4 inside of IPv6, are not taken. */
export function parseIp(text: string): Ip | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return new Ip(32, v4);
  const v6 = text.includes('.') ? undefined : parseV6(text);
  return v6 === undefined ? undefined : new Ip(128, v6);
}

function ipOf(text: string): Ip {
  const found = parseIp(text);
  if (found === undefined)
    throw new CelError(`IP Address ${JSON.stringify(text)} parse error during conversion from string`);
  return found;
}

export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const ip = match === null ? undefined : parseIp(match[1] ?? '');
  const prefix = Number(match?.[2]);
  return ip === undefined || prefix > ip.bits ? undefined : new Cidr(ip, prefix);
}

function cidrOf(text: string): Cidr {
  const found = parseCidr(text);
  if (found === undefined)
    throw new CelError(`network address parse error during conversion from string: ${JSON.stringify(text)}`);
  return found;
}

/** In the canonical form (RFC 5952). */
export function ipText({ bits, number }: Ip): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_group, index) => (number >> BigInt(112 - 16 * index)) & 0xffffn);
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === 0n) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (some: readonly bigint[]): string => some.map((group) => group.toString(16)).join(':');
  if (best.start === -1) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

const within = (ip: Ip, ...cidrs: readonly string[]): boolean =>
  cidrs.some((text) => parseCidr(text)!.has(ip));

/** Two addresses of up to sixteen bytes are compared, or more of them for a network; a text is read first. */
const looksIn = (bytes: number, isText = false) => ({
  cost: (_cidr: Size, other: Size): number => bytes + (isText ? traversal(other) : 0),
});

const IP = opaque('net.IP');
const CIDR = opaque('net.CIDR');

const addresses: readonly Overload[] = [
  fn('ip', [STRING], IP, ipOf, reads),
  fn('isIP', [STRING], BOOL, (text: string) => parseIp(text) !== undefined, reads),
  fn('ip.isCanonical', [STRING], BOOL, (text: string) => ipText(ipOf(text)) === text, rewrites),
  fn('string', [IP], STRING, ipText),
  method(IP, 'family', [], INT, ({ bits }: Ip) => (bits === 32 ? 4n : 6n)),
  method(IP, 'isUnspecified', [], BOOL, ({ number }: Ip) => number === 0n),
  method(IP, 'isLoopback', [], BOOL, (ip: Ip) => within(ip, '127.0.0.0/8', '::1/128')),
  method(IP, 'isLinkLocalMulticast', [], BOOL, (ip: Ip) => within(ip, '224.0.0.0/24') || isScoped(ip)),
  method(IP, 'isLinkLocalUnicast', [], BOOL, (ip: Ip) => within(ip, '169.254.0.0/16', 'fe80::/10')),
  method(IP, 'isGlobalUnicast', [], BOOL, isGlobal),
  fn('cidr', [STRING], CIDR, cidrOf, reads),
  fn('isCIDR', [STRING], BOOL, (text: string) => parseCidr(text) !== undefined, reads),
  fn('string', [CIDR], STRING, ({ ip, prefix }: Cidr) => `${ipText(ip)}/${prefix}`),
  method(CIDR, 'containsIP', [IP], BOOL, (cidr: Cidr, ip: Ip) => cidr.has(ip), looksIn(4)),
  method(
    CIDR,
    'containsIP',
    [STRING],
    BOOL,
    (cidr: Cidr, text: string) => cidr.has(ipOf(text)),
    looksIn(4, true),
  ),
  method(CIDR, 'containsCIDR', [CIDR], BOOL, holds, looksIn(7)),
  method(
    CIDR,
    'containsCIDR',
    [STRING],
    BOOL,
    (cidr: Cidr, text: string) => holds(cidr, cidrOf(text)),
    looksIn(7, true),
  ),
  method(CIDR, 'ip', [], IP, ({ ip }: Cidr) => ip),
  method(CIDR, 'masked', [], CIDR, (cidr: Cidr) => new Cidr(cidr.masked(), cidr.prefix)),
  method(CIDR, 'prefixLength', [], INT, ({ prefix }: Cidr) => BigInt(prefix)),
];

function isScoped(ip: Ip): boolean {
  return ip.bits === 128 && ip.number >> 120n === 0xffn && ((ip.number >> 112n) & 0xfn) === 2n;
}

function isGlobal(ip: Ip): boolean {
  const broadcast = ip.bits === 32 && ip.number === 0xffffffffn;
  const others = within(
    ip,
    '127.0.0.0/8',
    '::1/128',
    '169.254.0.0/16',
    'fe80::/10',
    '224.0.0.0/4',
    'ff00::/8',
  );
  return ip.number !== 0n && !broadcast && !others;
}

function holds(outer: Cidr, inner: Cidr): boolean {
  return inner.prefix >= outer.prefix && outer.has(inner.ip);
}

export const net: readonly Overload[] = [...addresses, ...urls];
