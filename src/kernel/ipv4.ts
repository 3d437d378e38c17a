/** IPv4 addresses as text, bytes and numbers. */
import { PlatformError } from '../base/errors.ts';

/** Four bytes; `invalid` unless dotted decimal without leading zeros. */
export function parseIpv4(text: string): Uint8Array {
  const parts = text.split('.');
  const bytes = parts.map(Number);
  if (
    parts.length !== 4 ||
    parts.some((part, i) => !/^\d{1,3}$/.test(part) || String(bytes[i]) !== part || bytes[i]! > 255)
  ) {
    throw new PlatformError('invalid', `IPv4 address "${text}"`);
  }
  return Uint8Array.from(bytes);
}

export function formatIpv4(bytes: Uint8Array): string {
  return bytes.subarray(0, 4).join('.');
}

export function ipv4ToNumber(text: string): number {
  return parseIpv4(text).reduce((number, byte) => number * 256 + byte, 0);
}

export function numberToIpv4(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}

/** First address, size and prefix length of `10.64.0.0/16`; `invalid` when host bits are set. */
export function parseCidr(text: string): { first: number; size: number; prefix: number } {
  const [address, bits = ''] = text.split('/');
  const prefix = Number(bits);
  if (!/^\d{1,2}$/.test(bits) || prefix > 32)
    throw new PlatformError('invalid', `network "${text}": prefix length`);
  const first = ipv4ToNumber(address ?? '');
  const size = 2 ** (32 - prefix);
  if (first % size !== 0) throw new PlatformError('invalid', `network "${text}" has host bits set`);
  return { first, size, prefix };
}

/** The netmask of a prefix length, four bytes. */
export function netmask(prefix: number): Uint8Array {
  return Uint8Array.from([0, 1, 2, 3], (i) => 256 - 2 ** (8 - Math.min(Math.max(prefix - i * 8, 0), 8)));
}
