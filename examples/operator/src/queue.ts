/**
 * Keys that have to be looked at. A key is worked on by one worker at a time; what is added meanwhile is looked at once more
 * afterwards; what fails comes back later and later.
 */
const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 30_000;

export class WorkQueue {
  readonly #work: (key: string) => Promise<void>;
  readonly #onError: (key: string, error: unknown) => void;
  readonly #dirty = new Set<string>();
  readonly #active = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(work: (key: string) => Promise<void>, onError: (key: string, error: unknown) => void) {
    this.#work = work;
    this.#onError = onError;
  }

  add(key: string): void {
    if (this.#stopped) return;
    this.#dirty.add(key);
    if (!this.#active.has(key)) this.#active.set(key, this.#run(key));
  }

  /** Resolves when nothing is being worked on any more; nothing is started after the call. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#active.values());
  }

  async #run(key: string): Promise<void> {
    // Not within `add`: what is active has to be known as such first.
    await Promise.resolve();
    while (this.#dirty.delete(key) && !this.#stopped) {
      try {
        await this.#work(key);
        this.#failures.delete(key);
      } catch (error) {
        this.#onError(key, error);
        this.#addLater(key);
      }
    }
    this.#active.delete(key);
  }

  #addLater(key: string): void {
    if (this.#stopped) return;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        this.add(key);
      },
      Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS),
    );
    this.#timers.add(timer);
  }
}
