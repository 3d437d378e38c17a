/** What the objects of a namespace take of one quota, kept as a sum: a change costs what has changed. */
import type { JsonObject } from '../api/json.ts';
import { formatQuantity, type Quantity } from '../api/quantity.ts';
import { quantities, type Amounts } from '../api/quota/pod-amounts.ts';
import { inScope, mayUse, usageOf, type GroupResource } from '../api/quota/usage.ts';
import { getPath } from '../api/json.ts';

const NOTHING: Amounts = new Map();

export class QuotaLedger {
  readonly #quota: JsonObject;
  readonly #names: ReadonlySet<string>;
  /** What each object takes, of what the quota limits; objects that take nothing are not here. */
  readonly #entries = new Map<string, Amounts>();
  readonly #totals = new Map<string, Quantity>();
  /** What objects have given back since `settled` was last called, in billionths. */
  #released = new Map<string, bigint>();

  constructor(quota: JsonObject) {
    this.#quota = quota;
    this.#names = new Set(quantities(getPath(quota, 'spec', 'hard')).keys());
  }

  /** Names that the quota limits. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  concerns(type: GroupResource): boolean {
    return mayUse(type, this.#names);
  }

  /** The object as it is now, or `undefined` when it is gone; true when the sum is another. */
  put(
    id: string,
    { type, object, now }: { type: GroupResource; object: JsonObject | undefined; now: number },
  ): boolean {
    const before = this.#entries.get(id) ?? NOTHING;
    const after = object === undefined ? NOTHING : this.#amounts(type, object, now);
    if (after.size === 0) this.#entries.delete(id);
    else this.#entries.set(id, after);
    let changed = false;
    for (const name of new Set([...before.keys(), ...after.keys()])) {
      const grown = (after.get(name)?.nano ?? 0n) - (before.get(name)?.nano ?? 0n);
      if (grown === 0n) continue;
      changed = true;
      const { format } = after.get(name) ?? before.get(name)!;
      const total = this.#totals.get(name)?.nano ?? 0n;
      this.#totals.set(name, { nano: total + grown, format: this.#totals.get(name)?.format ?? format });
      if (grown < 0n) this.#released.set(name, (this.#released.get(name) ?? 0n) - grown);
    }
    return changed;
  }

  total(name: string): Quantity {
    return this.#totals.get(name) ?? { nano: 0n, format: 'decimal' };
  }

  released(): ReadonlyMap<string, bigint> {
    return new Map(this.#released);
  }

  /** What was given back, up to this, has been written down. */
  settled(written: ReadonlyMap<string, bigint>): void {
    for (const [name, nano] of written) {
      const left = (this.#released.get(name) ?? 0n) - nano;
      if (left > 0n) this.#released.set(name, left);
      else this.#released.delete(name);
    }
  }

  #amounts(type: GroupResource, object: JsonObject, now: number): Amounts {
    if (!this.concerns(type) || !inScope(type, object, this.#quota)) return NOTHING;
    const all = usageOf(type, object, now);
    return new Map([...all].filter(([name]) => this.#names.has(name)));
  }
}

export interface QuotaStatusInput {
  /** What `status.used` says. */
  readonly said: Amounts;
  readonly ledger: QuotaLedger;
  /** Names that the ledger can tell nothing of yet: what was said of them stays. */
  readonly unknown: (name: string) => boolean;
  /** The status has not been written for so long that no write which it accounts for can still be under way. */
  readonly quiet: boolean;
}

/**
 * What `status.used` should say.
 *
 * Admission adds what a write takes before it is written, so for a moment more may be said than is there to be seen;
 * taking that back would let others have it as well. What objects have given back, on the other hand, was accounted for.
 */
export function plannedUsage({
  said,
  ledger,
  unknown,
  quiet,
}: QuotaStatusInput): ReadonlyMap<string, Quantity> {
  const planned = new Map<string, Quantity>();
  const released = ledger.released();
  for (const name of ledger.names) {
    const before = said.get(name);
    if (unknown(name)) {
      if (before !== undefined) planned.set(name, before);
      continue;
    }
    const counted = ledger.total(name);
    if (before === undefined || quiet || counted.nano >= before.nano) {
      planned.set(name, counted);
      continue;
    }
    const left = before.nano - (released.get(name) ?? 0n);
    planned.set(name, left > counted.nano ? { ...before, nano: left } : counted);
  }
  return planned;
}

export function quantityTexts(amounts: Amounts): Record<string, string> {
  return Object.fromEntries([...amounts].map(([name, amount]) => [name, formatQuantity(amount)]));
}

/** The same names with the same amounts, however they are written. */
export function sameAmounts(a: Amounts, b: Amounts): boolean {
  return a.size === b.size && [...a].every(([name, { nano }]) => b.get(name)?.nano === nano);
}
