/**
 * What rules are made of: expressions that load packet fields into registers, compare, look up and act.
 * Registers are the sixteen of four bytes, 0..15. Fields of a concatenation lie in consecutive registers, each
 * padded with zeros to a multiple of four bytes: sets keep their keys in the same form.
 */
import { netmask, numberToIpv4, parseIpv4 } from './ipv4.ts';
import type { NetlinkWriter } from './netlink.ts';

export interface NftExpression {
  readonly name: string;
  readonly write: (writer: NetlinkWriter) => void;
}

export type NftVerdict =
  | { readonly verdict: 'accept' | 'drop' | 'return' }
  | { readonly verdict: 'jump' | 'goto'; readonly chain: string };

const VERDICT_REGISTER = 0;
const NFT_REG32_00 = 8;
const VERDICTS = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;

const register = (number: number): number => NFT_REG32_00 + number;

export function writeValueData(writer: NetlinkWriter, type: number, value: Uint8Array): void {
  writer.nest(type, () => writer.bytes(NFTA_DATA_VALUE, value));
}

export function writeVerdictData(writer: NetlinkWriter, type: number, verdict: NftVerdict): void {
  writer.nest(type, () => {
    writer.nest(NFTA_DATA_VERDICT, () => {
      writer.u32be(NFTA_VERDICT_CODE, VERDICTS[verdict.verdict]);
      if ('chain' in verdict) writer.string(NFTA_VERDICT_CHAIN, verdict.chain);
    });
  });
}

const META_KEYS = { mark: 3, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;

export function meta(key: keyof typeof META_KEYS, to = 0): NftExpression {
  return { name: 'meta', write: (writer) => writer.u32be(1, register(to)).u32be(2, META_KEYS[key]) };
}

/** Where header fields are: base (1 network, 2 transport header), offset and length in bytes. */
const FIELDS = {
  'ip saddr': [1, 12, 4],
  'ip daddr': [1, 16, 4],
  'th sport': [2, 0, 2],
  'th dport': [2, 2, 2],
  'icmp type': [2, 0, 1],
} as const;

/** IPv4 fields are right only behind a comparison of `meta nfproto`. */
export function payload(field: keyof typeof FIELDS, to = 0): NftExpression {
  const [base, offset, length] = FIELDS[field];
  return {
    name: 'payload',
    write: (writer) => writer.u32be(1, register(to)).u32be(2, base).u32be(3, offset).u32be(4, length),
  };
}

/** The rule goes on when the register's bytes compare so; it ends otherwise. */
export function compare(operator: '==' | '!=', value: Uint8Array, from = 0): NftExpression {
  return {
    name: 'cmp',
    write(writer) {
      writer.u32be(1, register(from)).u32be(2, operator === '==' ? 0 : 1);
      writeValueData(writer, 3, value);
    },
  };
}

export function maskBits(mask: Uint8Array, at = 0): NftExpression {
  return {
    name: 'bitwise',
    write(writer) {
      writer.u32be(1, register(at)).u32be(2, register(at)).u32be(3, mask.length);
      writeValueData(writer, 4, mask);
      writeValueData(writer, 5, new Uint8Array(mask.length));
    },
  };
}

/** The rule goes on when the set has (or with `not`: lacks) the key in the registers. */
export function inSet(set: string, { from = 0, not = false } = {}): NftExpression {
  return {
    name: 'lookup',
    write(writer) {
      writer.string(1, set).u32be(2, register(from));
      if (not) writer.u32be(5, 1);
    },
  };
}

/**
 * Loads the map's value for the key in the registers; a verdict map's verdict takes effect. Ends without one. The
 * value must not be a key again: nft aborts when it lists that.
 */
export function mapLookup(
  map: string,
  { from = 0, to = 0 }: { from?: number; to?: number | 'verdict' } = {},
): NftExpression {
  const target = to === 'verdict' ? VERDICT_REGISTER : register(to);
  return {
    name: 'lookup',
    write: (writer) => writer.string(1, map).u32be(2, register(from)).u32be(3, target),
  };
}

/** A random number of 0..modulus-1, four bytes in host order. */
export function randomNumber(modulus: number, to = 0): NftExpression {
  return {
    name: 'numgen',
    write: (writer) => writer.u32be(1, register(to)).u32be(2, modulus).u32be(3, 1).u32be(4, 0),
  };
}

const CT_KEYS = { state: 0, status: 2 } as const;

export function conntrack(key: keyof typeof CT_KEYS, to = 0): NftExpression {
  return { name: 'ct', write: (writer) => writer.u32be(1, register(to)).u32be(2, CT_KEYS[key]) };
}

/** The kind of address (RTN_LOCAL is 2) that the routing tables say the destination is. */
export function destinationType(to = 0): NftExpression {
  const FIB_RESULT_ADDRTYPE = 3;
  const FIB_F_DADDR = 2;
  return {
    name: 'fib',
    write: (writer) => writer.u32be(1, register(to)).u32be(2, FIB_RESULT_ADDRTYPE).u32be(3, FIB_F_DADDR),
  };
}

export function verdict(value: NftVerdict): NftExpression {
  return {
    name: 'immediate',
    write(writer) {
      writer.u32be(1, VERDICT_REGISTER);
      writeVerdictData(writer, 2, value);
    },
  };
}

/** Rewrites the destination to the IPv4 address and port in the registers. */
export function destinationNat({ address, port }: { address: number; port: number }): NftExpression {
  const NAT_DNAT = 1;
  const AF_INET = 2;
  const NF_NAT_RANGE_MAP_IPS_AND_PORTS = 3;
  return {
    name: 'nat',
    write(writer) {
      writer.u32be(1, NAT_DNAT).u32be(2, AF_INET).u32be(3, register(address)).u32be(5, register(port));
      writer.u32be(7, NF_NAT_RANGE_MAP_IPS_AND_PORTS);
    },
  };
}

/** Source becomes the address of the interface that the packet leaves by. */
export const masquerade: NftExpression = { name: 'masq', write: () => {} };

export const counter: NftExpression = {
  name: 'counter',
  write: (writer) => writer.u64be(1, 0n).u64be(2, 0n),
};

export function reject(how: 'tcp-reset' | 'port-unreachable'): NftExpression {
  const [type, code] = how === 'tcp-reset' ? [1, 0] : [2, 1];
  return { name: 'reject', write: (writer) => writer.u32be(1, type).u8(2, code) };
}

/** A hash (Jenkins', without a seed) of register contents: 0..modulus-1, four bytes in host order. */
export function hashOf(
  from: number,
  { bytes, modulus, to }: { bytes: number; modulus: number; to: number },
): NftExpression {
  return {
    name: 'hash',
    write(writer) {
      writer.u32be(1, register(from)).u32be(2, register(to)).u32be(3, bytes).u32be(4, modulus);
      writer.u32be(5, 0).u32be(6, 0).u32be(7, 0);
    },
  };
}

/** `ip daddr 10.64.0.0/16` and the like. */
export function inNetwork(
  field: 'ip saddr' | 'ip daddr',
  network: { first: number; prefix: number },
  operator: '==' | '!=' = '==',
): readonly NftExpression[] {
  return [
    payload(field),
    maskBits(netmask(network.prefix)),
    compare(operator, parseIpv4(numberToIpv4(network.first))),
  ];
}

const NFPROTO_IPV4 = 2;

/** `meta nfproto ipv4` */
export const isIpv4: readonly NftExpression[] = [meta('nfproto'), compare('==', Uint8Array.of(NFPROTO_IPV4))];

/** `iifname "…"` and `oifname "…"`, exact. */
export function interfaceIs(
  which: 'iifname' | 'oifname',
  name: string,
  operator: '==' | '!=' = '==',
): readonly NftExpression[] {
  const padded = Buffer.alloc(16);
  padded.write(name);
  return [meta(which), compare(operator, padded)];
}

/** `ct state new` */
export const isNewConnection: readonly NftExpression[] = [
  conntrack('state'),
  maskBits(Uint8Array.of(8, 0, 0, 0)),
  compare('!=', new Uint8Array(4)),
];

/** `ct status dnat` */
export const isDestinationNatted: readonly NftExpression[] = [
  conntrack('status'),
  maskBits(Uint8Array.of(0x20, 0, 0, 0)),
  compare('!=', new Uint8Array(4)),
];
