/**
 * nftables by nfnetlink: one transaction is one message batch, which the kernel takes wholly or not at all.
 * Nothing is ever listed. Numbers are in network order in this family.
 */
import { PlatformError } from '../base/errors.ts';
import { failpoint } from '../base/failpoint.ts';
import type { Kernel, NetlinkSocket } from './kernel.ts';
import { NetlinkWriter, NLM_F_APPEND, NLM_F_CREATE } from './netlink.ts';
import { writeValueData, writeVerdictData, type NftExpression, type NftVerdict } from './nft-expressions.ts';

/** Types of set keys and map data: nft's number for it (which only `nft list` reads), bytes, byte order. */
const TYPES = {
  inet_proto: { id: 12, bytes: 1, host: false },
  ipv4_addr: { id: 7, bytes: 4, host: false },
  inet_service: { id: 13, bytes: 2, host: false },
  mark: { id: 19, bytes: 4, host: true },
} as const;

export type NftType = keyof typeof TYPES;

export interface NftElement {
  /** As packKey makes it. */
  readonly key: Uint8Array;
  /** For maps. */
  readonly data?: Uint8Array | NftVerdict;
}

export interface NftHook {
  readonly type: 'nat' | 'filter';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
  /** -100 is dstnat, 0 filter, 100 srcnat. */
  readonly priority: number;
}

/** One step of a transaction, all on the same table. */
export type NftOperation =
  | { readonly op: 'addTable' | 'delTable' }
  | { readonly op: 'addChain'; readonly chain: string; readonly hook?: NftHook }
  | { readonly op: 'flushChain' | 'delChain'; readonly chain: string }
  | { readonly op: 'addRule'; readonly chain: string; readonly expressions: readonly NftExpression[] }
  | {
      readonly op: 'addSet';
      readonly set: string;
      readonly key: readonly NftType[];
      /** Makes it a map. */
      readonly data?: readonly NftType[] | 'verdict';
      /** Rules add to it; entries time out. */
      readonly dynamic?: { readonly size: number };
    }
  | {
      readonly op: 'addElements' | 'delElements';
      readonly set: string;
      readonly elements: readonly NftElement[];
    };

const NFPROTO_INET = 1;
const SUBSYSTEM = 10;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const MSG = {
  newTable: 0,
  delTable: 2,
  newChain: 3,
  delChain: 5,
  newRule: 6,
  delRule: 8,
  newSet: 9,
  newElements: 12,
  delElements: 14,
};
const LIST_ELEMENT = 1;
const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const SET_MAP = 0x8;
const SET_TIMEOUT = 0x10;
const SET_DYNAMIC = 0x20;
const VERDICT_TYPE = 0xffffff00;
/** Elements of one message share one attribute, whose length has 16 bits. */
const ELEMENTS_BYTES = 60_000;

/** Concatenates fields into a key or value: each is padded to four bytes, as in registers. */
export function packKey(...fields: readonly (Uint8Array | number)[]): Uint8Array {
  const parts = fields.map((field) => (typeof field === 'number' ? hostOrder(field) : field));
  if (parts.length === 1) return parts[0]!;
  const packed = new Uint8Array(parts.reduce((length, part) => length + padded(part.length), 0));
  let at = 0;
  for (const part of parts) {
    packed.set(part, at);
    at += padded(part.length);
  }
  return packed;
}

/** A port in network order. */
export function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}

function hostOrder(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/**
 * Applies all operations on the table of family inet, or none. The error of the first operation that the kernel
 * refused is thrown, with `operation` in its details.
 *
 * After a transaction that removed something, closing a netfilter socket waits for a grace period of the kernel's
 * (8 to 16 ms, on the calling thread). Who removes often keeps a socket and uses nftTransactionOn.
 */
export function nftTransaction(kernel: Kernel, table: string, operations: readonly NftOperation[]): void {
  using socket = kernel.netlink('netfilter');
  nftTransactionOn(socket, table, operations);
}

/** As nftTransaction, on a socket of protocol `netfilter` that stays open. */
export function nftTransactionOn(
  socket: NetlinkSocket,
  table: string,
  operations: readonly NftOperation[],
): void {
  failpoint('kernel.nft.transaction');
  const { messages, operationOf } = encodeTransaction(table, operations);
  try {
    socket.request(messages);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const index = operationOf(Number(error.details['sequence']));
    const operation = operations[index];
    const what = operation === undefined ? 'the transaction' : `step ${index} (${describe(operation)})`;
    throw new PlatformError(error.code, `nftables table ${table}: ${what} was refused: ${error.message}`, {
      cause: error,
      details: { ...error.details, table, operation: index },
    });
  }
}

/** Removes the table with everything in it. Idempotent, on kernels without `destroy` (6.3) too. */
export function deleteTable(kernel: Kernel, table: string): void {
  nftTransaction(kernel, table, [{ op: 'addTable' }, { op: 'delTable' }]);
}

function describe(operation: NftOperation): string {
  const name = 'chain' in operation ? operation.chain : 'set' in operation ? operation.set : '';
  return `${operation.op} ${name}`.trim();
}

/** The messages, and which operation a sequence number belongs to. */
export function encodeTransaction(
  table: string,
  operations: readonly NftOperation[],
): { messages: Uint8Array; operationOf: (sequence: number) => number } {
  const writer = new NetlinkWriter();
  const firstSequence: number[] = [];
  writer.message(BATCH_BEGIN, 0);
  writer.header(familyHeader(0, SUBSYSTEM));
  let setId = 0;
  for (const operation of operations) {
    firstSequence.push(writer.nextSequence);
    if (operation.op === 'addSet') setId++;
    writeOperation(writer, { table, setId }, operation);
  }
  writer.message(BATCH_END, 0);
  writer.header(familyHeader(0, SUBSYSTEM));
  return {
    messages: writer.finish(),
    operationOf: (sequence) => firstSequence.findLastIndex((first) => sequence >= first),
  };
}

function familyHeader(family: number, resource: number): Uint8Array {
  return Uint8Array.of(family, 0, resource >> 8, resource & 0xff);
}

function begin(writer: NetlinkWriter, type: number, flags = 0): void {
  writer.message((SUBSYSTEM << 8) | type, flags);
  writer.header(familyHeader(NFPROTO_INET, 0));
}

function writeOperation(
  writer: NetlinkWriter,
  { table, setId }: { table: string; setId: number },
  operation: NftOperation,
): void {
  switch (operation.op) {
    case 'addTable':
      begin(writer, MSG.newTable, NLM_F_CREATE);
      writer.string(1, table).u32be(2, 0);
      return;
    case 'delTable':
      begin(writer, MSG.delTable);
      writer.string(1, table);
      return;
    case 'addChain':
      begin(writer, MSG.newChain, NLM_F_CREATE);
      writer.string(1, table).string(3, operation.chain);
      if (operation.hook !== undefined) {
        const { type, hook, priority } = operation.hook;
        writer.nest(4, () => writer.u32be(1, HOOKS[hook]).u32be(2, priority)).string(7, type);
      }
      return;
    case 'flushChain':
      begin(writer, MSG.delRule);
      writer.string(1, table).string(2, operation.chain);
      return;
    case 'delChain':
      begin(writer, MSG.delChain);
      writer.string(1, table).string(3, operation.chain);
      return;
    case 'addRule':
      begin(writer, MSG.newRule, NLM_F_CREATE | NLM_F_APPEND);
      writer.string(1, table).string(2, operation.chain);
      writer.nest(4, () => {
        for (const { name, write } of operation.expressions) {
          writer.nest(LIST_ELEMENT, () => writer.string(1, name).nest(2, () => write(writer)));
        }
      });
      return;
    case 'addSet':
      writeSet(writer, { table, setId }, operation);
      return;
    case 'addElements':
    case 'delElements':
      writeElements(writer, table, operation);
      return;
  }
}

function writeSet(
  writer: NetlinkWriter,
  { table, setId }: { table: string; setId: number },
  { set, key, data, dynamic }: NftOperation & { op: 'addSet' },
): void {
  const flags = (data === undefined ? 0 : SET_MAP) | (dynamic === undefined ? 0 : SET_TIMEOUT | SET_DYNAMIC);
  begin(writer, MSG.newSet, NLM_F_CREATE);
  writer
    .string(1, table)
    .string(2, set)
    .u32be(3, flags)
    .u32be(4, typeId(key))
    .u32be(5, typeBytes(key))
    .u32be(10, setId);
  if (data === 'verdict') writer.u32be(6, VERDICT_TYPE).u32be(7, 0);
  else if (data !== undefined) writer.u32be(6, typeId(data)).u32be(7, typeBytes(data));
  if (dynamic !== undefined) writer.nest(9, () => writer.u32be(1, dynamic.size));
  writer.bytes(13, userData(key, data === 'verdict' ? undefined : data));
}

/** What `nft list` wants to know beside: the byte order of keys (0) and data (1), each type, length, value. */
function userData(key: readonly NftType[], data: readonly NftType[] | undefined): Uint8Array {
  const order = (types: readonly NftType[]): number => (types.length > 1 ? 0 : TYPES[types[0]!].host ? 1 : 2);
  const entry = (type: number, types: readonly NftType[]): number[] => [type, 4, ...hostOrder(order(types))];
  return Uint8Array.from([...entry(0, key), ...(data === undefined ? [] : entry(1, data))]);
}

/** A concatenation's number holds its parts' numbers in six bits each. */
function typeId(types: readonly NftType[]): number {
  return types.reduce((id, type) => (id << 6) | TYPES[type].id, 0);
}

function typeBytes(types: readonly NftType[]): number {
  if (types.length === 1) return TYPES[types[0]!].bytes;
  return types.reduce((bytes, type) => bytes + padded(TYPES[type].bytes), 0);
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}

function writeElements(
  writer: NetlinkWriter,
  table: string,
  { op, set, elements }: NftOperation & { op: 'addElements' | 'delElements' },
): void {
  for (let at = 0; at < elements.length;) {
    if (op === 'addElements') begin(writer, MSG.newElements, NLM_F_CREATE);
    else begin(writer, MSG.delElements);
    writer.string(1, table).string(2, set);
    const start = writer.length;
    writer.nest(3, () => {
      for (; at < elements.length && writer.length - start < ELEMENTS_BYTES; at++) {
        const { key, data } = elements[at]!;
        writer.nest(LIST_ELEMENT, () => {
          writeValueData(writer, 1, key);
          if (data === undefined || op === 'delElements') return;
          if (data instanceof Uint8Array) writeValueData(writer, 2, data);
          else writeVerdictData(writer, 2, data);
        });
      }
    });
  }
}
