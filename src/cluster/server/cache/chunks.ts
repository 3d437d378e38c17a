/** What a watcher takes in one go: frames side by side, and for who is in this process what they show. */
import { LARGE_BYTES } from '../../../base/yield-to-loop.ts';
import { tell, type ToldEvent } from '../../api/told-events.ts';
import type { CachedObject } from './cached-object.ts';

let last: { readonly frames: readonly Uint8Array[]; readonly bytes: Uint8Array } = {
  frames: [],
  bytes: Buffer.alloc(0),
};

/** Frames are shared, and who takes its turn after another mostly gets the same ones. */
export function joined(frames: readonly Uint8Array[]): Uint8Array {
  const isSame = frames.length === last.frames.length && frames.every((frame, i) => frame === last.frames[i]);
  if (!isSame) last = { frames, bytes: Buffer.concat(frames) };
  return last.bytes;
}

interface Shown {
  readonly type: string;
  readonly cached: CachedObject;
}

/** The objects in the frames of one watcher's queue. */
export class ShownFrames {
  readonly #shown = new Map<Uint8Array, Shown>();

  /** Who reads what is long does so in slices, and wants to know that it was. */
  add(frame: Uint8Array, shown: Shown): void {
    if (shown.cached.length <= LARGE_BYTES) this.#shown.set(frame, shown);
  }

  /** Of a chunk that is taken, when the objects of all its frames are at hand. */
  tell(chunk: Uint8Array, frames: readonly Uint8Array[]): void {
    const events: ToldEvent[] = [];
    for (const frame of frames) {
      const shown = this.#shown.get(frame);
      this.#shown.delete(frame);
      const object = shown?.cached.decoded;
      if (object !== undefined) events.push({ type: shown!.type, object });
    }
    if (events.length === frames.length) tell(chunk, events);
  }
}
