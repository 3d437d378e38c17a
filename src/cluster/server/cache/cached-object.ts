/** One version of one object, as bytes; decoded on demand, and for as long as it is among those that were needed last. */
import type { Resident, Slab } from './byte-slabs.ts';
import {
  decodeAt,
  decodeHead,
  decodeStored,
  encodeMetadata,
  splicedLength,
  spliceInto,
  type Written,
} from '../encoding/encoding.ts';
import type { JsonValue } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';

/** Decoded objects that are kept, and what they take as bytes: decoded it is several times as much. */
const KEPT = 2048;
const KEPT_BYTES = 4 * 1024 * 1024;

export class CachedObject implements Resident {
  readonly key: string;
  readonly revision: number;
  /** A buffer of its own, or that of the slab: its content is `#length` bytes from `#at`. */
  #buffer: Buffer;
  #at = 0;
  readonly #length: number;
  #slab: Slab | undefined;
  #object: KubeObject | undefined;

  constructor(key: string, stored: Uint8Array, revision: number) {
    this.key = key;
    this.revision = revision;
    this.#buffer =
      stored instanceof Buffer ? stored : Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
    this.#length = stored.length;
  }

  get slab(): Slab | undefined {
    return this.#slab;
  }

  moveTo(slab: Slab, at: number): void {
    this.#buffer.copy(slab.bytes, at, this.#at, this.#at + this.#length);
    this.#buffer = slab.bytes;
    this.#slab = slab;
    this.#at = at;
  }

  /** As they are in the store. */
  get stored(): Uint8Array {
    return this.#buffer.subarray(this.#at, this.#at + this.#length);
  }

  /** Length of `stored`. */
  get length(): number {
    return this.#length;
  }

  /** Shared: never change it. */
  get object(): KubeObject {
    const object = this.#object ?? this.decode();
    if (this.#object === undefined) this.keepAs(object);
    return object;
  }

  /** `object`, where that is at hand. */
  get decoded(): KubeObject | undefined {
    return this.#object;
  }

  /** Takes what its bytes hold from who has it decoded, and nobody changes any more. */
  keepAs(object: KubeObject): void {
    this.#object = object;
    kept.add(this);
  }

  /** The decoded form, without making it one of those that are kept: for a walk over everything. */
  peek(): KubeObject {
    return this.#object ?? this.decode();
  }

  /** JSON with resourceVersion. */
  get bytes(): Uint8Array {
    return this.#written('whole');
  }

  /** As an item of a list: without kind and version, which the list says. */
  get item(): Uint8Array {
    return this.#written('item');
  }

  /** Kind, version and metadata without the owners of fields, read by themselves: all else of an object may be long. */
  get head(): KubeObject {
    return this.#object ?? decodeHead(this.#place());
  }

  /** What is at a path, read by itself. */
  at(path: readonly string[]): JsonValue | undefined {
    return decodeAt(this.#place(), path);
  }

  /** JSON of a PartialObjectMetadata of this version of its API. */
  metadataAs(apiVersion: string): Uint8Array {
    return encodeMetadata(this.#place(), apiVersion);
  }

  #written(as: Written): Uint8Array {
    const target = Buffer.allocUnsafe(this.lengthAs(as));
    this.writeInto(target, 0, as);
    return target;
  }

  /** Length of `bytes` or of `item`. */
  lengthAs(as: Written): number {
    return splicedLength(this.#place(), as);
  }

  /** Writes `bytes` or `item`; returns where they end. */
  writeInto(target: Buffer, at: number, as: Written): number {
    return spliceInto(target, at, this.#place(), as);
  }

  /** Decoded anew. Whoever writes shares parts of it with what is written: nobody changes it. */
  decode(): KubeObject {
    return decodeStored(this.#place());
  }

  /** It is not what there is any more: who needs it again decodes it again. */
  letGo(): void {
    kept.remove(this);
  }

  forget(): void {
    this.#object = undefined;
  }

  #place(): { buffer: Buffer; start: number; end: number; revision: number } {
    return {
      buffer: this.#buffer,
      start: this.#at,
      end: this.#at + this.#length,
      revision: this.revision,
    };
  }
}

/** Those that were needed last, oldest first. */
class Kept {
  readonly #objects = new Set<CachedObject>();
  #bytes = 0;

  add(object: CachedObject): void {
    if (this.#objects.has(object)) return;
    this.#objects.add(object);
    this.#bytes += object.length;
    for (const oldest of this.#objects) {
      if (this.#objects.size <= KEPT && this.#bytes <= KEPT_BYTES) break;
      this.remove(oldest);
    }
  }

  remove(object: CachedObject): void {
    if (!this.#objects.delete(object)) return;
    this.#bytes -= object.length;
    object.forget();
  }
}

const kept = new Kept();
