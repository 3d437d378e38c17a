/**
 * Keeps a large heap tight. V8 lets a heap grow to several times of what is in use before it collects, which is right
 * while it is small, and hundreds of megabytes once a cluster is large: from then on it may only grow by a part.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import type { Clock } from '../base/clock.ts';

const LOOK_MS = 2000;
const LARGE_BYTES = 80e6;
/** Smaller than this again it is left alone. */
const SMALL_BYTES = 56e6;
/** Of what was in use after the last collection. */
const PERCENT = 30;

export interface Heap {
  /** Bytes, used or not. */
  size(): number;
  /** By how many percent it may grow between two collections; 0 leaves that to V8. */
  setGrowth(percent: number): void;
}

const v8Heap: Heap = {
  size: () => getHeapStatistics().total_heap_size,
  // Read anew at each collection.
  setGrowth: (percent) => setFlagsFromString(`--heap-growing-percent=${percent}`),
};

export function boundHeapGrowth(clock: Clock, heap: Heap = v8Heap): Disposable {
  let isBound = false;
  let timer: Disposable;
  const look = (): void => {
    const size = heap.size();
    if (isBound ? size < SMALL_BYTES : size > LARGE_BYTES) {
      isBound = !isBound;
      heap.setGrowth(isBound ? PERCENT : 0);
    }
    timer = clock.after(LOOK_MS, look);
  };
  timer = clock.after(LOOK_MS, look);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
