/** Owners known to be gone, the latest `LIMIT` of them: a uid never comes back, so a hundred dependents ask but once. */
const LIMIT = 500;

export class AbsentOwners {
  readonly #known = new Set<string>();

  /** `place` is part of it: the same uid under another name or kind is a reference that was never right. */
  add(place: string, uid: string): void {
    const id = `${place} ${uid}`;
    this.#known.delete(id);
    this.#known.add(id);
    if (this.#known.size <= LIMIT) return;
    const [oldest] = this.#known;
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  has(place: string, uid: string): boolean {
    return this.#known.has(`${place} ${uid}`);
  }
}
