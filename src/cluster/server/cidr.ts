/** IPv4 service ranges as numbers. */
import { PlatformError } from '../../base/errors.ts';

export interface Cidr {
  /** Network address as an unsigned 32-bit number. */
  readonly base: number;
  /** Addresses in the range. */
  readonly size: number;
}

export function parseCidr(text: string): Cidr {
  const [address = '', bits = ''] = text.split('/');
  const prefix = Number(bits);
  const base = parseIpv4(address);
  if (base === undefined || bits === '' || !Number.isInteger(prefix) || prefix < 8 || prefix > 30) {
    throw new PlatformError('invalid', `service range "${text}": want an IPv4 range like 10.96.0.0/16`);
  }
  const size = 2 ** (32 - prefix);
  return { base: Math.floor(base / size) * size, size };
}

export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1).map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

export function contains(cidr: Cidr, address: number): boolean {
  return address > cidr.base && address < cidr.base + cidr.size - 1;
}
