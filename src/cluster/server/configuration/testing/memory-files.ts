/** Files that are in memory, for tests: writing one tells who watches it. */
import type { FileAccess } from '../file-access.ts';

export class MemoryFiles implements FileAccess {
  readonly #files = new Map<string, Uint8Array>();
  readonly #watchers = new Map<string, Set<() => void>>();

  write(path: string, content: string | Uint8Array): void {
    this.#files.set(path, Buffer.from(content));
    for (const changed of this.#watchers.get(path) ?? []) changed();
  }

  read(path: string): Promise<Uint8Array> {
    const found = this.#files.get(path);
    return found === undefined
      ? Promise.reject(new Error(`ENOENT: no such file or directory, open '${path}'`))
      : Promise.resolve(found);
  }

  watch(path: string, changed: () => void): Disposable {
    const watchers = this.#watchers.get(path) ?? new Set();
    this.#watchers.set(path, watchers.add(changed));
    return { [Symbol.dispose]: () => void watchers.delete(changed) };
  }
}
