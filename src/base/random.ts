import { randomBytes } from 'node:crypto';

/** Chance as it is injected in `cluster/`: a seeded source replays a simulation. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `n` random bytes. */
  bytes(n: number): Uint8Array;
}

/** The kernel's chance in blocks: every request has an id, and a call for each costs five times as much. */
const BLOCK = 4096;
let block = Buffer.alloc(0);
let taken = 0;

function chance(n: number): Buffer {
  if (n > BLOCK / 4) return randomBytes(n);
  if (block.length - taken < n) [block, taken] = [randomBytes(BLOCK), 0];
  const bytes = Buffer.allocUnsafe(n);
  block.copy(bytes, 0, taken, taken + n);
  // It may become a key: nobody else is to find it.
  block.fill(0, taken, taken + n);
  taken += n;
  return bytes;
}

export const systemRandom: Random = {
  next: () => chance(6).readUIntBE(0, 6) / 2 ** 48,
  bytes: chance,
};

/** A small seeded source (mulberry32): the same seed gives the same sequence on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, bytes: (n) => Uint8Array.from({ length: n }, () => Math.floor(next() * 256)) };
}

const DIGITS = Buffer.from('0123456789abcdef');
/** Where UUIDs are written before they become texts. */
const written = Buffer.alloc(36, '-');

/** A version 4 UUID (RFC 9562) from the given source. */
export function uuid(random: Random): string {
  const b = random.bytes(16);
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  let at = 0;
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) at++;
    written[at++] = DIGITS[b[i]! >> 4]!;
    written[at++] = DIGITS[b[i]! & 0x0f]!;
  }
  return written.toString('latin1');
}

/** Kubernetes' alphabet for generated names: no vowels, nothing that looks alike. */
const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** The random suffix of a generated name (`web-7d4b9c-x2k4v`). */
export function nameSuffix(random: Random, length = 5): string {
  return Array.from({ length }, () => NAME_ALPHABET[Math.floor(random.next() * NAME_ALPHABET.length)]).join(
    '',
  );
}

/** A container or sandbox id: 64 hexadecimal digits. */
export function newId(random: Random = systemRandom): string {
  return Buffer.from(random.bytes(32)).toString('hex');
}
