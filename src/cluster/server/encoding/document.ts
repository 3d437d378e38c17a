/** Large documents that are made once and then kept: made slice by slice, whoever else asks meanwhile waits for the same one. */
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

export class Documents {
  readonly #clock: Clock;
  #kept = new Map<string, Promise<Document>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Those that are being made are given to those who wait for them, and then forgotten. */
  clear(): void {
    this.#kept = new Map();
  }

  /** Forgets those whose ids begin so. */
  drop(prefix: string): void {
    for (const id of this.#kept.keys()) if (id.startsWith(prefix)) this.#kept.delete(id);
  }

  has(id: string): boolean {
    return this.#kept.has(id);
  }

  async get(id: string, make: () => Steps<Uint8Array>): Promise<Document> {
    const kept = this.#kept;
    let making = kept.get(id);
    if (making === undefined) {
      making = inSlices(hashed(make()), this.#clock);
      kept.set(id, making);
      // The next who asks tries again.
      making.catch(() => kept.delete(id));
    }
    return await making;
  }
}

async function inSlices<T>(steps: Steps<T>, clock: Clock): Promise<T> {
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

function* hashed(steps: Steps<Uint8Array>): Steps<Document> {
  const bytes = yield* steps;
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
