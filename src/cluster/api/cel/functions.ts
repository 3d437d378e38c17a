/** Functions by name: what they take and give, what they do, and what they cost. */
import type { CelType } from './types.ts';
import { sizeOf, type Value } from './values.ts';

export interface Overload {
  /** With its namespace: `optional.of`, `sets.contains`. */
  readonly name: string;
  /** The receiver of a method. */
  readonly target: CelType | undefined;
  readonly args: readonly CelType[];
  readonly result: CelType;
  /** The receiver comes first. */
  readonly call: (...args: readonly Value[]) => Value;
  /** 1 when absent. */
  readonly cost?: ((...args: readonly Value[]) => number) | undefined;
  /** For estimates: how the cost grows with the sizes of receiver and arguments. */
  readonly grows?: Growth | undefined;
  /** A last argument that is written down is tried when the expression is compiled; throws CelError. */
  readonly tries?: ((text: string) => unknown) | undefined;
}

/** Nothing, with the first text or list, with the product of both, or with a text and the length of a pattern. */
export type Growth = 'constant' | 'linear' | 'product' | 'pattern';

type Call = (...args: never[]) => Value;

interface Options {
  readonly cost?: (...args: readonly Value[]) => number;
  readonly grows?: Growth;
  readonly tries?: (text: string) => unknown;
}

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

/** Going once over a text costs a tenth of a unit a character. */
const PER_CHARACTER = 0.1;

export function traversal(value: Value | undefined): number {
  if (value === undefined) return 0;
  const size = typeof value === 'string' ? value.length : sizeOf(value);
  return Math.ceil(size * PER_CHARACTER);
}

/** Reads its first argument once. */
export const reads: Options = { cost: (first) => 1 + traversal(first), grows: 'linear' };
/** Reads its first argument for everything in its second. */
export const searches: Options = {
  cost: (first, second) => 1 + traversal(first) * Math.max(1, traversal(second)),
  grows: 'product',
};
/** What it costs to match: each four characters of a pattern are taken for one thing to look for. */
export function matchingCost(textSize: number, patternSize: number): number {
  return Math.ceil((1 + textSize) * PER_CHARACTER) * Math.ceil(patternSize * 0.25);
}
/** Runs the pattern that is its second argument over its first. */
export const matching: Options = {
  cost: (text, pattern) => matchingCost(sizeOf(text ?? ''), sizeOf(pattern ?? '')),
  grows: 'pattern',
};
/** Looks at every element of a list. */
export const visits: Options = {
  cost: (first) => 1 + (first === undefined ? 0 : sizeOf(first)),
  grows: 'linear',
};

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
