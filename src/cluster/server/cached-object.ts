/** One version of one object, as bytes; decoded on demand, and for as long as it is among those that were needed last. */
import { decodeStored, splicedLength, spliceInto, withVersion } from './encoding.ts';
import type { KubeObject } from './object.ts';

/** Decoded objects that are kept; an object takes several times its bytes. */
const KEPT = 4096;

export class CachedObject {
  readonly key: string;
  readonly stored: Uint8Array;
  readonly revision: number;
  #object: KubeObject | undefined;

  constructor(key: string, stored: Uint8Array, revision: number) {
    this.key = key;
    this.stored = stored;
    this.revision = revision;
  }

  /** Shared: never change it. */
  get object(): KubeObject {
    if (this.#object === undefined) {
      this.#object = decodeStored(this.stored, this.revision);
      keep(this);
    }
    return this.#object;
  }

  /** The decoded form, without making it one of those that are kept: for a walk over everything. */
  peek(): KubeObject {
    return this.#object ?? decodeStored(this.stored, this.revision);
  }

  /** JSON with resourceVersion. */
  get bytes(): Uint8Array {
    return withVersion(this.stored, this.revision);
  }

  /** Length of `bytes`. */
  get length(): number {
    return splicedLength(this.stored, this.revision);
  }

  /** Writes `bytes`; returns where they end. */
  writeInto(target: Buffer, at: number): number {
    return spliceInto(target, at, this);
  }

  /** A copy of one's own. */
  mutable(): KubeObject {
    return decodeStored(this.stored, this.revision);
  }

  forget(): void {
    this.#object = undefined;
  }
}

const ring: (CachedObject | undefined)[] = Array.from({ length: KEPT });
let oldest = 0;

function keep(object: CachedObject): void {
  ring[oldest]?.forget();
  ring[oldest] = object;
  oldest = (oldest + 1) % KEPT;
}
