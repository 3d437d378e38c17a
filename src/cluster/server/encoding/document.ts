/** Large documents that are made once and then kept: whoever else asks meanwhile waits for the same one. */
import { createHash } from 'node:crypto';

import type { Clock } from '../../../base/clock.ts';
import { Slice } from '../../../base/yield-to-loop.ts';
import { encodingSteps } from '../../api/encode-in-slices.ts';
import type { JsonValue } from '../../api/json.ts';

export interface Document {
  readonly bytes: Uint8Array;
  /** SHA-512 in lower-case hexadecimal digits. */
  readonly hash: string;
}

/** Work that can stop wherever it yields. */
export type Steps<T> = Generator<void, T>;

interface Kept {
  readonly of: readonly unknown[];
  readonly making: Promise<Document>;
}

export class Documents {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Forgets all others. */
  keepOnly(isWanted: (id: string) => boolean): void {
    for (const id of this.#kept.keys()) if (!isWanted(id)) this.#kept.delete(id);
  }

  /** `of` is what the document is made of: it is made anew once one of these is another. */
  async get(id: string, of: readonly unknown[], make: () => Promise<Uint8Array>): Promise<Document> {
    const kept = this.#kept.get(id);
    if (kept !== undefined && isSame(kept.of, of)) return await kept.making;
    const own: Kept = { of, making: this.#made(make) };
    this.#kept.set(id, own);
    // The next who asks tries again.
    own.making.catch(() => {
      if (this.#kept.get(id) === own) this.#kept.delete(id);
    });
    return await own.making;
  }

  async #made(make: () => Promise<Uint8Array>): Promise<Document> {
    return await inSlices(hashed(await make()), this.#clock);
  }
}

function isSame(some: readonly unknown[], others: readonly unknown[]): boolean {
  return some.length === others.length && some.every((one, i) => one === others[i]);
}

export async function inSlices<T>(steps: Steps<T>, clock: Clock): Promise<T> {
  const slice = new Slice(clock);
  // Many may be asked for at once: each begins in a turn of its own.
  await slice.next();
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (slice.over) await slice.next();
  }
}

const HASHED_BYTES = 256 * 1024;

function* hashed(bytes: Uint8Array): Steps<Document> {
  const hash = createHash('sha512');
  for (let at = 0; at < bytes.length; at += HASHED_BYTES) {
    hash.update(bytes.subarray(at, at + HASHED_BYTES));
    yield;
  }
  return { bytes, hash: hash.digest('hex') };
}

/** Parts of documents are found above this depth: paths and definitions, schemas of components, groups of a list. */
const PARTS_DEPTH = 3;

/** As JSON.stringify writes it. */
export function jsonSteps(value: JsonValue): Steps<Uint8Array> {
  return encodingSteps(value, PARTS_DEPTH);
}
