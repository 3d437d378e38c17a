/**
 * What an expression may cost at most, before there is a value. By this estimate servers decide which expressions they take, so
 * that it is to be upstream's to the unit, and what looks odd in it is odd there (k8s.io/apiserver/pkg/cel/library).
 */
import type { Call, Expr, Macro } from './ast.ts';
import type { Bounds } from './bounds.ts';
import type { Overload } from './functions.ts';
import type { Program } from './program.ts';
import {
  atMost,
  comparing,
  covering,
  exactly,
  ITERATIONS,
  joined,
  LIST_COST,
  MAP_COST,
  repeated,
  SINGLE,
  STRUCT_COST,
  times,
  traversal,
  UNKNOWN,
  type Size,
} from './sizes.ts';
import type { CelType } from './types.ts';
import { sizeOf, Uint, type Value } from './values.ts';

/** Of a variable, or of anything else that a name stands for. */
export type Roots = (name: string) => Bounds | undefined;

/** In units, up to 2^64. */
export function estimateCost(program: Program, roots: Roots): number {
  return Math.min(new Estimator(program, roots).of(program.expr, new Map()).cost, UNKNOWN.most);
}

/** Where a value comes from: bounds that a schema sets, nothing that is known, or (undefined) no place at all. */
type Place = Bounds | 'unknown' | undefined;

interface Weight {
  readonly cost: number;
  readonly size?: Size | undefined;
  readonly place?: Place;
  /** Of an element or a value, of what is made of several. */
  readonly element?: Size | undefined;
}

type Scope = ReadonlyMap<string, Weight>;

class Estimator {
  readonly #program: Program;
  readonly #roots: Roots;

  constructor(program: Program, roots: Roots) {
    this.#program = program;
    this.#roots = roots;
  }

  #typeOf(expr: Expr): CelType {
    return this.#program.checked.types.get(expr) ?? { kind: 'dyn' };
  }

  /** A step into a value. Upstream takes the first step for the name of a variable where there was none. */
  #step(place: Place, name: string): Place {
    if (place === undefined) return this.#roots(name) ?? 'unknown';
    if (place === 'unknown') return place;
    if (name === '@key') return place.key ?? 'unknown';
    return (name === '@element' ? place.element : place.field?.(name)) ?? 'unknown';
  }

  of(expr: Expr, scope: Scope): Weight {
    const weight = this.#weigh(expr, scope);
    if (weight.size !== undefined) return weight;
    const { place } = weight;
    if (place !== undefined && place !== 'unknown') return { ...weight, size: atMost(place.most) };
    const isSingle = isScalar(this.#typeOf(expr));
    return {
      ...weight,
      size: isSingle ? SINGLE : expr.op === 'ident' ? scope.get(expr.name)?.size : undefined,
    };
  }

  #weigh(expr: Expr, scope: Scope): Weight {
    switch (expr.op) {
      case 'constant':
        return { cost: 0, size: constantSize(expr.value) };
      case 'ident': {
        const local = scope.get(expr.name);
        return local === undefined
          ? { cost: 1, place: this.#roots(expr.name) ?? 'unknown' }
          : { cost: 1, place: local.place, element: local.element };
      }
      case 'select': {
        if (this.#program.checked.dotted.has(expr)) return { cost: 1, place: 'unknown' };
        const operand = this.of(expr.operand, scope);
        if (expr.optional) return { cost: operand.cost + 1 };
        const { kind } = this.#typeOf(expr.operand);
        const step = kind === 'map' || kind === 'object' || kind === 'param' ? 1 : 0;
        return { cost: operand.cost + step, place: this.#step(operand.place, expr.field) };
      }
      case 'index': {
        const operand = this.of(expr.operand, scope);
        const cost = operand.cost + this.of(expr.index, scope).cost + 1;
        if (expr.optional || this.#typeOf(expr.operand).kind === 'optional') return { cost };
        return { cost, size: operand.element, place: this.#step(operand.place, '@element') };
      }
      case 'unary':
        return { cost: this.of(expr.operand, scope).cost + 1 };
      case 'logical':
        return { cost: this.of(expr.left, scope).cost + this.of(expr.right, scope).cost };
      case 'ternary':
        return either(this.of(expr.condition, scope).cost, this.of(expr.yes, scope), this.of(expr.no, scope));
      case 'binary':
        return this.#binary(expr, scope);
      case 'call':
        return this.#call(expr, scope);
      case 'macro':
        return this.#macro(expr, scope);
      default:
        return this.#literal(expr, scope);
    }
  }

  #literal(expr: Expr, scope: Scope): Weight {
    if (expr.op === 'list') {
      const items = expr.items.map(({ value }) => this.of(value, scope));
      return { cost: LIST_COST + sum(items), size: exactly(items.length), element: coveringAll(items) };
    }
    if (expr.op === 'map') {
      const keys = expr.entries.map(({ key }) => this.of(key, scope));
      const values = expr.entries.map(({ value }) => this.of(value, scope));
      const cost = MAP_COST + sum(keys) + sum(values);
      return { cost, size: exactly(keys.length), element: coveringAll(values) };
    }
    const fields = expr.op === 'struct' ? expr.fields.map(({ value }) => this.of(value, scope)) : [];
    return { cost: STRUCT_COST + sum(fields) };
  }

  #binary(expr: Expr & { op: 'binary' }, scope: Scope): Weight {
    const [left, right] = [this.of(expr.left, scope), this.of(expr.right, scope)];
    const [a, b] = [left.size ?? UNKNOWN, right.size ?? UNKNOWN];
    const cost = left.cost + right.cost;
    const kinds = [this.#typeOf(expr.left).kind, this.#typeOf(expr.right).kind];
    const known = kinds.find((kind) => kind !== 'dyn' && kind !== 'param');
    // When the value will decide which one is meant, it may be the dearest.
    const isText = known === undefined || known === 'string' || known === 'bytes';
    switch (expr.operator) {
      case 'in':
        return { cost: cost + (kinds[1] === 'map' ? 1 : kinds[1] === 'list' ? a1(b) : Math.max(1, a1(b))) };
      case '+': {
        if (!isText && known !== 'list') return { cost: cost + 1 };
        const size = joined(a, b);
        const element = left.element && right.element && covering(left.element, right.element);
        const copied = isText ? traversal(size) : 1;
        return { cost: cost + (known === undefined ? Math.max(1, copied) : copied), size, element };
      }
      case '==':
        return { cost: cost + this.#equality(expr, a, b) };
      case '!=':
        return { cost: cost + comparing(a, b) };
      case '<':
      case '<=':
      case '>':
      case '>=': {
        const compared = isText ? comparing(a, b) : 1;
        return { cost: cost + (known === undefined ? Math.max(1, compared) : compared) };
      }
      default:
        return { cost: cost + 1 };
    }
  }

  #equality({ left, right }: Expr & { op: 'binary' }, a: Size, b: Size): number {
    const [type, other] = [this.#typeOf(left), this.#typeOf(right)];
    if (type.kind !== 'opaque' || other.kind !== 'opaque' || type.name !== other.name) return comparing(a, b);
    if (type.name === 'kubernetes.NamedFormat') return traversal(exactly(64));
    return type.name === 'kubernetes.URL' ? traversal(b.most === UNKNOWN.most ? SINGLE : b) : 1;
  }

  #call(expr: Call, scope: Scope): Weight {
    const { target } = expr;
    const isMethod = target !== undefined && !this.#program.checked.global.has(expr);
    const parts = [...(isMethod ? [target] : []), ...expr.args];
    const weights = parts.map((part) => this.of(part, scope));
    if (expr.name === 'dyn') return { ...weights[0], cost: weights[0]!.cost + 1, place: undefined };
    const sizes = parts.map((part, index) => this.#argument(part, weights[index]!));
    return called(sum(weights), this.#program.checked.calls.get(expr) ?? [], sizes);
  }

  /** With what costs of functions may depend on besides. */
  #argument(part: Expr, { size = UNKNOWN, place }: Weight): Size {
    const type = this.#typeOf(part);
    if (part.op === 'constant' && typeof part.value === 'bigint')
      return { ...size, number: Number(part.value) };
    if (type.kind !== 'list' || !/^(string|bytes)$/.test(type.element.kind)) return size;
    const inside = place === undefined ? 'unknown' : this.#step(place, '@element');
    return { ...size, element: inside === 'unknown' || inside === undefined ? UNKNOWN : atMost(inside.most) };
  }

  #macro(expr: Macro, scope: Scope): Weight {
    const target = this.of(expr.target, scope);
    const [first = '', second] = expr.variables;
    const body = (inner: Scope): readonly Weight[] => expr.args.map((arg) => this.of(arg, inner));
    switch (expr.name) {
      // The test itself is free.
      case 'has':
        return { cost: expr.target.op === 'select' ? this.of(expr.target.operand, scope).cost : target.cost };
      case 'bind': {
        const result = this.of(expr.args[0]!, new Map(scope).set(first, target));
        return { ...result, place: undefined, cost: LIST_COST + target.cost + result.cost };
      }
      case 'optMap':
      case 'optFlatMap': {
        const value = { cost: 1, size: isScalar(this.#typeOf(expr.target)) ? SINGLE : undefined };
        const result = body(new Map(scope).set(first, value));
        const wrapped = expr.name === 'optMap' ? 1 : 0;
        const yes = { cost: LIST_COST + 1 + target.cost + sum(result) + wrapped, size: UNKNOWN };
        return either(target.cost + 1, yes, { cost: 1, size: UNKNOWN });
      }
      case 'sortBy': {
        const input = { ...target, cost: 1 };
        const keys = this.#going(expr, input, { name: 'map', scope, variables: [first], isList: true });
        const fitting = this.#program.checked.calls.get(expr) ?? [];
        const sorted = called(1 + keys.cost, fitting, [target.size ?? UNKNOWN, keys.size ?? UNKNOWN]);
        return { ...sorted, cost: LIST_COST + target.cost + sorted.cost };
      }
      default: {
        const isList = this.#typeOf(expr.target).kind === 'list';
        const variables = second === undefined ? [first] : [first, second];
        return this.#going(expr, target, { name: expr.name, scope, variables, isList });
      }
    }
  }

  /** Over a list or map. */
  #going(
    expr: Macro,
    target: Weight,
    about: {
      readonly name: string;
      readonly scope: Scope;
      readonly variables: readonly string[];
      readonly isList: boolean;
    },
  ): Weight {
    const { name, scope, variables, isList } = about;
    const [first = '', second] = variables;
    const inside = (step: string): Weight => ({
      cost: 1,
      place: this.#step(target.place, step),
      size: step === '@element' ? target.element : undefined,
    });
    const inner = new Map(scope);
    if (second === undefined) inner.set(first, inside(isList ? '@element' : '@key'));
    else
      inner
        .set(first, isList ? { cost: 1, place: 'unknown' } : inside('@key'))
        .set(second, inside('@element'));
    const body = expr.args.map((arg) => this.of(arg, inner));
    const { once, each } = ITERATIONS[name]!;
    const range = target.size ?? UNKNOWN;
    const cost = target.cost + once + repeated(range, exactly(sum(body) + each)).most;
    if (name === 'all' || name === 'exists' || name === 'existsOne') return { cost, size: SINGLE };
    if (name.startsWith('transformMap')) return { cost, size: range };
    const item = name === 'filter' ? this.of({ op: 'ident', name: first, at: 0 }, inner) : body.at(-1);
    return { cost, size: range, element: covering(item?.size ?? UNKNOWN, exactly(0)) };
  }
}

/** Once over all elements. */
const a1 = (size: Size): number => times(size, 1);

function called(cost: number, overloads: readonly Overload[], sizes: readonly Size[]): Weight {
  const costs = overloads.map((overload) => overload.cost?.(...sizes) ?? 1);
  const results = overloads.flatMap((overload) => overload.size?.(...sizes) ?? []);
  const [first, ...others] = results;
  return { cost: cost + Math.max(0, ...costs), size: first && others.reduce(covering, first) };
}

function either(cost: number, yes: Weight, no: Weight): Weight {
  return {
    cost: cost + Math.max(yes.cost, no.cost),
    size: covering(yes.size ?? UNKNOWN, no.size ?? UNKNOWN),
    element: yes.element && no.element && covering(yes.element, no.element),
  };
}

function coveringAll([first, ...others]: readonly Weight[]): Size {
  return others.reduce((size, one) => covering(size, one.size ?? UNKNOWN), first?.size ?? exactly(0));
}

function sum(parts: readonly Weight[]): number {
  return parts.reduce((total, { cost }) => total + cost, 0);
}

function constantSize(value: Value): Size {
  return exactly(value === null || value instanceof Uint ? 1 : sizeOf(value));
}

const SCALARS: ReadonlySet<string> = new Set(['bool', 'double', 'duration', 'int', 'timestamp', 'uint']);

function isScalar(type: CelType): boolean {
  return type.kind === 'optional' ? isScalar(type.of) : SCALARS.has(type.kind);
}
