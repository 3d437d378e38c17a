/** Functions by name: what they take and give, what they do, and what they cost. */
import type { CelType } from './types.ts';
import { matching, times, TRAVERSAL, traversal, type Size } from './sizes.ts';
import type { Value } from './values.ts';

export interface Overload {
  /** With its namespace: `optional.of`, `sets.contains`. */
  readonly name: string;
  /** The receiver of a method. */
  readonly target: CelType | undefined;
  readonly args: readonly CelType[];
  readonly result: CelType;
  /** The receiver comes first. */
  readonly call: (...args: readonly Value[]) => Value;
  /** Of the sizes of receiver and arguments, both for estimates and for evaluations; 1 when absent. */
  readonly cost?: ((...sizes: readonly Size[]) => number) | undefined;
  /** Of the result, for estimates, where there is a bound. */
  readonly size?: ((...sizes: readonly Size[]) => Size) | undefined;
  /** What an evaluation has cost, where sizes do not tell. */
  readonly spent?: ((result: Value, args: readonly Value[]) => number) | undefined;
  /** Takes its argument only where its receiver has no value. */
  readonly isChoice?: boolean | undefined;
  /** Its first argument is a pattern, read when the expression is made ready. */
  readonly isPattern?: boolean | undefined;
  /** A last argument that is written down is tried when the expression is compiled; throws CelError. */
  readonly tries?: ((value: never) => unknown) | undefined;
}

type Call = (...args: never[]) => Value;

type Options = Pick<Overload, 'cost' | 'size' | 'spent' | 'isChoice' | 'isPattern' | 'tries'>;

export function fn(
  name: string,
  args: readonly CelType[],
  result: CelType,
  call: Call,
  options: Options = {},
): Overload {
  return { name, target: undefined, args, result, call: call as Overload['call'], ...options };
}

export function method(
  target: CelType,
  name: string,
  args: readonly CelType[],
  result: CelType,
  call: Call,
  options: Options = {},
): Overload {
  return { name, target, args, result, call: call as Overload['call'], ...options };
}

/** Reads its first argument once. */
export const reads: Options = { cost: traversal };
/** Reads its first argument, and gives no more than that. */
export const copies: Options = { cost: traversal, size: (first) => first };
/** Reads its first argument, and writes something of its own. */
export const rewrites: Options = { cost: (first) => times(first, 2 * TRAVERSAL) };
/** Runs the pattern that is its second argument over its first. */
export const searches: Options = { cost: matching };

export class Functions {
  readonly #byKey = new Map<string, Overload[]>();
  readonly #names = new Set<string>();

  constructor(...libraries: readonly (readonly Overload[])[]) {
    for (const overload of libraries.flat()) {
      const key = keyOf(overload.name, overload.target !== undefined, overload.args.length);
      const present = this.#byKey.get(key);
      if (present === undefined) this.#byKey.set(key, [overload]);
      else present.push(overload);
      this.#names.add(overload.name);
    }
  }

  find(name: string, isMethod: boolean, count: number): readonly Overload[] {
    return this.#byKey.get(keyOf(name, isMethod, count)) ?? [];
  }

  /** In any form. */
  has(name: string): boolean {
    return this.#names.has(name);
  }
}

function keyOf(name: string, isMethod: boolean, count: number): string {
  return `${isMethod ? '.' : ''}${name}/${count}`;
}
