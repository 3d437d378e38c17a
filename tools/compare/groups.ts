/** Differences by what differs, and below each where it shows. */

export class Groups {
  readonly #places = new Map<string, string[]>();

  add(difference: string, place: string): void {
    this.#places.set(difference, [...(this.#places.get(difference) ?? []), place]);
  }

  get size(): number {
    return this.#places.size;
  }

  /** Statuses first, then what shows most often. */
  print(most: number): void {
    const rank = (difference: string): number => (difference.startsWith('.status:') ? 0 : 1);
    const entries = [...this.#places].toSorted(
      ([one, some], [other, others]) => rank(one) - rank(other) || others.length - some.length,
    );
    for (const [difference, places] of entries.slice(0, most)) {
      process.stdout.write(`${difference}\n    at ${places.slice(0, 4).join('\n       ')}`);
      process.stdout.write(places.length > 4 ? `\n       and ${places.length - 4} more\n\n` : '\n\n');
    }
    if (entries.length > most)
      process.stdout.write(`and ${entries.length - most} more kinds of difference\n\n`);
  }
}
