import assert from 'node:assert/strict';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { test } from 'node:test';
import { getHeapStatistics } from 'node:v8';

import { ManualClock } from '../base/clock.ts';
import { boundHeapGrowth } from './heap-growth.ts';

/** Sizes in bytes; half of what is in use is garbage. */
class TestHeap {
  readonly growths: number[] = [];
  collections = 0;
  total = 30e6;
  inUse = 0;

  size(): number {
    return this.total;
  }

  used(): number {
    return this.inUse;
  }

  setGrowth(percent: number): void {
    this.growths.push(percent);
  }

  collect(): void {
    this.collections++;
    this.inUse /= 2;
  }
}

test('growth is bounded while the heap is large, and left to V8 again when it is small', async () => {
  const clock = new ManualClock();
  const heap = new TestHeap();
  const bound = boundHeapGrowth(clock, heap);
  await clock.advance(10_000);
  assert.deepEqual(heap.growths, []);
  heap.total = 200e6;
  await clock.advance(10_000);
  assert.deepEqual(heap.growths, [30]);
  heap.total = 60e6;
  await clock.advance(10_000);
  assert.deepEqual(heap.growths, [30, 100]);
  heap.total = 30e6;
  await clock.advance(10_000);
  assert.deepEqual(heap.growths, [30, 100, 0]);
  heap.total = 38e6;
  await clock.advance(10_000);
  assert.deepEqual(heap.growths, [30, 100, 0]);
  bound[Symbol.dispose]();
  heap.total = 200e6;
  await clock.advance(10_000);
  assert.deepEqual(heap.growths, [30, 100, 0]);
});

test('what a burst of work has left is collected once, when it is over', async () => {
  const clock = new ManualClock();
  const heap = new TestHeap();
  using bound = boundHeapGrowth(clock, heap);
  assert.ok(bound);
  const grow = async (bytes: number, times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      heap.inUse += bytes;
      await clock.advance(2000);
    }
  };
  await grow(10e6, 4);
  assert.equal(heap.collections, 0, 'not while it works');
  await grow(0, 5);
  assert.deepEqual([heap.collections, heap.inUse], [1, 20e6]);
  await grow(1e6, 20);
  assert.equal(heap.collections, 1, 'not for the little that goes on for ever');
  await grow(10e6, 1);
  // V8 was faster.
  heap.inUse = 12e6;
  await grow(0, 5);
  assert.equal(heap.collections, 1);
  await grow(10e6, 1);
  await grow(0, 5);
  assert.equal(heap.collections, 2, 'after another burst');
  await grow(1e6, 100);
  assert.ok(heap.collections > 2 && heap.collections < 8, 'or when the little has become much');
});

test('V8 itself collects what has been let go', { timeout: 20_000 }, async () => {
  const used = (): number => getHeapStatistics().used_heap_size;
  const clock = new ManualClock();
  let kept = Array.from({ length: 300_000 }, (_, i) => ({ name: `object ${i}`, numbers: [i] }));
  using bound = boundHeapGrowth(clock);
  assert.ok(bound);
  await clock.advance(2000);
  const full = used();
  assert.ok(kept.length > 0);
  kept = [];
  const { promise: collected, resolve } = Promise.withResolvers<void>();
  const observer = new PerformanceObserver((list) => {
    const entries = list.getEntries() as (PerformanceEntry & {
      readonly detail: { readonly kind: number };
    })[];
    if (entries.some(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR)) resolve();
  });
  observer.observe({ entryTypes: ['gc'] });
  await clock.advance(10_000);
  await collected;
  observer.disconnect();
  assert.ok(used() < full - 20e6, `${used()} bytes of ${full} are still in use`);
});
