/** Types of expressions, and which functions their calls may mean. */
import type { Call, Expr, Macro, StructLiteral } from './ast.ts';
import { CelError, CompileError, MAX_TOLD } from './cel-error.ts';
import type { Functions, Overload } from './functions.ts';
import { formatProblem, type FormatArgument } from './library/format-text.ts';
import { BY_KEYS } from './library/lists.ts';
import { mixedLiterals } from './mixed-literals.ts';
import { binaryType } from './operator-types.ts';
import {
  assignable,
  BOOL,
  BYTES,
  DOUBLE,
  DYN,
  INT,
  join,
  list,
  map,
  NULL,
  optional,
  param,
  STRING,
  substitute,
  TYPE,
  typeText,
  UINT,
  type Bindings,
  type CelType,
  type ObjectType,
} from './types.ts';
import { Uint, type Value } from './values.ts';

export interface Environment {
  readonly functions: Functions;
  readonly variables: ReadonlyMap<string, CelType>;
  /** Types by name, which are values as well: `int`, `net.IP`. */
  readonly types: ReadonlySet<string>;
  /** Whether there is `cel.bind`. */
  readonly binds?: boolean | undefined;
  /** What `Name{…}` makes: an object of known fields, or of any. */
  readonly struct?: (name: string) => ObjectType | 'open' | undefined;
}

/** What the interpreter needs to know that the text does not say. */
export interface Checked {
  readonly type: CelType;
  readonly calls: ReadonlyMap<Expr, readonly Overload[]>;
  /** Calls whose receiver is a namespace. */
  readonly global: ReadonlySet<Expr>;
  /** Names of types, dotted or not, where they stand for the type itself. */
  readonly typeNames: ReadonlyMap<Expr, string>;
  /** Variables whose names have dots. */
  readonly dotted: ReadonlyMap<Expr, string>;
  readonly types: ReadonlyMap<Expr, CelType>;
}

export function check(expr: Expr, text: string, environment: Environment): Checked {
  const checker = new Checker(text, environment);
  const type = checker.typeOf(expr, environment.variables);
  checker.complain();
  checker.tryFormats();
  checker.compareLiterals(expr);
  checker.complain();
  const { calls, global, typeNames, dotted, types } = checker;
  return { type, calls, global, typeNames, dotted, types };
}

type Scope = ReadonlyMap<string, CelType>;

class Checker {
  readonly calls = new Map<Expr, readonly Overload[]>();
  readonly global = new Set<Expr>();
  readonly typeNames = new Map<Expr, string>();
  readonly dotted = new Map<Expr, string>();
  readonly types = new Map<Expr, CelType>();
  readonly #errors: CompileError[] = [];
  readonly #text: string;
  readonly #environment: Environment;

  constructor(text: string, environment: Environment) {
    this.#text = text;
    this.#environment = environment;
  }

  #fail(why: string, at: number): CompileError {
    return new CompileError(why, this.#errors.length > MAX_TOLD ? '' : this.#text, at);
  }

  /** What is wrong has any type, so that what stands around it is not complained about as well. */
  typeOf(expr: Expr, scope: Scope): CelType {
    let type: CelType = DYN;
    try {
      type = this.#find(expr, scope);
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      this.#errors.push(error);
    }
    this.types.set(expr, type);
    return type;
  }

  /** Throws all that was found wrong, from left to right. */
  complain(): void {
    const [first, ...others] = this.#errors.toSorted((a, b) => a.at - b.at);
    if (first !== undefined) throw others.length === 0 ? first : CompileError.all([first, ...others]);
  }

  /** Formats that are written down, with their arguments. */
  tryFormats(): void {
    for (const call of this.calls.keys()) {
      if (call.op !== 'call' || call.name !== 'format' || call.target?.op !== 'constant') continue;
      const [list] = call.args;
      if (list?.op !== 'list') continue;
      const { value: format } = call.target;
      const { parts } = this.#asArgument(list);
      const problem = typeof format === 'string' ? formatProblem(format, parts) : undefined;
      if (problem !== undefined) this.#errors.push(this.#fail(problem.why, problem.at ?? call.at));
    }
  }

  compareLiterals(expr: Expr): void {
    for (const { at, wanted, found } of mixedLiterals(expr, this.types)) {
      const why = `expected type '${typeText(wanted)}' but found '${typeText(found)}'`;
      this.#errors.push(this.#fail(why, at));
    }
  }

  #asArgument(expr: Expr): FormatArgument {
    const inside =
      expr.op === 'list'
        ? expr.items.map(({ value }) => value)
        : expr.op === 'map'
          ? expr.entries.flatMap(({ key, value }) => [key, value])
          : [];
    const parts = inside.map((part) => this.#asArgument(part));
    return { type: this.types.get(expr) ?? DYN, at: expr.at, parts };
  }

  #find(expr: Expr, scope: Scope): CelType {
    switch (expr.op) {
      case 'constant':
        return constantType(expr.value);
      case 'ident':
        return this.#ident(expr, expr.name, scope);
      case 'select':
        return this.#select(expr, scope);
      case 'index':
        return this.#index(expr, scope);
      case 'call':
        return this.#call(expr, scope);
      case 'unary':
        return this.#unary(expr, scope);
      case 'binary':
        return this.#binary(expr, scope);
      case 'logical':
        for (const side of [expr.left, expr.right]) this.#bool(side, scope);
        return BOOL;
      case 'ternary': {
        const condition = this.typeOf(expr.condition, scope);
        const [yes, no] = [this.typeOf(expr.yes, scope), this.typeOf(expr.no, scope)];
        const joined = join(yes, no);
        if (joined === undefined || !isTest(condition))
          throw this.#noOverload('_?_:_', [condition, yes, no], expr.at);
        // The first one's type, which null is as well.
        return yes.kind === 'null' && no.kind !== 'dyn' ? NULL : joined;
      }
      case 'list':
        return list(this.#elements(expr.items, scope));
      case 'map': {
        const keys = expr.entries.map(({ key }) => ({ value: key, optional: false }));
        if (keys.length === 0) return map(param('_'), param('_'));
        return map(this.#elements(keys, scope), this.#elements(expr.entries, scope));
      }
      case 'struct':
        return this.#struct(expr, scope);
      default:
        return this.#macro(expr, scope);
    }
  }

  #ident(expr: Expr, name: string, scope: Scope): CelType {
    const found = scope.get(name);
    if (found !== undefined) return found;
    if (!this.#environment.types.has(name)) {
      throw this.#fail(`undeclared reference to '${name}' (in container '')`, expr.at);
    }
    this.typeNames.set(expr, name);
    return TYPE;
  }

  #select(expr: Expr & { op: 'select' }, scope: Scope): CelType {
    const name = dottedName(expr);
    if (name !== undefined && this.#environment.types.has(name) && !scope.has(name.split('.')[0] ?? '')) {
      this.typeNames.set(expr, name);
      return TYPE;
    }
    const variable = name === undefined ? undefined : scope.get(name);
    if (name !== undefined && variable !== undefined) {
      this.dotted.set(expr, name);
      return variable;
    }
    const operand = this.typeOf(expr.operand, scope);
    const inner = operand.kind === 'optional' ? operand.of : operand;
    const field = this.#field(inner, expr.field, expr.at);
    return expr.optional || operand.kind === 'optional' ? optional(field) : field;
  }

  #field(type: CelType, name: string, at: number): CelType {
    if (type.kind === 'dyn' || type.kind === 'param') return DYN;
    if (type.kind === 'map') return type.value;
    if (type.kind !== 'object') {
      throw this.#fail(`type '${typeText(type)}' does not support field selection`, at);
    }
    const found = type.fields.get(name);
    if (found === undefined) throw this.#fail(`undefined field '${name}'`, at);
    return found.type;
  }

  #index(expr: Expr & { op: 'index' }, scope: Scope): CelType {
    const operand = this.typeOf(expr.operand, scope);
    const index = this.typeOf(expr.index, scope);
    const inner = operand.kind === 'optional' ? operand.of : operand;
    const wrap = (type: CelType): CelType =>
      expr.optional || operand.kind === 'optional' ? optional(type) : type;
    if (inner.kind === 'dyn' || inner.kind === 'param') return wrap(DYN);
    const good =
      (inner.kind === 'list' && assignable(INT, index, new Map())) ||
      (inner.kind === 'map' && assignable(inner.key, index, new Map()));
    if (!good) throw this.#noOverload(expr.optional ? '_[?_]' : '_[_]', [operand, index], expr.at);
    return wrap(inner.kind === 'list' ? inner.element : (inner as { value: CelType }).value);
  }

  #call(expr: Call, scope: Scope): CelType {
    const { functions } = this.#environment;
    const args = (): CelType[] => expr.args.map((arg) => this.typeOf(arg, scope));
    if (expr.target === undefined) {
      return this.#resolve(expr, functions.find(expr.name, false, expr.args.length), args());
    }
    const space = dottedName(expr.target);
    if (
      space !== undefined &&
      !scope.has(space.split('.')[0] ?? '') &&
      functions.has(`${space}.${expr.name}`)
    ) {
      this.global.add(expr);
      const name = `${space}.${expr.name}`;
      return this.#resolve(expr, functions.find(name, false, expr.args.length), args(), name);
    }
    const target = this.typeOf(expr.target, scope);
    return this.#resolve(expr, functions.find(expr.name, true, expr.args.length), [target, ...args()]);
  }

  #resolve(
    expr: Call | Macro,
    overloads: readonly Overload[],
    actual: readonly CelType[],
    name: string = expr.name,
  ): CelType {
    const isMethod = expr.target !== undefined && !this.global.has(expr);
    const fitting: Overload[] = [];
    let result: CelType | undefined;
    for (const overload of overloads) {
      const wanted = overload.target === undefined ? overload.args : [overload.target, ...overload.args];
      const bindings: Bindings = new Map();
      if (!wanted.every((type, index) => assignable(type, actual[index]!, bindings))) continue;
      fitting.push(overload);
      const type = substitute(overload.result, bindings);
      result = result === undefined ? type : (join(result, type) ?? DYN);
    }
    if (result === undefined) {
      if (!this.#environment.functions.has(name)) {
        throw this.#fail(`undeclared reference to '${name}' (in container '')`, expr.at);
      }
      throw this.#noOverload(name, actual, expr.at, isMethod);
    }
    this.#tryLiteral(expr, fitting);
    this.calls.set(expr, fitting);
    return fitting.length > 1 && actual.some(({ kind }) => kind === 'dyn')
      ? sameOrDyn(fitting, result)
      : result;
  }

  /** A pattern, duration or time that is written down and wrong would fail every evaluation. */
  #tryLiteral({ args, name }: Call | Macro, overloads: readonly Overload[]): void {
    const last = args.at(-1);
    if (last?.op !== 'constant') return;
    const value = last.value as never;
    for (const { tries } of overloads) {
      if (tries === undefined) continue;
      try {
        tries(value);
      } catch (error) {
        throw error instanceof CelError ? this.#fail(`invalid ${name} argument`, last.at) : error;
      }
    }
  }

  #noOverload(name: string, actual: readonly CelType[], at: number, isMethod = false): CompileError {
    const [target, ...rest] = actual.map(typeText);
    const signature = isMethod
      ? `${target ?? ''}.(${rest.join(', ')})`
      : `(${actual.map(typeText).join(', ')})`;
    return this.#fail(`found no matching overload for '${name}' applied to '${signature}'`, at);
  }

  #bool(expr: Expr, scope: Scope): void {
    const type = this.typeOf(expr, scope);
    if (isTest(type)) return;
    // What stands around it is a test all the same.
    this.#errors.push(this.#fail(`expected type 'bool' but found '${typeText(type)}'`, expr.at));
  }

  #unary(expr: Expr & { op: 'unary' }, scope: Scope): CelType {
    const type = this.typeOf(expr.operand, scope);
    if (type.kind === 'dyn' || type.kind === 'param') return expr.operator === '!' ? BOOL : DYN;
    const good = expr.operator === '!' ? type.kind === 'bool' : /^(int|double)$/.test(type.kind);
    if (!good) throw this.#noOverload(expr.operator === '!' ? '!_' : '-_', [type], expr.at);
    return type;
  }

  #binary(expr: Expr & { op: 'binary' }, scope: Scope): CelType {
    const [left, right] = [this.typeOf(expr.left, scope), this.typeOf(expr.right, scope)];
    const type = binaryType(expr.operator, left, right);
    if (type !== undefined) return type;
    const name = expr.operator === 'in' ? '@in' : `_${expr.operator}_`;
    throw this.#noOverload(name, [left, right], expr.at);
  }

  #elements(items: readonly { readonly value: Expr; readonly optional: boolean }[], scope: Scope): CelType {
    let result: CelType | undefined;
    for (const { value, optional: isOptional } of items) {
      let type = this.typeOf(value, scope);
      if (isOptional) {
        if (type.kind !== 'optional' && type.kind !== 'dyn') throw this.#notOptional(type, value.at);
        type = type.kind === 'optional' ? type.of : DYN;
      }
      // Literals of several types are of none in particular.
      result = result === undefined ? type : (join(result, type) ?? DYN);
    }
    return result ?? param('_');
  }

  #notOptional(type: CelType, at: number): CompileError {
    return this.#fail(`expected type 'optional_type(${typeText(type)})' but found '${typeText(type)}'`, at);
  }

  #struct(expr: StructLiteral, scope: Scope): CelType {
    const type = this.#environment.struct?.(expr.name);
    if (type === undefined)
      throw this.#fail(`undeclared reference to '${expr.name}' (in container '')`, expr.at);
    for (const { name, value, optional: isOptional, at } of expr.fields) {
      const found = this.typeOf(value, scope);
      if (isOptional && found.kind !== 'optional' && found.kind !== 'dyn')
        this.#errors.push(this.#notOptional(found, value.at));
      if (type === 'open') continue;
      const field = type.fields.get(name);
      if (field === undefined) throw this.#fail(`undefined field '${name}'`, at);
      const actual = isOptional && found.kind === 'optional' ? found.of : found;
      if (!assignable(field.type, actual, new Map())) {
        throw this.#fail(
          `expected type of field '${name}' is '${typeText(field.type)}' but provided type is '${typeText(actual)}'`,
          at,
        );
      }
    }
    return type === 'open' ? { kind: 'object', name: expr.name, fields: new Map() } : type;
  }

  #macro(expr: Macro, scope: Scope): CelType {
    if (expr.name === 'has') {
      if (expr.target.op !== 'select') return BOOL;
      const operand = this.typeOf(expr.target.operand, scope);
      const inner = operand.kind === 'optional' ? operand.of : operand;
      this.types.set(expr.target, this.#field(inner, expr.target.field, expr.at));
      return BOOL;
    }
    const target = this.typeOf(expr.target, scope);
    const inner = new Map(scope);
    const [first = '', second] = expr.variables;
    if (expr.name === 'bind') inner.set(first, target);
    else if (expr.name === 'optMap' || expr.name === 'optFlatMap') {
      if (target.kind !== 'optional' && target.kind !== 'dyn')
        throw this.#noOverload(expr.name, [target], expr.at, true);
      inner.set(first, target.kind === 'optional' ? target.of : DYN);
    } else {
      const [key, value] = this.#range(expr, target);
      if (second === undefined) inner.set(first, target.kind === 'list' ? value : key);
      else inner.set(first, key).set(second, value);
    }
    return this.#macroResult(expr, target, inner);
  }

  /** What an iteration over it gives: index or key, and value. */
  #range(expr: Macro, target: CelType): readonly [CelType, CelType] {
    if (target.kind === 'list') return [INT, target.element];
    if (target.kind === 'map') return [target.key, target.value];
    if (target.kind === 'dyn' || target.kind === 'param') return [DYN, DYN];
    throw this.#fail(
      `expression of type '${typeText(target)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
      expr.target.at,
    );
  }

  #macroResult(expr: Macro, target: CelType, scope: Scope): CelType {
    const { name, args } = expr;
    const last = args.at(-1)!;
    switch (name) {
      case 'all':
      case 'exists':
      case 'existsOne':
        this.#bool(last, scope);
        return BOOL;
      case 'filter':
        this.#bool(last, scope);
        return target.kind === 'list' ? target : list(target.kind === 'map' ? target.key : DYN);
      default:
    }
    if (args.length === 2) this.#bool(args[0]!, scope);
    const result = this.typeOf(last, scope);
    switch (name) {
      case 'map':
      case 'transformList':
        return list(result);
      case 'sortBy':
        return this.#resolve(
          expr,
          this.#environment.functions.find(BY_KEYS, true, 1),
          [target, list(result)],
          BY_KEYS,
        );
      case 'transformMap':
        return map(target.kind === 'map' ? target.key : target.kind === 'list' ? INT : DYN, result);
      case 'transformMapEntry':
        if (result.kind === 'map') return result;
        if (result.kind === 'dyn' || result.kind === 'param') return map(DYN, DYN);
        throw this.#noOverload('cel.@mapInsert', [map(DYN, DYN), result], expr.at);
      case 'optFlatMap':
        if (result.kind === 'optional' || result.kind === 'dyn' || result.kind === 'param') return result;
        throw this.#noOverload('_?_:_', [BOOL, result, optional(DYN)], expr.at);
      case 'optMap':
        return optional(result);
      default:
        return result;
    }
  }
}

function isTest({ kind }: CelType): boolean {
  return kind === 'bool' || kind === 'dyn' || kind === 'param';
}

/** The common result of overloads among which only the value will decide. */
function sameOrDyn(overloads: readonly Overload[], result: CelType): CelType {
  const kinds = new Set(overloads.map(({ result: { kind } }) => kind));
  return kinds.size === 1 ? result : DYN;
}

function constantType(value: Value): CelType {
  if (value === null) return NULL;
  if (value instanceof Uint) return UINT;
  if (value instanceof Uint8Array) return BYTES;
  switch (typeof value) {
    case 'boolean':
      return BOOL;
    case 'bigint':
      return INT;
    case 'number':
      return DOUBLE;
    default:
      return STRING;
  }
}

function dottedName(expr: Expr): string | undefined {
  if (expr.op === 'ident') return expr.name;
  if (expr.op !== 'select' || expr.optional) return undefined;
  const outer = dottedName(expr.operand);
  return outer === undefined ? undefined : `${outer}.${expr.field}`;
}
