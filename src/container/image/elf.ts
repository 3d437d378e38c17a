import { open, type FileHandle } from 'node:fs/promises';
import { PlatformError } from '../../base/errors.ts';

/** What the dynamic loader needs to know of an ELF file (System V gABI, chapters 4 and 5). */
export interface ElfFile {
  /** e_machine: 62 is x86-64, 183 is AArch64. */
  readonly machine: number;
  /** PT_INTERP: the loader's path; absent in static programs and libraries. */
  readonly interpreter?: string;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  readonly rpath: readonly string[];
  readonly runpath: readonly string[];
  /** False when the file has no dynamic section: nothing is loaded. */
  readonly isDynamic: boolean;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
const DT_STRSZ = 10n;
const DT_RPATH = 15n;
const DT_RUNPATH = 29n;
/** Tables larger than this are not of this world; a damaged file must not make us allocate. */
const MAX_TABLE = 64 << 20;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: bigint;
  readonly fileSize: number;
}

/** Reads headers only, never the whole file. Undefined when it is not ELF; `unsupported` when not 64-bit little-endian. */
export async function readElf(path: string): Promise<ElfFile | undefined> {
  await using handle = await open(path, 'r');
  const header = await readAt(handle, 0, 64);
  if (header.length < 20 || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
  if (header[4] !== 2 || header[5] !== 1) {
    throw new PlatformError('unsupported', `${path} is not a 64-bit little-endian ELF file`, {
      details: { path },
    });
  }
  if (header.length < 64) throw damaged(path);
  const segments = await readSegments(handle, header, path);

  const interp = segments.find((segment) => segment.type === PT_INTERP);
  const interpreter =
    interp && cString(await readAt(handle, interp.offset, Math.min(interp.fileSize, 4096)), 0);
  const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
  const names = dynamic === undefined ? NOTHING : await readDynamic(handle, dynamic, segments, path);
  return {
    machine: header.readUInt16LE(18),
    ...(interpreter === undefined ? {} : { interpreter }),
    ...names,
    isDynamic: dynamic !== undefined,
  };
}

const NOTHING = { needed: [], rpath: [], runpath: [] };

async function readSegments(handle: FileHandle, header: Buffer, path: string): Promise<Segment[]> {
  const entrySize = header.readUInt16LE(54);
  const count = header.readUInt16LE(56);
  if (count > 0 && entrySize < 56) throw damaged(path);
  const table = await readAt(handle, fileOffset(header.readBigUInt64LE(32), path), entrySize * count);
  if (table.length < entrySize * count) throw damaged(path);
  return Array.from({ length: count }, (_, i) => {
    const at = i * entrySize;
    return {
      type: table.readUInt32LE(at),
      offset: fileOffset(table.readBigUInt64LE(at + 8), path),
      address: table.readBigUInt64LE(at + 16),
      fileSize: fileOffset(table.readBigUInt64LE(at + 32), path),
    };
  });
}

async function readDynamic(
  handle: FileHandle,
  dynamic: Segment,
  segments: readonly Segment[],
  path: string,
): Promise<Pick<ElfFile, 'needed' | 'rpath' | 'runpath'>> {
  if (dynamic.fileSize > MAX_TABLE) throw damaged(path);
  const table = await readAt(handle, dynamic.offset, dynamic.fileSize);
  const tags: [bigint, bigint][] = [];
  for (let at = 0; at + 16 <= table.length; at += 16) {
    const tag = table.readBigUInt64LE(at);
    if (tag === 0n) break;
    tags.push([tag, table.readBigUInt64LE(at + 8)]);
  }
  const valueOf = (wanted: bigint): bigint | undefined => tags.find(([tag]) => tag === wanted)?.[1];
  const address = valueOf(DT_STRTAB);
  const size = fileOffset(valueOf(DT_STRSZ) ?? 0n, path);
  if (address === undefined) return NOTHING;
  const home = segments.find(
    ({ type, address: start, fileSize }) =>
      type === PT_LOAD && address >= start && address < start + BigInt(fileSize),
  );
  if (home === undefined || size > MAX_TABLE) throw damaged(path);
  const strings = await readAt(handle, home.offset + Number(address - home.address), size);
  const namesOf = (wanted: bigint): string[] =>
    tags.filter(([tag]) => tag === wanted).map(([, at]) => cString(strings, fileOffset(at, path)));
  const pathsOf = (wanted: bigint): string[] =>
    namesOf(wanted).flatMap((list) => list.split(':').filter((dir) => dir !== ''));
  return { needed: namesOf(DT_NEEDED), rpath: pathsOf(DT_RPATH), runpath: pathsOf(DT_RUNPATH) };
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

function cString(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString('utf8', start, end === -1 ? bytes.length : end);
}

function fileOffset(value: bigint, path: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(path);
  return Number(value);
}

function damaged(path: string): PlatformError {
  return new PlatformError('invalid', `${path} is a damaged ELF file`, { details: { path } });
}
