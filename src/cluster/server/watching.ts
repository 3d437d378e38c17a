/** Watches: a stream of frames per watcher, fed synchronously by the cache. */
import type { Clock } from '../../base/clock.ts';
import { statusOf } from '../api/status.ts';
import { encodeFrame } from './encoding.ts';
import { expired } from './failure.ts';
import type { Resource } from './resource.ts';
import type { Selection } from './selection.ts';
import { toBytes, type View } from './view.ts';
import type { CachedEvent, WatchCache } from './watch-cache.ts';

/** Frames that a watcher may be behind before it is cut off and has to come back. */
const MAX_BEHIND = 10_000;
const BOOKMARK_MS = 60_000;

export interface WatchRequest {
  readonly resource: Resource;
  readonly selection: Selection;
  readonly view: View;
  /** Undefined: the present state first, as ADDED events. A number: what came after it. */
  readonly after: number | undefined;
  readonly bookmarks: boolean;
  /** Sends a bookmark that marks the end of the present state. */
  readonly markInitial: boolean;
  readonly timeoutMs: number;
  /** The client has gone, or the server stops. */
  readonly signal: AbortSignal;
}

/** The frames of one watch; ends after its time, when its signal aborts or when it falls too far behind. */
export function watchObjects(
  request: WatchRequest,
  about: { cache: WatchCache; clock: Clock },
): AsyncIterable<Uint8Array> {
  return new WatchStream(request, about);
}

class WatchStream implements AsyncIterableIterator<Uint8Array> {
  readonly #request: WatchRequest;
  readonly #cache: WatchCache;
  readonly #resources = new DisposableStack();
  readonly #clock: Clock;
  #queue: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #ended = false;
  #bookmarked = 0;

  constructor(request: WatchRequest, about: { cache: WatchCache; clock: Clock }) {
    this.#request = request;
    this.#cache = about.cache;
    this.#clock = about.clock;
    this.#start();
  }

  #start(): void {
    const { resource, selection, view, after, signal, timeoutMs, bookmarks, markInitial } = this.#request;
    const held = this.#cache.resource(resource.prefix);
    try {
      if (after === undefined) {
        for (const object of held.list(selection.prefix)) {
          if (selection.matches(object)) this.#push(encodeFrame('ADDED', view.encode(object)));
        }
        if (markInitial) this.#bookmark(true);
      } else {
        for (const event of held.since(after)) this.#deliver(event);
      }
    } catch (error) {
      this.#push(encodeFrame('ERROR', toBytes(statusOf(error))));
      this.#end();
      return;
    }
    if (signal.aborted) return this.#end();
    const end = (): void => this.#end();
    this.#resources.use(held.subscribe((event) => this.#deliver(event)));
    this.#resources.use(this.#clock.after(timeoutMs, end));
    signal.addEventListener('abort', end, { once: true });
    this.#resources.defer(() => signal.removeEventListener('abort', end));
    if (bookmarks) this.#scheduleBookmark();
  }

  #scheduleBookmark(): void {
    let timer: Disposable;
    const again = (): void => {
      if (this.#cache.revision > this.#bookmarked) this.#bookmark(false);
      timer = this.#clock.after(BOOKMARK_MS, again);
    };
    timer = this.#clock.after(BOOKMARK_MS, again);
    this.#resources.defer(() => timer[Symbol.dispose]());
  }

  #bookmark(endOfInitial: boolean): void {
    const { kind, apiVersion } = this.#request.resource;
    this.#bookmarked = this.#cache.revision;
    const annotations = endOfInitial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
    const metadata = { resourceVersion: String(this.#bookmarked), creationTimestamp: null, ...annotations };
    this.#push(encodeFrame('BOOKMARK', toBytes({ kind, apiVersion, metadata })));
  }

  #deliver(event: CachedEvent): void {
    const { selection, view } = this.#request;
    const { previous, current, deleted } = event;
    const before = previous !== undefined && selection.matches(previous);
    const after = !deleted && selection.matches(current);
    if (!before && !after) return;
    const type = after ? (before ? 'MODIFIED' : 'ADDED') : 'DELETED';
    this.#push(event.frame(type, view.form, view.encode));
  }

  #push(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#queue.push(frame);
    if (this.#queue.length > MAX_BEHIND && this.#wake === undefined && this.#started) {
      this.#queue.push(encodeFrame('ERROR', toBytes(statusOf(expired('the watcher is too slow')))));
      this.#end();
      return;
    }
    this.#wake?.();
  }

  /** The first batch may be as large as the list. */
  #started = false;

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#resources.dispose();
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    this.#started = true;
    for (;;) {
      if (this.#queue.length > 0) {
        const [only, ...more] = this.#queue;
        this.#queue = [];
        return { done: false, value: more.length === 0 ? only! : Buffer.concat([only!, ...more]) };
      }
      if (this.#ended) return { done: true, value: undefined };
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#queue = [];
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
