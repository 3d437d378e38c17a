/**
 * Lists and maps that are written down hold values of one type, unless they are made into a text by `format`
 * (cel-go's `ValidateHomogeneousAggregateLiterals`, which Kubernetes' environment has).
 */
import type { Expr } from './ast.ts';
import { DYN, substitute, type CelType } from './types.ts';
import { parts } from './walk.ts';

export interface Mismatch {
  readonly at: number;
  readonly wanted: CelType;
  readonly found: CelType;
}

type Types = ReadonlyMap<Expr, CelType>;

export function mixedLiterals(expr: Expr, types: Types): readonly Mismatch[] {
  const mismatches: Mismatch[] = [];
  // Most expressions have no such literal: then nobody walks.
  if ([...types.keys()].some((one) => lengthOf(one) > 1)) collect(expr, types, mismatches);
  return mismatches;
}

function lengthOf(expr: Expr): number {
  return expr.op === 'list' ? expr.items.length : expr.op === 'map' ? expr.entries.length : 0;
}

function collect(expr: Expr, types: Types, into: Mismatch[]): void {
  if (expr.op === 'call' && expr.name === 'format') return;
  if (expr.op === 'list') into.push(...mismatchesOf(expr.items, types).slice(0, 1));
  if (expr.op === 'map') {
    const keys = expr.entries.map(({ key }) => ({ value: key, optional: false }));
    into.push(...mismatchesOf(keys, types), ...mismatchesOf(expr.entries, types));
  }
  for (const part of parts(expr)) collect(part, types, into);
}

/** Those that are of another type than the first one. */
function mismatchesOf(
  values: readonly { readonly value: Expr; readonly optional: boolean }[],
  types: Types,
): readonly Mismatch[] {
  const [first, ...others] = values.map(({ value, optional }) => {
    const type = types.get(value) ?? DYN;
    return { at: value.at, found: optional && type.kind === 'optional' ? type.of : type };
  });
  if (first === undefined) return [];
  const wanted = first.found;
  return others
    .filter(({ found }) => !alike(wanted, found))
    .map(({ at, found }) => ({
      at,
      wanted: substitute(wanted, new Map()),
      found: substitute(found, new Map()),
    }));
}

/** What an empty literal holds is of any type; what is known only here to be anything may have a type upstream. */
function alike(a: CelType, b: CelType): boolean {
  if (a === b || isOpen(a) || isOpen(b)) return true;
  if (a.kind === 'list') return b.kind === 'list' && alike(a.element, b.element);
  if (a.kind === 'map') return b.kind === 'map' && alike(a.key, b.key) && alike(a.value, b.value);
  if (a.kind === 'optional') return b.kind === 'optional' && alike(a.of, b.of);
  return a.kind === b.kind && ('name' in a ? a.name : '') === ('name' in b ? b.name : '');
}

function isOpen({ kind }: CelType): boolean {
  return kind === 'dyn' || kind === 'param';
}
