import { PlatformError } from '../../base/errors.ts';
import { BLOCK, paddingOf, TYPE_FLAGS, type TarHeader, type TarType } from './tar-format.ts';

export interface TarEntry extends TarHeader {
  /** The content, to be read before the next entry is asked for; what is left unread is skipped. */
  readonly body: AsyncIterable<Buffer>;
}

/** No honest archive has longer headers; a hostile one must not fill the memory. */
const MAX_EXTENSION_BYTES = 1 << 20;

const TYPES = new Map<string, TarType>([
  ...Object.entries(TYPE_FLAGS).map(([type, flag]) => [flag, type as TarType] as const),
  ['\0', 'file'],
  ['7', 'file'],
]);

/**
 * Reads ustar, pax (per file and global) and GNU long names, in order, without holding content in memory.
 * Throws `invalid` for a broken checksum, a short archive or a malformed header; `unsupported` for sparse files.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, void> {
  const input = new BlockReader(source);
  const global = new Map<string, string>();
  let local = new Map<string, string>();
  for (;;) {
    const block = await input.read(BLOCK);
    // Some writers leave the closing zero blocks out; a clean end of input is an end as well.
    if (block.length === 0) return;
    if (block.length < BLOCK) throw broken('ends inside a header');
    if (block.every((byte) => byte === 0)) return;
    const raw = parseBlock(block);

    if (raw.flag === 'x' || raw.flag === 'g' || raw.flag === 'L' || raw.flag === 'K') {
      if (raw.size > MAX_EXTENSION_BYTES) throw broken(`has an extended header of ${raw.size} bytes`);
      const content = await input.readExactly(raw.size);
      await input.readExactly(paddingOf(raw.size));
      if (raw.flag === 'x') local = new Map([...local, ...parsePax(content)]);
      else if (raw.flag === 'g') for (const [key, value] of parsePax(content)) global.set(key, value);
      else local.set(raw.flag === 'L' ? 'path' : 'linkpath', text(content));
      continue;
    }

    const pax = new Map([...global, ...local]);
    local = new Map();
    const header = resolve(raw, pax);
    let left = header.size;
    const body = async function* (): AsyncGenerator<Buffer, void, void> {
      while (left > 0) {
        const chunk = await input.readSome(left);
        if (chunk.length === 0) throw broken(`ends inside "${header.name}"`);
        left -= chunk.length;
        yield chunk;
      }
    };
    yield { ...header, body: { [Symbol.asyncIterator]: body } };
    for await (const _ of body()) {
      // Skips what the consumer left.
    }
    await input.readExactly(paddingOf(header.size));
  }
}

interface RawHeader extends Omit<TarHeader, 'type'> {
  readonly flag: string;
}

function resolve(raw: RawHeader, pax: ReadonlyMap<string, string>): TarHeader {
  if (raw.flag === 'S' || pax.has('GNU.sparse.major')) {
    throw new PlatformError('unsupported', `layer archive has a sparse file "${raw.name}"`);
  }
  const type = TYPES.get(raw.flag);
  if (type === undefined) throw broken(`has an entry "${raw.name}" of unknown type "${raw.flag}"`);
  const name = pax.get('path') ?? raw.name;
  return {
    name,
    // Before ustar, a directory was a file whose name ends in a slash.
    type: type === 'file' && name.endsWith('/') ? 'directory' : type,
    mode: raw.mode & 0o7777,
    uid: numberOf(pax.get('uid'), raw.uid),
    gid: numberOf(pax.get('gid'), raw.gid),
    mtime: numberOf(pax.get('mtime'), raw.mtime),
    size: type === 'file' ? numberOf(pax.get('size'), raw.size) : 0,
    linkName: pax.get('linkpath') ?? raw.linkName,
  };
}

function numberOf(paxValue: string | undefined, otherwise: number): number {
  if (paxValue === undefined) return otherwise;
  const value = Number(paxValue);
  if (!Number.isFinite(value)) throw broken(`has a pax number "${paxValue}"`);
  return value;
}

function parseBlock(block: Buffer): RawHeader {
  const stored = octalOf(block, 148, 8);
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : block[i]!;
  if (stored !== sum) throw broken(`has a header whose checksum is ${sum}, not ${stored}`);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? text(block.subarray(345, 500)) : '';
  const name = text(block.subarray(0, 100));
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    flag: block.toString('latin1', 156, 157),
    mode: octalOf(block, 100, 8),
    uid: octalOf(block, 108, 8),
    gid: octalOf(block, 116, 8),
    size: octalOf(block, 124, 12),
    mtime: octalOf(block, 136, 12),
    linkName: text(block.subarray(157, 257)),
  };
}

/** An octal field, or GNU's base 256 when the first bit is set. */
function octalOf(block: Buffer, offset: number, length: number): number {
  const field = block.subarray(offset, offset + length);
  if ((field[0]! & 0x80) !== 0) {
    let value = BigInt(field[0]! & 0x7f);
    for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw broken('has a number that is too large');
    return Number(value);
  }
  const digits = text(field).trim();
  if (!/^[0-7]*$/.test(digits)) throw broken(`has a header with "${digits}" where an octal number belongs`);
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function parsePax(content: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at);
    const length = Number(content.toString('latin1', at, space));
    const end = at + length;
    const equals = content.indexOf(0x3d, space);
    const isWhole = space > at && Number.isSafeInteger(length) && length > 0 && end <= content.length;
    if (!isWhole || equals === -1 || equals >= end || content[end - 1] !== 0x0a)
      throw broken('has a bad pax record');
    records.set(content.toString('utf8', space + 1, equals), content.toString('utf8', equals + 1, end - 1));
    at = end;
  }
  return records;
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}

function broken(what: string): PlatformError {
  return new PlatformError('invalid', `layer archive ${what}`);
}

/** Cuts a stream of chunks into the lengths that are asked for. */
class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Up to `max` bytes, at least one; empty at the end of input. */
  async readSome(max: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return Buffer.alloc(0);
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    const chunk = this.#rest.subarray(0, max);
    this.#rest = this.#rest.subarray(chunk.length);
    return chunk;
  }

  /** `length` bytes, fewer only at the end of input. */
  async read(length: number): Promise<Buffer> {
    if (this.#rest.length >= length) return this.readSome(length);
    const parts: Buffer[] = [];
    for (let have = 0; have < length;) {
      const part = await this.readSome(length - have);
      if (part.length === 0) break;
      parts.push(part);
      have += part.length;
    }
    return Buffer.concat(parts);
  }

  async readExactly(length: number): Promise<Buffer> {
    const bytes = length === 0 ? Buffer.alloc(0) : await this.read(length);
    if (bytes.length < length) throw broken('is cut short');
    return bytes;
  }
}
