import type { Allowance } from './allowance.ts';
import { CostExceeded } from './cel-error.ts';

/** So many cheap steps take no time to speak of. */
const CHEAP_STEPS = 100;

/** What an evaluation may cost; shared by several, they pay from it one after the other. */
export class Budget {
  #left: number;
  readonly allowance: Allowance | undefined;
  #steps = 0;

  constructor(units: number, allowance?: Allowance) {
    this.#left = units;
    this.allowance = allowance;
  }

  get left(): number {
    return this.#left;
  }

  pay(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw new CostExceeded();
    if (++this.#steps === CHEAP_STEPS) this.checkTime();
  }

  /** After what may take longer than it costs; throws TooLong. */
  checkTime(): void {
    this.#steps = 0;
    this.allowance?.check();
  }
}
