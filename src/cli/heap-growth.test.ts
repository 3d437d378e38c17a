import assert from 'node:assert/strict';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { ManualClock } from '../base/clock.ts';
import { boundHeapGrowth } from './heap-growth.ts';

/** Sizes in bytes; half of what is in use is garbage. */
class TestHeap {
  readonly growths: number[] = [];
  collections = 0;
  total = 30e6;
  inUse = 0;
  everAllocated = 0;
  buffers = 2e6;
  readonly factors: number[] = [];

  size(): number {
    return this.total;
  }

  used(): number {
    return this.inUse;
  }

  allocated(): number {
    return this.everAllocated;
  }

  allocate(bytes: number): void {
    this.inUse += bytes;
    this.everAllocated += bytes;
  }

  outside(): number {
    return this.buffers;
  }

  setGrowthOutside(factor: number): void {
    this.factors.push(factor);
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
  const is = async (total: number, inUse: number): Promise<void> => {
    heap.total = total;
    heap.allocate(inUse - heap.inUse);
    await clock.advance(10_000);
  };
  await is(200e6, 180e6);
  assert.deepEqual(heap.growths, [200, 30], 'what has come since the last look may be garbage');
  await is(70e6, 60e6);
  assert.deepEqual(heap.growths, [200, 30, 80], 'to 110 MB in all');
  await is(40e6, 20e6);
  assert.deepEqual(heap.growths, [200, 30, 80, 200], 'to three times at most');
  await is(30e6, 20e6);
  assert.deepEqual(heap.growths, [200, 30, 80, 200, 0]);
  await is(38e6, 30e6);
  assert.deepEqual(heap.growths, [200, 30, 80, 200, 0]);
  bound[Symbol.dispose]();
  await is(200e6, 180e6);
  assert.deepEqual(heap.growths, [200, 30, 80, 200, 0]);
});

test('what is garbage by the next look is not counted as in use', async () => {
  const clock = new ManualClock();
  const heap = new TestHeap();
  using bound = boundHeapGrowth(clock, heap);
  assert.ok(bound);
  heap.total = 90e6;
  for (const used of [40e6, 75e6, 80e6]) {
    heap.inUse = used;
    heap.everAllocated += 40e6;
    await clock.advance(1000);
  }
  assert.deepEqual(heap.growths, [180, 50]);
});

test('what is outside the heap may grow to three times of it, and by some dozen megabytes', async () => {
  const clock = new ManualClock();
  const heap = new TestHeap();
  using bound = boundHeapGrowth(clock, heap);
  assert.ok(bound);
  for (const megabytes of [2, 18, 36, 37, 120, 600, 2]) {
    heap.buffers = megabytes * 1e6;
    await clock.advance(2000);
  }
  assert.deepEqual(heap.factors, [3, 2, 1.3, 1.1, 3]);
});

test('what a burst of work has left is collected once, when it is over', async () => {
  const clock = new ManualClock();
  const heap = new TestHeap();
  using bound = boundHeapGrowth(clock, heap);
  assert.ok(bound);
  const grow = async (bytes: number, times: number): Promise<void> => {
    for (let second = 0; second < 2 * times; second++) {
      heap.allocate(bytes / 2);
      await clock.advance(1000);
    }
  };
  await grow(10e6, 4);
  assert.equal(heap.collections, 0, 'not while it works');
  await clock.advance(2000);
  assert.deepEqual([heap.collections, heap.inUse], [1, 20e6], 'within two seconds after the start');
  await grow(0, 5);
  assert.equal(heap.collections, 1);
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

test('while it works nothing is given back, though V8 has just collected as much as was allocated', async () => {
  const clock = new ManualClock();
  const heap = new TestHeap();
  using bound = boundHeapGrowth(clock, heap);
  assert.ok(bound);
  heap.allocate(20e6);
  await clock.advance(1000);
  for (let second = 0; second < 60; second++) {
    heap.allocate(40e6);
    heap.inUse -= 39.5e6;
    await clock.advance(1000);
  }
  assert.equal(heap.collections, 0);
  await clock.advance(4000);
  assert.equal(heap.collections, 1);
});

function collectAll(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

test('V8 itself collects what has been let go', { timeout: 20_000 }, async () => {
  const used = (): number => getHeapStatistics().used_heap_size;
  const clock = new ManualClock();
  let kept = Array.from({ length: 300_000 }, (_, i) => ({ name: `object ${i}`, numbers: [i] }));
  using bound = boundHeapGrowth(clock);
  assert.ok(bound);
  await clock.advance(1000);
  // What V8 has begun to mark by now it takes for alive, though it is let go before the end: that is over.
  collectAll();
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

test(
  'V8 collects buffers that have been let go, as much as there may be of them',
  { timeout: 20_000 },
  async () => {
    const clock = new ManualClock();
    using bound = boundHeapGrowth(clock);
    assert.ok(bound);
    await clock.advance(2000);
    let most = 0;
    for (let i = 0; i < 2000; i++) {
      Buffer.alloc(1_000_000);
      most = Math.max(most, getHeapStatistics().external_memory);
      if (i % 20 === 0) await setImmediate();
    }
    assert.ok(most < 400e6, `${most} bytes were outside the heap at once`);
  },
);
