/** A configuration that follows its file: what a new version makes takes the place of what the old one made. */
import type { Clock } from '../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { FileAccess } from './file-access.ts';

/** A change that nobody has told of is seen after this long. */
const LOOK_AGAIN_MS = 60_000;

export interface FollowOptions<T extends Disposable> {
  readonly path: string;
  readonly files: FileAccess;
  readonly clock: Clock;
  readonly log: Logger;
  /** Throws when the content is no good. */
  readonly load: (content: Uint8Array) => Promise<T>;
  /** After each try to take over a change. */
  readonly reloaded?: (succeeded: boolean) => void;
}

export interface Followed<T> extends AsyncDisposable {
  /** What the newest good version has made. */
  readonly current: T;
}

/** Throws `invalid` when the file cannot be used as it is at the start; later the last good version stays. */
export async function followFile<T extends Disposable>(options: FollowOptions<T>): Promise<Followed<T>> {
  const { path, files } = options;
  try {
    const content = await files.read(path);
    return new FollowedFile(options, content, await options.load(content));
  } catch (error) {
    throw new PlatformError('invalid', `${path}: ${errorMessage(error)}`, { cause: error });
  }
}

class FollowedFile<T extends Disposable> implements Followed<T> {
  readonly #options: FollowOptions<T>;
  readonly #watch: Disposable;
  #content: Uint8Array;
  #current: T;
  #timer: Disposable | undefined;
  #reading: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(options: FollowOptions<T>, content: Uint8Array, first: T) {
    this.#options = options;
    this.#content = content;
    this.#current = first;
    this.#watch = options.files.watch(options.path, () => this.#look());
    this.#wait();
  }

  get current(): T {
    return this.#current;
  }

  #wait(): void {
    this.#timer = this.#options.clock.after(LOOK_AGAIN_MS, () => {
      this.#look();
      this.#wait();
    });
  }

  /** One look at a time; a change during one is looked at after it. */
  #look(): void {
    this.#again = true;
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
  }

  async #read(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      await this.#takeOver();
    }
  }

  async #takeOver(): Promise<void> {
    const { path, files, load, log, reloaded } = this.#options;
    try {
      const content = await files.read(path);
      if (Buffer.compare(content, this.#content) === 0) return;
      // Bad content is complained about once.
      this.#content = content;
      const next = await load(content);
      const previous = this.#current;
      this.#current = next;
      previous[Symbol.dispose]();
      log.info('configuration loaded anew', { path });
      reloaded?.(true);
    } catch (error) {
      log.error('configuration not loaded: what was there stays', { path, error: errorMessage(error) });
      reloaded?.(false);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#watch[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
    await this.#reading;
    this.#current[Symbol.dispose]();
  }
}
