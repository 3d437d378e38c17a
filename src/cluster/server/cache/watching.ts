/** Watches: a stream of frames per watcher, fed synchronously by the cache. */
import type { Clock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { Turns } from '../../../base/turns.ts';
import { Slice, yieldToLoop } from '../../../base/yield-to-loop.ts';
import { statusOf } from '../../api/status.ts';
import { prefixEnd, type Store, type WatchEvent } from '../../store/store.ts';
import { pastEvent, type CachedEvent } from './cached-event.ts';
import { joined, ShownFrames } from './chunks.ts';
import { expired, tooOldToWatch } from '../failure.ts';
import { isExpired } from '../writes/registry.ts';
import type { WideViews } from '../offload/wide.ts';
import type { ConvertingProgram, Resource } from '../resource.ts';
import type { Selection } from './selection.ts';
import type { Unstored, View } from '../encoding/view.ts';
import type { CachedObject, ResourceCache, WatchCache } from './watch-cache.ts';

/** Frames that a watcher may be behind before it is cut off and has to come back. */
const MAX_BEHIND = 10_000;
const BOOKMARK_MS = 60_000;
/** Before a watch ends by itself, its client gets the newest version to come back with. */
const LAST_BOOKMARK_MS = 2000;
/** What is encoded of the present state in one go. */
const INITIAL_BYTES = 128 * 1024;
/** What is written of what has come up in one go. */
const TAKEN_BYTES = 128 * 1024;
/** More of the past is delivered in slices. */
const MAX_AT_ONCE = 64;
/** So much of the past may wait to be taken: the rest is not made before. */
const AHEAD_BYTES = 1024 * 1024;

/** Changes that another program is asked about at once. */
const CONVERTED = 500;

/** A frame for each object, undefined for those that are not selected, and what has to be waited for first. */
type Initial = Generator<Uint8Array | Promise<Uint8Array | undefined> | undefined>;

export interface WatchRequest {
  readonly resource: Resource;
  readonly selection: Selection;
  readonly view: View;
  /** Absent: all are shown here. */
  readonly wide?: WideViews | undefined;
  /** Undefined: the present state first, as ADDED events. A number: what came after it. */
  readonly after: number | undefined;
  readonly bookmarks: boolean;
  /** Sends a bookmark that marks the end of the present state. */
  readonly markInitial: boolean;
  readonly timeoutMs: number;
  /** Who reads it is in this process, and is told what it says (told-events.ts). */
  readonly isLocal?: boolean;
  /** The client has gone, or the server stops. */
  readonly signal: AbortSignal;
}

export interface WatchSources {
  readonly cache: WatchCache;
  readonly store: Store;
  readonly clock: Clock;
}

/** The frames of one watch; ends after its time, when its signal aborts or when it falls too far behind. */
export function watchObjects(request: WatchRequest, about: WatchSources): AsyncIterable<Uint8Array> {
  return new WatchStream(request, about);
}

/** All watchers of one server take turns: what happens is written for thousands of them without anyone having to wait. */
const turns = new WeakMap<WatchCache, Turns>();

function turnsOf(cache: WatchCache, clock: Clock): Turns {
  let found = turns.get(cache);
  if (found === undefined) turns.set(cache, (found = new Turns(clock)));
  return found;
}

class WatchStream implements AsyncIterableIterator<Uint8Array> {
  readonly #request: WatchRequest;
  readonly #cache: WatchCache;
  readonly #resources = new DisposableStack();
  readonly #clock: Clock;
  readonly #slice: Slice;
  readonly #store: Store;
  #queue: Uint8Array[] = [];
  /** What frames of the queue show, where that may be told. */
  readonly #shown: ShownFrames | undefined;
  #queuedBytes = 0;
  /** Resolves when there is room for more of the past, or no need. */
  #room: PromiseWithResolvers<void> | undefined;
  /** Who reads has asked for more than there was. */
  #waiting: ((result: IteratorResult<Uint8Array>) => void) | undefined;
  /** It waits for its turn to be answered. */
  #called = false;
  readonly #turns: Turns;
  #ended = false;
  #initial: Initial | undefined;
  #begun = false;

  /** What happens while what comes before it is being read. */
  #held: CachedEvent[] | undefined;

  constructor(request: WatchRequest, about: WatchSources) {
    this.#request = request;
    this.#cache = about.cache;
    this.#clock = about.clock;
    this.#slice = new Slice(about.clock);
    this.#store = about.store;
    this.#turns = turnsOf(about.cache, about.clock);
    const { isLocal = false, view, resource } = request;
    if (isLocal && view.verbatim && resource.conversion === undefined) this.#shown = new ShownFrames();
    this.#start();
  }

  #start(): void {
    const { resource, after, signal, timeoutMs, bookmarks } = this.#request;
    const held = this.#cache.resource(resource.prefix);
    if (after === undefined) this.#present(held);
    else {
      const past = held.since(after);
      if (past === undefined || past.length > MAX_AT_ONCE) {
        this.#held = [];
        const reading =
          past === undefined ? this.#readPast(after, this.#cache.revision) : this.#deliverPast(past);
        reading.catch((error: unknown) => this.#fail(error));
      } else for (const event of past) this.#deliver(event);
    }
    if (signal.aborted) return this.#end();
    const end = (): void => this.#end();
    const isLocal = this.#shown !== undefined;
    this.#resources.use(held.subscribe((event) => this.#happened(event), { isLocal }));
    this.#resources.use(this.#clock.after(timeoutMs, end));
    signal.addEventListener('abort', end, { once: true });
    this.#resources.defer(() => signal.removeEventListener('abort', end));
    if (bookmarks) this.#scheduleBookmark();
  }

  /** The present state as ADDED events, made when they are taken, and with `markInitial` the bookmark at its end. */
  #present(held: ResourceCache): void {
    const { selection, view, markInitial } = this.#request;
    // Until all of it has been looked at, nobody knows whether it tells a table's columns.
    if (view.later !== undefined) this.#held = [];
    // What happens from now on comes after all this.
    this.#initial = this.#framesOf(
      held.list(selection.prefix),
      markInitial ? this.#bookmarkOf(true) : undefined,
    );
  }

  *#framesOf(present: readonly CachedObject[], end: Unstored | undefined): Initial {
    const { selection, wide, resource } = this.#request;
    const program = resource.conversion?.program;
    let seen = present;
    for (const [i, stored] of present.entries()) {
      let object = stored;
      if (program !== undefined) {
        if (i % CONVERTED === 0)
          yield program.shown(present.slice(i, i + CONVERTED)).then((shown) => {
            seen = shown;
            return undefined;
          });
        object = seen[i % CONVERTED]!;
      }
      const isShown = selection.matches(object, true);
      const later = this.#begun;
      if (!isShown) yield undefined;
      else if (wide?.takes(object) !== true) yield this.#nextView().frame('ADDED', object);
      else {
        this.#nextView();
        yield wide.show(object, { form: 'frame', type: 'ADDED', later });
      }
    }
    if (end !== undefined) yield this.#nextView().frameOf('BOOKMARK', end);
  }

  /** A table says its columns once, in whatever comes first. */
  #nextView(): View {
    const { view } = this.#request;
    const next = this.#begun ? (view.later ?? view) : view;
    this.#begun = true;
    return next;
  }

  #happened(event: CachedEvent): void {
    if (this.#held === undefined) return this.#deliver(event);
    this.#held.push(event);
    // Then it is the client who does not take what comes before.
    const isAhead = this.#initial !== undefined || this.#room !== undefined;
    if (isAhead && this.#held.length > MAX_BEHIND) this.#cutOff();
  }

  /** What the window no longer has, or never had because the server was not there: from the store's history. */
  async #readPast(after: number, through: number): Promise<void> {
    const { selection, signal } = this.#request;
    const done = Promise.withResolvers<void>();
    const reading = new AbortController();
    const stop = AbortSignal.any([signal, reading.signal]);
    const onLost = (error: PlatformError): void => done.reject(error);
    // It may reject before anybody waits for it.
    done.promise.catch(() => {});
    const range = { start: selection.prefix, end: prefixEnd(selection.prefix), afterRevision: after, onLost };
    // They come in large batches: they are looked at afterwards, in slices.
    const found: WatchEvent[] = [];
    const past = await this.#store.watch({ ...range, signal: stop }, ({ revision, events }) => {
      for (const event of events) if (event.kv.modRevision <= through) found.push(event);
      if (revision >= through) done.resolve();
    });
    signal.addEventListener('abort', () => done.resolve(), { once: true, signal: reading.signal });
    await done.promise;
    reading.abort();
    await past[Symbol.asyncDispose]();
    await this.#deliverPast(found.values().map(pastEvent));
  }

  /** Then what has been held back meanwhile. */
  async #deliverPast(past: Iterable<CachedEvent>): Promise<void> {
    for (let events = past; ; events = this.#held, this.#held = []) {
      for (const event of events) {
        if (this.#slice.over) await this.#slice.next();
        const room = this.#roomForPast();
        if (room !== undefined) await room;
        if (this.#ended) return;
        this.#deliver(event);
      }
      await this.#converting;
      if (this.#held === undefined || this.#held.length === 0) break;
    }
    this.#held = undefined;
  }

  /** Undefined when there is room, and when it is not the past that is being delivered. */
  #roomForPast(): Promise<void> | undefined {
    if (this.#held === undefined || this.#ended || this.#queuedBytes <= AHEAD_BYTES) return undefined;
    return (this.#room ??= Promise.withResolvers()).promise;
  }

  #noNeedOfRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  #fail(error: unknown): void {
    const { after } = this.#request;
    const old = isExpired(error) ? tooOldToWatch(after ?? 0, Number(compactedOf(error))) : error;
    this.#push(this.#request.view.frameOf('ERROR', { ...statusOf(old), kind: 'Status', apiVersion: 'v1' }));
    this.#end();
  }

  #scheduleBookmark(): void {
    let timer: Disposable;
    const again = (): void => {
      // Upstream sends one a minute whether or not something has happened.
      if (this.#held === undefined) this.#bookmark();
      timer = this.#clock.after(BOOKMARK_MS, again);
    };
    timer = this.#clock.after(BOOKMARK_MS, again);
    this.#resources.defer(() => timer[Symbol.dispose]());
    const last = this.#request.timeoutMs - LAST_BOOKMARK_MS;
    if (last <= 0) return;
    this.#resources.use(
      this.#clock.after(last, () => {
        if (this.#held === undefined) this.#bookmark();
      }),
    );
  }

  #bookmark(): void {
    // Only in a moment will have been delivered what it would speak of, and another comes.
    if (this.#cache.isCut) return;
    const bookmark = this.#bookmarkOf(false);
    const push = (): void => this.#push(this.#nextView().frameOf('BOOKMARK', bookmark));
    this.#unconverted = undefined;
    if (this.#converting === undefined) push();
    else this.#afterwards(push);
  }

  #bookmarkOf(endOfInitial: boolean): Unstored {
    const { kind, apiVersion } = this.#request.resource;
    const annotations = endOfInitial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
    return { kind, apiVersion, metadata: { resourceVersion: String(this.#cache.revision), ...annotations } };
  }

  /** Events in the order in which they happened, when some have to be waited for. */
  #converting: Promise<void> | undefined;

  #deliver(event: CachedEvent): void {
    const { resource, wide, selection } = this.#request;
    const program = resource.conversion?.program;
    if (program === undefined) {
      if (wide?.takes(event.current) === true) this.#afterwards(() => this.#show(event, wide));
      else if (this.#converting !== undefined) this.#afterwards(() => this.#show(event));
      else void this.#show(event);
    } else if (selection.looksInside || selection.matches(event.current, true)) {
      if (this.#unconverted === undefined || this.#unconverted.length === CONVERTED) {
        const events: CachedEvent[] = (this.#unconverted = []);
        this.#afterwards(() => this.#showConverted(events, program));
      }
      this.#unconverted.push(event);
    }
  }

  /** What waits its turn to be converted: as long as it does, what happens next is converted with it. */
  #unconverted: CachedEvent[] | undefined;

  async #showConverted(events: readonly CachedEvent[], program: ConvertingProgram): Promise<void> {
    if (this.#unconverted === events) this.#unconverted = undefined;
    const { wide } = this.#request;
    const slice = new Slice(this.#clock);
    for (const event of await program.shownEvents(events)) {
      if (slice.over) await slice.next();
      if (this.#ended) return;
      await this.#show(event, wide?.takes(event.current) === true ? wide : undefined);
    }
  }

  #afterwards(step: () => void | Promise<void> | undefined): void {
    const next = this.#inOrder(this.#converting, step);
    this.#converting = next;
    void next.finally(() => {
      if (this.#converting === next) this.#converting = undefined;
    });
  }

  async #inOrder(
    previous: Promise<void> | undefined,
    step: () => void | Promise<void> | undefined,
  ): Promise<void> {
    await previous;
    // What waited for a wide object may be thousands of small ones.
    await this.#slice.pause();
    await this.#roomForPast();
    if (this.#ended) return;
    try {
      await step();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Undefined when it is done. */
  #show(event: CachedEvent, wide?: WideViews): Promise<void> | undefined {
    const { selection } = this.#request;
    const { previous, current, deleted } = event;
    // Nobody else is told of the past.
    const passing = this.#held !== undefined;
    const before = previous !== undefined && selection.matches(previous, passing);
    const after = !deleted && selection.matches(current, passing);
    if (!before && !after) return undefined;
    const type = after ? (before ? 'MODIFIED' : 'ADDED') : 'DELETED';
    const later = this.#begun;
    const view = this.#nextView();
    const frame = wide?.show(event.shownAs(type), { form: 'frame', type, later });
    if (frame !== undefined) return frame.then((made) => this.#push(made));
    const made = event.frame(type, view);
    this.#shown?.add(made, { type, cached: event.shownAs(type) });
    this.#push(made);
    return undefined;
  }

  #push(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#enqueue(frame);
    if (!this.#started || this.#held !== undefined) this.#owed++;
    if (this.#queue.length - this.#owed > MAX_BEHIND && this.#waiting === undefined) this.#cutOff();
    else this.#call();
  }

  #enqueue(frame: Uint8Array): void {
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
  }

  #cutOff(): void {
    const slow = { ...statusOf(expired('the watcher is too slow')), kind: 'Status', apiVersion: 'v1' };
    this.#enqueue(this.#request.view.frameOf('ERROR', slow));
    if (this.#held !== undefined) this.#held = [];
    this.#end();
  }

  /** What comes until its turn is written with it. */
  #call(): void {
    if (this.#called || this.#waiting === undefined) return;
    this.#called = true;
    this.#turns.add(this.#turn);
  }

  readonly #turn = (): void => {
    this.#called = false;
    this.#answer();
  };

  /** Whoever waits, with what there is. */
  #answer(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(this.#queued() ?? { done: true, value: undefined });
  }

  #started = false;
  /** Frames of the queue that do not count as being behind: there may be as much of the past as there is. */
  #owed = 0;
  /** What was taken last was not all that there was. */
  #isMore = false;

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#resources.dispose();
    this.#noNeedOfRoom();
    this.#answer();
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    this.#started = true;
    if (this.#initial !== undefined) return this.#first(this.#initial);
    if (this.#isMore) return this.#more();
    const result = this.#queued();
    if (result !== undefined) return Promise.resolve(result);
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  /** The next of what was too much for one go, when others have had a turn. */
  async #more(): Promise<IteratorResult<Uint8Array>> {
    this.#isMore = false;
    await yieldToLoop();
    return await this.next();
  }

  /** What is to be written next; undefined when there is nothing yet. */
  #queued(): IteratorResult<Uint8Array> | undefined {
    if (this.#queue.length > 0) return { done: false, value: this.#taken() };
    return this.#ended ? { done: true, value: undefined } : undefined;
  }

  /** There is something. */
  #taken(): Uint8Array {
    let [count, size] = [0, 0];
    for (; count < this.#queue.length && size < TAKEN_BYTES; count++) size += this.#queue[count]!.length;
    this.#queuedBytes -= size;
    if (this.#queuedBytes <= AHEAD_BYTES) this.#noNeedOfRoom();
    const frames = this.#queue.splice(0, count);
    this.#owed = Math.max(0, this.#owed - count);
    this.#isMore = this.#queue.length > 0;
    const chunk = frames.length === 1 ? frames[0]! : joined(frames);
    this.#shown?.tell(chunk, frames);
    return chunk;
  }

  /** Some of the present state; what has come after it when all of it has been taken. */
  async #first(initial: Initial): Promise<IteratorResult<Uint8Array>> {
    try {
      while (this.#initial !== undefined) {
        const value = await this.#someInitial(initial);
        if (value !== undefined) return { done: false, value };
      }
    } catch (error) {
      this.#initial = undefined;
      this.#fail(error);
    }
    return await this.next();
  }

  /** Undefined when nothing of this slice is shown. */
  async #someInitial(initial: Initial): Promise<Uint8Array | undefined> {
    const frames: Uint8Array[] = [];
    let size = 0;
    // Selectors look into objects: a slice is short even when nothing of it is shown.
    const slice = new Slice(this.#clock);
    await slice.next();
    while (size < INITIAL_BYTES && !slice.over) {
      const { done, value: made } = initial.next();
      if (done === true) {
        this.#initial = undefined;
        if (this.#held !== undefined) this.#deliverPast([]).catch((error: unknown) => this.#fail(error));
        break;
      }
      const value = made instanceof Promise ? await made : made;
      if (value === undefined) continue;
      frames.push(value);
      size += value.length;
    }
    return frames.length === 0 ? undefined : Buffer.concat(frames);
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#queue = [];
    this.#initial = undefined;
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function compactedOf(error: unknown): unknown {
  return error instanceof PlatformError ? error.details['compacted'] : 0;
}
