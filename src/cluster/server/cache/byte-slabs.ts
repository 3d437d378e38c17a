/**
 * The bytes of cached objects, side by side in large blocks. A buffer of its own costs each object some 300 bytes beside
 * its content, and leaves gaps between all others when it goes.
 *
 * A slab is only ever appended to, so that what was read from it stays true for as long as somebody holds it. When a
 * quarter of a full slab has been released, the rest moves on and the slab is left to the garbage collector.
 */

const SLAB_BYTES = 256 * 1024;
/** Larger ones keep their own buffer: they would leave too much of a slab unused. */
const MAX_SHARED = SLAB_BYTES / 8;
/** The part of a full slab that has to be in use. */
const MIN_USED = 0.75;

/** What lies in a slab, and is told where. */
export interface Resident {
  readonly length: number;
  /** Where its bytes are now; undefined before the first time. */
  readonly slab: Slab | undefined;
  /** Copies its bytes to `slab` at `at`, and from then on reads them there. */
  moveTo(slab: Slab, at: number): void;
}

export class Slab {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  /** Where the next object goes. */
  used = 0;
  /** Bytes of objects that are still in use. */
  live = 0;
  /** Everything that was put here, in use or not. */
  readonly residents = new Set<Resident>();
}

export class ByteSlabs {
  #current: Slab | undefined;
  #size = 0;

  /** Bytes of all slabs that hold something. */
  get size(): number {
    return this.#size;
  }

  put(resident: Resident): void {
    if (resident.length > MAX_SHARED) return;
    const slab = this.#room(resident.length);
    resident.moveTo(slab, slab.used);
    slab.residents.add(resident);
    slab.used += resident.length;
    slab.live += resident.length;
  }

  /** Its bytes stay readable for whoever still has it. */
  release(resident: Resident): void {
    const { slab } = resident;
    if (slab === undefined || !slab.residents.delete(resident)) return;
    slab.live -= resident.length;
    if (slab !== this.#current) this.#tidy(slab);
  }

  /** The slab that has place for so many bytes. */
  #room(length: number): Slab {
    const last = this.#current;
    if (last !== undefined && last.used + length <= SLAB_BYTES) return last;
    this.#current = new Slab();
    this.#size += SLAB_BYTES;
    if (last === undefined) return this.#current;
    this.#tidy(last);
    // What was left in the last one has moved into this one.
    return this.#room(length);
  }

  #tidy(slab: Slab): void {
    if (slab.live >= slab.used * MIN_USED) return;
    this.#size -= SLAB_BYTES;
    const left = [...slab.residents];
    slab.residents.clear();
    for (const other of left) this.put(other);
  }
}
