/**
 * What an expression may cost at most, before there is a value: from the bounds that schemas set, else from what fits
 * into one request. The unit is the interpreter's.
 */
import type { Call, Expr, Macro } from './ast.ts';
import { matchingCost } from './functions.ts';
import type { Program } from './program.ts';
import { isList, type Value } from './values.ts';
import type { Structural } from '../structural/schema.ts';

/** A request body is not larger. */
const MAX_REQUEST = 3 * 1024 * 1024;
const PER_CHARACTER = 0.1;
const ITERATION = 3;

/** What is known of a value: its schema, or just how large it can get. */
interface Known {
  readonly size: number;
  readonly schema?: Structural | undefined;
  /** Of what is inside of it. */
  readonly element?: Known | undefined;
}

const ANY: Known = { size: MAX_REQUEST };
const SMALL: Known = { size: 1 };

const FORMAT_SIZES: Readonly<Record<string, number>> = {
  date: 10,
  'date-time': 27,
  duration: 32,
  uuid: 36,
  ipv4: 15,
  ipv6: 45,
  cidr: 49,
};

/** The least that a value of the schema takes in a body. */
function leastSize(schema: Structural | undefined): number {
  if (schema === undefined) return 1;
  switch (schema.type) {
    case 'string':
      return 2 + (schema.checks.minLength ?? 0);
    case 'boolean':
      return 4;
    case 'array':
      return 2;
    case 'object': {
      const required = schema.checks.required.map(
        (name) => name.length + 4 + leastSize(schema.properties.get(name)),
      );
      return 2 + required.reduce((sum, size) => sum + size, 0);
    }
    default:
      return 1;
  }
}

/** How many elements or characters there can be. */
export function mostElements(schema: Structural): number {
  const { checks, type, items, additional, format } = schema;
  if (checks.enum !== undefined && type === 'string') {
    return Math.max(1, ...checks.enum.map((value) => (typeof value === 'string' ? value.length : 1)));
  }
  switch (type) {
    case 'array':
      return checks.maxItems ?? Math.floor(MAX_REQUEST / (leastSize(items) + 1));
    case 'object':
      if (checks.maxProperties !== undefined) return checks.maxProperties;
      return typeof additional === 'object'
        ? Math.floor(MAX_REQUEST / (leastSize(additional) + 4))
        : MAX_REQUEST;
    case 'string':
      return checks.maxLength ?? FORMAT_SIZES[format] ?? MAX_REQUEST;
    case '':
      return MAX_REQUEST;
    default:
      return 1;
  }
}

function knownOf(schema: Structural): Known {
  return { size: mostElements(schema), schema };
}

interface Estimate {
  readonly cost: number;
  readonly known: Known;
}

type Scope = ReadonlyMap<string, Known>;

/** `variables` that are not named can be of any size. */
export function estimateCost(program: Program, variables: ReadonlyMap<string, Structural>): number {
  const scope = new Map([...variables].map(([name, schema]) => [name, knownOf(schema)]));
  return new Estimator(program).of(program.expr, scope).cost;
}

class Estimator {
  readonly #program: Program;

  constructor(program: Program) {
    this.#program = program;
  }

  of(expr: Expr, scope: Scope): Estimate {
    switch (expr.op) {
      case 'constant':
        return { cost: 0, known: constant(expr.value) };
      case 'ident':
        return { cost: 1, known: scope.get(expr.name) ?? ANY };
      case 'select': {
        const { cost, known } = this.of(expr.operand, scope);
        return { cost: cost + 1, known: fieldOf(known, expr.field) };
      }
      case 'index': {
        const operand = this.of(expr.operand, scope);
        const index = this.of(expr.index, scope);
        return { cost: operand.cost + index.cost + 1, known: elementOf(operand.known) };
      }
      case 'unary': {
        const { cost, known } = this.of(expr.operand, scope);
        return { cost: cost + 1, known };
      }
      case 'logical': {
        const sum = this.of(expr.left, scope).cost + this.of(expr.right, scope).cost;
        return { cost: sum + 1, known: SMALL };
      }
      case 'ternary': {
        const condition = this.of(expr.condition, scope);
        const [yes, no] = [this.of(expr.yes, scope), this.of(expr.no, scope)];
        const known = yes.known.size >= no.known.size ? yes.known : no.known;
        return { cost: condition.cost + Math.max(yes.cost, no.cost) + 1, known };
      }
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

  #literal(expr: Expr, scope: Scope): Estimate {
    if (expr.op === 'list') {
      const items = expr.items.map(({ value }) => this.of(value, scope));
      const largest = items.reduce((most, { known }) => (known.size > most.size ? known : most), SMALL);
      return { cost: 10 + sum(items), known: { size: items.length, element: largest } };
    }
    if (expr.op === 'map') {
      const parts = expr.entries.flatMap(({ key, value }) => [this.of(key, scope), this.of(value, scope)]);
      return { cost: 30 + sum(parts), known: { size: expr.entries.length } };
    }
    const fields = expr.op === 'struct' ? expr.fields.map(({ value }) => this.of(value, scope)) : [];
    return { cost: 40 + sum(fields), known: SMALL };
  }

  #binary(expr: Expr & { op: 'binary' }, scope: Scope): Estimate {
    const [left, right] = [this.of(expr.left, scope), this.of(expr.right, scope)];
    const cost = left.cost + right.cost + 1;
    const kind = this.#program.checked.types.get(expr.left)?.kind ?? 'dyn';
    const sized = ['string', 'bytes', 'list', 'map'].includes(kind);
    const smaller = Math.min(left.known.size, right.known.size);
    switch (expr.operator) {
      case 'in':
        return {
          cost: cost + (this.#program.checked.types.get(expr.right)?.kind === 'list' ? right.known.size : 0),
          known: SMALL,
        };
      case '+': {
        const size = left.known.size + right.known.size;
        return { cost: cost + (sized ? Math.ceil(size * PER_CHARACTER) : 0), known: { ...left.known, size } };
      }
      case '-':
      case '*':
      case '/':
      case '%':
        return { cost, known: SMALL };
      default:
        return { cost: cost + (sized ? Math.ceil(smaller * PER_CHARACTER) : 0), known: SMALL };
    }
  }

  #call(expr: Call, scope: Scope): Estimate {
    const { target } = expr;
    const isMethod = target !== undefined && !this.#program.checked.global.has(expr);
    const all = [...(isMethod ? [target] : []), ...expr.args].map((arg) => this.of(arg, scope));
    const overload = this.#program.checked.calls.get(expr)?.[0];
    const [first, second] = all.map(({ known }) => known);
    const result = overload?.result.kind;
    const known =
      result === 'string' || result === 'list' || result === 'bytes' ? { size: first?.size ?? 1 } : SMALL;
    return { cost: sum(all) + growth(overload?.grows, first, second), known };
  }

  #macro(expr: Macro, scope: Scope): Estimate {
    const target = this.of(expr.target, scope);
    if (expr.name === 'has') return { cost: target.cost, known: SMALL };
    const [name = '', second] = expr.variables;
    const inner = new Map(scope);
    const once = expr.name === 'bind' || expr.name === 'optMap' || expr.name === 'optFlatMap';
    const isMap = this.#program.checked.types.get(expr.target)?.kind === 'map';
    // Keys of maps are bounded by nothing but the request.
    if (once) inner.set(name, target.known);
    else if (second === undefined) inner.set(name, isMap ? KEY : elementOf(target.known));
    else inner.set(name, isMap ? KEY : SMALL).set(second, elementOf(target.known));
    const body = expr.args.map((arg) => this.of(arg, inner));
    if (once) return { cost: target.cost + sum(body), known: body.at(-1)?.known ?? SMALL };
    const { size } = target.known;
    const cost = target.cost + size * (sum(body) + ITERATION);
    const last = body.at(-1)?.known;
    const collects = !['all', 'exists', 'existsOne'].includes(expr.name);
    return {
      cost,
      known: collects ? { size, element: expr.name === 'filter' ? elementOf(target.known) : last } : SMALL,
    };
  }
}

/** A map's keys together fit into a request; one is taken to be no longer than a qualified name. */
const KEY: Known = { size: 316 };

function sum(parts: readonly Estimate[]): number {
  return parts.reduce((total, { cost }) => total + cost, 0);
}

function growth(grows: string | undefined, first: Known | undefined, second: Known | undefined): number {
  const traverse = (known: Known | undefined): number => Math.ceil((known?.size ?? 1) * PER_CHARACTER);
  if (grows === 'linear') return 1 + traverse(first);
  if (grows === 'pattern') return matchingCost(first?.size ?? 1, second?.size ?? 1);
  return grows === 'product' ? 1 + traverse(first) * Math.max(1, traverse(second)) : 1;
}

function constant(value: Value): Known {
  if (typeof value === 'string' || value instanceof Uint8Array || isList(value))
    return { size: value.length };
  return SMALL;
}

function fieldOf(known: Known, field: string): Known {
  const { schema } = known;
  if (schema === undefined) return known.element ?? ANY;
  if (typeof schema.additional === 'object') return knownOf(schema.additional);
  for (const [name, child] of schema.properties) {
    if (name === field || unescaped(field) === name) return knownOf(child);
  }
  return field === 'name' || field === 'generateName' ? { size: 253 } : ANY;
}

function unescaped(field: string): string {
  return field
    .replaceAll('__dot__', '.')
    .replaceAll('__dash__', '-')
    .replaceAll('__slash__', '/')
    .replaceAll('__underscores__', '__');
}

function elementOf(known: Known): Known {
  const { schema, element } = known;
  if (element !== undefined) return element;
  if (schema?.items !== undefined) return knownOf(schema.items);
  return typeof schema?.additional === 'object' ? knownOf(schema.additional) : ANY;
}
