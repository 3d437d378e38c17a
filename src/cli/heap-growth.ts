/**
 * Keeps the heap as small as its work allows, and collections seldom: each stops the program for some milliseconds. V8 lets a
 * heap grow to several times of what is in use before it collects, hundreds of megabytes once a cluster is large; and by a
 * few megabytes when little is allocated for long: then each long list is collected after. Here it may grow by a part, and
 * by some dozen megabytes at least. What buffers hold outside the heap counts for itself, and has V8 collect whenever that has
 * grown by some dozen megabytes, though most of it are bodies that are gone: here both have one limit. And V8 collects when
 * it has to, which in a quiet server is never: what a burst of work has left is given back when the burst is over. What it
 * takes is why it happens once after each burst, and for the little that goes on for ever when it has become much.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import type { Clock } from '../base/clock.ts';

const LOOK_MS = 2000;
/** Until what the start has left is given back. */
const FIRST_LOOKS_MS = 1000;
/** A server with little in it is smaller, and left to V8. */
const LARGE_BYTES = 44e6;
/** Smaller than this again it is left alone. */
const SMALL_BYTES = 36e6;
/** Of what is in use after a collection; or to so many bytes in all, if that is no more than so many times as much again. */
const PART = 0.3;
const TOP_BYTES = 110e6;
const MAX_PART = 2;
/** What is outside the heap may become so many times what it was, as long as it grows by no more than so many bytes. */
const MAX_OUTSIDE_GROWTH = 3;
const OUTSIDE_ROOM_BYTES = 36e6;
/** More than this between two looks is work; less are probes, leases and metrics. */
const BURST_BYTES = 2e6;
/** As much garbage as makes a collection worth its pause. */
const WORTH_BYTES = 8e6;
/** And without a burst. */
const MUCH_BYTES = 24e6;
/** V8 does nothing about less than 64 MB. */
const PRESSURE_BYTES = 80 * 1024 * 1024;

export interface Heap {
  /** Bytes, used or not. */
  size(): number;
  /** Bytes in use, garbage included. */
  used(): number;
  /** Bytes that were ever allocated, collected since or not. */
  allocated(): number;
  /** Bytes that buffers hold. */
  outside(): number;
  /** By how many percent it may grow between two collections; 0 leaves that to V8. */
  setGrowth(percent: number): void;
  /** How many times as much as after a collection may be outside before the next one. */
  setGrowthOutside(factor: number): void;
  /** Begins to give back to the machine what is not in use. */
  collect(): void;
}

const v8Heap: Heap = {
  size: () => getHeapStatistics().total_heap_size,
  used: () => getHeapStatistics().used_heap_size,
  allocated: () => getHeapStatistics().total_allocated_bytes,
  outside: () => getHeapStatistics().external_memory,
  // Read anew at each collection.
  setGrowth: (percent) => setFlagsFromString(`--heap-growing-percent=${percent}`),
  setGrowthOutside: (factor) => {
    setFlagsFromString(`--external-memory-max-growing-factor=${factor}`);
    setFlagsFromString('--external-memory-accounted-in-global-limit');
  },
  collect: () => {
    // So much outside the heap, where that counts for itself, makes V8 begin to mark at once, beside the program and in small
    // steps; nobody ever touches it. What it begins under the second flag moves the rest together and gives the pages back.
    setFlagsFromString('--no-external-memory-accounted-in-global-limit');
    setFlagsFromString('--optimize-for-size');
    try {
      Buffer.allocUnsafeSlow(PRESSURE_BYTES);
    } catch {
      // There is no room for it: V8 collects when it has to.
    } finally {
      setFlagsFromString('--no-optimize-for-size');
      setFlagsFromString('--external-memory-accounted-in-global-limit');
    }
  },
};

export function boundHeapGrowth(clock: Clock, heap: Heap = v8Heap): Disposable {
  let [growth, factor] = [0, 0];
  let timer: Disposable;
  // Until the last look.
  let [usedBefore, allocatedBefore] = [Infinity, 0];
  /** In use after the last collection. */
  let live = 0;
  let isBurst = true;
  let every = FIRST_LOOKS_MS;
  const look = (): void => {
    const size = heap.size();
    const isBound = size > (growth === 0 ? LARGE_BYTES : SMALL_BYTES);
    const used = heap.used();
    // Less of the smaller one is garbage.
    const wanted = isBound ? growthOver(Math.min(used, usedBefore)) : 0;
    usedBefore = used;
    if (wanted !== growth) heap.setGrowth((growth = wanted));
    const outside = growthOutside(heap.outside());
    if (outside !== factor) heap.setGrowthOutside((factor = outside));
    const allocated = heap.allocated();
    const isQuiet = allocated - allocatedBefore <= BURST_BYTES;
    allocatedBefore = allocated;
    isBurst ||= !isQuiet;
    // V8 may have collected meanwhile.
    live = Math.min(live, used);
    if (isQuiet && used - live > (isBurst ? WORTH_BYTES : MUCH_BYTES)) {
      heap.collect();
      live = heap.used();
      isBurst = false;
      every = LOOK_MS;
    }
    timer = clock.after(every, look);
  };
  timer = clock.after(every, look);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

/** In percent; in tens, so that it is seldom set anew. A small part of a small heap would have it collected all the time. */
function growthOver(live: number): number {
  return Math.round(10 * Math.max(PART, Math.min(MAX_PART, TOP_BYTES / live - 1))) * 10;
}

/** In tenths, so that it is seldom set anew. */
function growthOutside(bytes: number): number {
  return Math.round(10 * Math.min(MAX_OUTSIDE_GROWTH, 1 + OUTSIDE_ROOM_BYTES / Math.max(bytes, 1))) / 10;
}
