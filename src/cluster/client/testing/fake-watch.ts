import { PlatformError } from '../../../base/errors.ts';
import { frozen } from '../../api/json.ts';
import { tell, type ToldEvent } from '../../api/told-events.ts';
import type { ApiRequest, ApiResponse } from '../../api/transport.ts';
import { tableOf, type FakeAddress, type FakeChange, type FakeObjects } from './fake-objects.ts';
import type { JsonObject } from './fake-patch.ts';
import { metadataOf } from './fake-objects.ts';
import type { Match } from './fake-selectors.ts';

/** The watch streams of the fake API. */
export class FakeWatches {
  readonly #objects: FakeObjects;
  readonly #open = new Set<{ readonly end: () => void; readonly bookmark: () => void }>();

  constructor(objects: FakeObjects) {
    this.#objects = objects;
  }

  get open(): number {
    return this.#open.size;
  }

  drop(): void {
    for (const watch of this.#open) watch.end();
  }

  bookmark(): void {
    for (const watch of this.#open) watch.bookmark();
  }

  start(at: FakeAddress, match: Match, query: URLSearchParams, { headers, signal }: ApiRequest): ApiResponse {
    const version = query.get('resourceVersion') ?? '';
    const after = Number(version);
    const live = version === '' || after === 0;
    if (!live && after < this.#objects.oldest) {
      throw new PlatformError('expired', `too old resource version: ${version} (${this.#objects.oldest})`);
    }
    const stream = new ByteStream(signal);
    const ofMetadata = headers['accept']?.includes('PartialObjectMetadata') === true;
    const send = (type: string, object: JsonObject): void => {
      const text = JSON.stringify({ type, object });
      const chunk = Buffer.from(`${text}\n`);
      // As the server in this process does, of whole objects; who changes what is told fails its test.
      if (object['kind'] !== undefined && !ofMetadata) tell(chunk, [frozen(JSON.parse(text) as ToldEvent)]);
      stream.push(chunk);
    };
    const deliver = (change: FakeChange): void => {
      if (change.resource !== tableOf(at)) return;
      if (at.namespace !== undefined && metadataOf(change.object)['namespace'] !== at.namespace) return;
      const type = typeFor(change, match);
      if (type !== undefined) send(type, change.object);
    };
    if (live) for (const object of this.#objects.list(at).filter(match)) send('ADDED', object);
    else for (const change of this.#objects.history) if (change.revision > after) deliver(change);
    const listening = this.#objects.onChange(deliver);
    const watch = {
      end: () => stream.end(),
      bookmark: () => {
        if (query.get('allowWatchBookmarks') !== 'true') return;
        send('BOOKMARK', { metadata: { resourceVersion: `${this.#objects.revision}` } });
      },
    };
    this.#open.add(watch);
    stream.onEnd = () => {
      listening[Symbol.dispose]();
      this.#open.delete(watch);
    };
    if (signal?.aborted) stream.end();
    return { status: 200, headers: { 'content-type': 'application/json' }, body: stream };
  }
}

/** What a watcher with this selector sees of a change: objects may enter and leave its selection. */
function typeFor(change: FakeChange, match: Match): FakeChange['type'] | undefined {
  const was = change.previous !== undefined && match(change.previous);
  const is = change.type !== 'DELETED' && match(change.object);
  if (is) return was ? 'MODIFIED' : 'ADDED';
  return was ? 'DELETED' : undefined;
}

class ByteStream implements AsyncIterable<Uint8Array> {
  onEnd: (() => void) | undefined;
  readonly #chunks: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(signal: AbortSignal | undefined) {
    signal?.addEventListener('abort', () => this.end(), { once: true });
  }

  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.#wake?.();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wake?.();
    this.onEnd?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) yield chunk;
        else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.end();
    }
  }
}
