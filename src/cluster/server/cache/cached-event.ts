/** A change to an object in the cache, as watchers are told of it. */
import type { WatchEvent } from '../../store/store.ts';
import { CachedObject } from './cached-object.ts';

/** What an event takes beside its bytes. */
const EVENT_BYTES = 300;

export interface FrameEncoder {
  readonly form: string;
  frame(type: string, object: CachedObject): Uint8Array;
}

interface Frame {
  readonly type: string;
  readonly form: string;
  readonly bytes: Uint8Array;
}

const NO_FRAMES: readonly Frame[] = [];

/** A change, shared by all watchers: each frame is encoded once per event type and form. */
export class CachedEvent {
  readonly revision: number;
  /** The new state; of a delete the last state, with the delete's revision. */
  readonly current: CachedObject;
  readonly previous: CachedObject | undefined;
  readonly deleted: boolean;
  /** Few: watchers mostly want the same. */
  #frames: readonly Frame[] = NO_FRAMES;

  constructor(current: CachedObject, previous: CachedObject | undefined, deleted: boolean) {
    this.revision = current.revision;
    this.current = current;
    this.previous = previous;
    this.deleted = deleted;
  }

  /** What the window's events hold that nothing else does. */
  get weight(): number {
    return EVENT_BYTES + (this.previous?.length ?? 0);
  }

  /** An object that leaves a selector is shown in its last matching state, at the revision at which it left. */
  shownAs(type: string): CachedObject {
    const left = type === 'DELETED' && !this.deleted && this.previous !== undefined;
    return left ? new CachedObject(this.current.key, this.previous.stored, this.revision) : this.current;
  }

  /** Watchers that come later encode it anew. */
  forgetFrames(): void {
    this.#frames = NO_FRAMES;
  }

  /** The frame in the encoding that `encoder.form` names, made when no watcher has needed it yet. */
  frame(type: string, encoder: FrameEncoder): Uint8Array {
    const { form } = encoder;
    for (const made of this.#frames) if (made.type === type && made.form === form) return made.bytes;
    const bytes = encoder.frame(type, this.shownAs(type));
    this.#frames = [...this.#frames, { type, form, bytes }];
    return bytes;
  }
}

/** A change as the store's history tells it. */
export function pastEvent({ type, kv, previous }: WatchEvent): CachedEvent {
  const before = previous && new CachedObject(previous.key, previous.value, previous.modRevision);
  const bytes = type === 'delete' ? (before?.stored ?? kv.value) : kv.value;
  return new CachedEvent(new CachedObject(kv.key, bytes, kv.modRevision), before, type === 'delete');
}
