/** What upstream warns of in addresses that it takes and would rather see written otherwise. */
import { isIP } from 'node:net';
import { goQuote } from '../field-error.ts';
import { parseCidrText } from '../validate/checks.ts';

const MAPPED = /^::ffff:\d+\.\d+\.\d+\.\d+$/i;

/** An IPv6 address that is not written as it always should be. */
export function addressWarnings(address: string, at: string): string[] {
  if (isIP(address) !== 6) return [];
  if (MAPPED.test(address)) {
    const v4 = address.slice(address.lastIndexOf(':') + 1);
    return [`${at}: non-standard IP address ${goQuote(address)} is invalid: use ${goQuote(v4)}`];
  }
  const canonical = canonicalV6(address);
  return canonical === address
    ? []
    : [
        `${at}: IPv6 address ${goQuote(address)} should be in RFC 5952 canonical format (${goQuote(canonical)})`,
      ];
}

/** A range with something behind its prefix, or of IPv6 and not written as it always should be. */
export function cidrWarnings(cidr: string, at: string): string[] {
  const parsed = parseCidrText(cidr);
  if (parsed === undefined) return [];
  const { bits, length, family } = parsed;
  const width = family === 4 ? 32 : 128;
  const rest = BigInt(width - length);
  const network = (bits >> rest) << rest;
  if (network !== bits) {
    const range = `${addressText(network, family)}/${length}`;
    const single = `${addressText(bits, family)}/${width}`;
    return [
      `${at}: CIDR value ${goQuote(cidr)} is ambiguous in this context (should be ${goQuote(range)} or ${goQuote(single)}?)`,
    ];
  }
  const canonical = `${addressText(bits, family)}/${length}`;
  return family === 4 || canonical === cidr
    ? []
    : [
        `${at}: IPv6 CIDR value ${goQuote(cidr)} should be in RFC 5952 canonical format (${goQuote(canonical)})`,
      ];
}

function addressText(bits: bigint, family: 4 | 6): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join('.');
  const hex = bits.toString(16).padStart(32, '0');
  return canonicalV6(hex.match(/.{4}/g)?.join(':') ?? '');
}

/** URLs write hosts in the form of RFC 5952. */
function canonicalV6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
