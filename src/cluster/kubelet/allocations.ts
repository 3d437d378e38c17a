/** What this node has granted each of its pods; outlives the kubelet where it is no longer what its containers were made with. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../api/generated/core-v1.ts';
import { newest, type ObservedPod } from './observed.ts';
import { podUid } from './pod-terms.ts';
import { allocationOf, withAllocation, type Allocation } from './resize.ts';

const FILE = 'allocation.json';

export class Allocations {
  readonly #podsDir: string;
  readonly #granted = new Map<string, Allocation>();

  constructor(podsDir: string) {
    this.#podsDir = podsDir;
  }

  /** The pod as it was granted; as its spec has it when that is not known. */
  granted(pod: Pod): Pod {
    const allocation = this.#granted.get(podUid(pod));
    return allocation === undefined ? pod : withAllocation(pod, allocation);
  }

  /** The same, of a pod that may be new to this process: what its spec says is granted unless something else was before. */
  async admit(pod: Pod, observed: ObservedPod): Promise<Pod> {
    const uid = podUid(pod);
    if (!this.#granted.has(uid)) this.#granted.set(uid, await this.#earlier(pod, observed));
    return this.granted(pod);
  }

  /** Grants what the spec says: at once for all who ask, and on disk when it resolves. */
  async grant(pod: Pod): Promise<void> {
    const uid = podUid(pod);
    const before = this.#granted.get(uid);
    const allocation = allocationOf(pod);
    this.#granted.set(uid, allocation);
    try {
      const folder = join(this.#podsDir, uid);
      const path = join(folder, FILE);
      await mkdir(folder, { recursive: true, mode: 0o750 });
      await writeFile(`${path}.new`, JSON.stringify(allocation), { mode: 0o600, flush: true });
      await rename(`${path}.new`, path);
    } catch (error) {
      if (before === undefined) this.#granted.delete(uid);
      else this.#granted.set(uid, before);
      throw error;
    }
  }

  forget(uid: string): void {
    this.#granted.delete(uid);
  }

  async #earlier(pod: Pod, observed: ObservedPod): Promise<Allocation> {
    try {
      return JSON.parse(await readFile(join(this.#podsDir, podUid(pod), FILE), 'utf8')) as Allocation;
    } catch {
      // Never resized: its containers still say what they were made with.
      const own = allocationOf(pod);
      return Object.fromEntries(
        Object.entries(own).map(([name, resources]) => [name, newest(observed, name)?.madeWith ?? resources]),
      );
    }
  }
}
