/** Evaluation. Every step is paid for, so that no expression holds up the server. */
import type { Binary, Call, Expr, Macro } from './ast.ts';
import type { Checked } from './checker.ts';
import type { Budget } from './budget.ts';
import { CelError, CostExceeded } from './cel-error.ts';
import type { Overload } from './functions.ts';
import { comparing, exactly, ITERATIONS, LIST_COST, MAP_COST, STRUCT_COST, traversal } from './sizes.ts';
import {
  addedLists,
  checkedInt,
  checkedTimestamp,
  checkedUint,
  compare,
  describe,
  Duration,
  entriesOf,
  equal,
  hasType,
  isList,
  isMap,
  isObject,
  isOpaque,
  LiteralMap,
  LiteralObject,
  NONE,
  Optional,
  sizeOf,
  Timestamp,
  typeName,
  TypeValue,
  Uint,
  type MapValue,
  type ObjectValue,
  type Value,
} from './values.ts';

/** Variables by name; asked for when they are used. */
export type Variables = (name: string) => Value | undefined;

export function evaluate(expr: Expr, checked: Checked, variables: Variables, budget: Budget): Value {
  return new Interpreter(checked, budget).run(expr, variables);
}

const actual = (value: Value): ReturnType<typeof exactly> => exactly(sizeOf(value));

class Interpreter {
  readonly #checked: Checked;
  readonly #budget: Budget;

  constructor(checked: Checked, budget: Budget) {
    this.#checked = checked;
    this.#budget = budget;
  }

  run(expr: Expr, scope: Variables): Value {
    switch (expr.op) {
      case 'constant':
        return expr.value;
      case 'ident': {
        this.#budget.pay(1);
        const type = this.#checked.typeNames.get(expr);
        if (type !== undefined) return new TypeValue(type);
        const found = scope(expr.name);
        if (found === undefined) throw new CelError(`no such attribute(s): ${expr.name}`);
        return found;
      }
      case 'select': {
        const type = this.#checked.typeNames.get(expr);
        if (type !== undefined) return new TypeValue(type);
        const name = this.#checked.dotted.get(expr);
        const variable = name === undefined ? undefined : scope(name);
        if (variable !== undefined) return variable;
        const operand = this.run(expr.operand, scope);
        this.#budget.pay(1);
        return member(operand, expr.field, expr.optional);
      }
      case 'index': {
        const operand = this.run(expr.operand, scope);
        const index = this.run(expr.index, scope);
        this.#budget.pay(1);
        return element(operand, index, expr.optional);
      }
      case 'unary': {
        const operand = this.run(expr.operand, scope);
        this.#budget.pay(1);
        return unary(expr.operator, operand);
      }
      case 'binary':
        return this.#binary(expr, scope);
      case 'logical':
        return this.#logical(expr.left, expr.right, { scope, decisive: expr.operator === '||' });
      case 'ternary': {
        const condition = this.run(expr.condition, scope);
        if (typeof condition !== 'boolean') throw new CelError('no such overload');
        return this.run(condition ? expr.yes : expr.no, scope);
      }
      case 'call': {
        const overloads = this.#checked.calls.get(expr) ?? [];
        // The other value is not looked at where there is one.
        if (overloads.some((one) => one.isChoice)) return this.#choose(expr, overloads, scope);
        const target =
          expr.target === undefined || this.#checked.global.has(expr) ? [] : [this.run(expr.target, scope)];
        return this.#call(overloads, [...target, ...expr.args.map((arg) => this.run(arg, scope))]);
      }
      default:
        return this.#construct(expr, scope);
    }
  }

  #construct(expr: Expr, scope: Variables): Value {
    switch (expr.op) {
      case 'list': {
        this.#budget.pay(LIST_COST);
        return expr.items.flatMap(({ value, optional }) => {
          const result = this.run(value, scope);
          if (!optional) return [result];
          return result instanceof Optional && result.value !== undefined ? [result.value] : [];
        });
      }
      case 'map': {
        this.#budget.pay(MAP_COST);
        const made = new LiteralMap();
        for (const { key, value, optional } of expr.entries) {
          const name = this.run(key, scope);
          const result = this.run(value, scope);
          if (!optional) made.set(name, result);
          else if (result instanceof Optional && result.value !== undefined) made.set(name, result.value);
        }
        return made;
      }
      case 'struct': {
        this.#budget.pay(STRUCT_COST);
        const fields = new Map<string, Value>();
        for (const { name, value, optional } of expr.fields) {
          const result = this.run(value, scope);
          if (!optional) fields.set(name, result);
          else if (result instanceof Optional && result.value !== undefined) fields.set(name, result.value);
        }
        return new LiteralObject(expr.name, fields);
      }
      case 'macro':
        return this.#macro(expr, scope);
      default:
        throw new CelError(`unknown expression ${expr.op}`);
    }
  }

  #call(overloads: readonly Overload[], args: readonly Value[]): Value {
    const found = overloads.find(({ target, args: wanted }) => {
      const types = target === undefined ? wanted : [target, ...wanted];
      return types.every((type, index) => hasType(args[index]!, type));
    });
    if (found === undefined) throw new CelError('no such overload');
    if (found.spent === undefined) this.#budget.pay(found.cost?.(...args.map(actual)) ?? 1);
    const result = found.call(...args);
    this.#budget.checkTime();
    if (found.spent !== undefined) this.#budget.pay(found.spent(result, args));
    return result;
  }

  #choose(expr: Call, overloads: readonly Overload[], scope: Variables): Value {
    const first = this.run(expr.target!, scope);
    if (!(first instanceof Optional)) throw new CelError('no such overload');
    if (first.value !== undefined) return expr.name === 'or' ? first : first.value;
    return this.#call(overloads, [first, this.run(expr.args[0]!, scope)]);
  }

  #binary(expr: Binary, scope: Variables): Value {
    const left = this.run(expr.left, scope);
    const right = this.run(expr.right, scope);
    if (isLarge(right)) this.#budget.checkTime();
    const { operator } = expr;
    switch (operator) {
      case '==':
      case '!=':
        this.#budget.pay(isOpaque(left) ? 1 : comparing(actual(left), actual(right)));
        return equal(left, right) === (operator === '==');
      case 'in':
        this.#budget.pay(isList(right) ? right.length : 1);
        return contains(right, left);
      case '<':
      case '<=':
      case '>':
      case '>=': {
        this.#budget.pay(comparing(actual(left), actual(right)));
        const order = compare(left, right);
        if (Number.isNaN(left) || Number.isNaN(right)) return false;
        return operator === '<'
          ? order < 0
          : operator === '<='
            ? order <= 0
            : operator === '>'
              ? order > 0
              : order >= 0;
      }
      default:
        this.#budget.pay(
          operator === '+' && isCopied(left) ? traversal(exactly(sizeOf(left) + sizeOf(right))) : 1,
        );
        return arithmetic(operator, left, right);
    }
  }

  /** An error on one side does not matter when the other side decides. */
  #logical(left: Expr, right: Expr, { scope, decisive }: { scope: Variables; decisive: boolean }): boolean {
    let failure: unknown;
    for (const side of [left, right]) {
      try {
        const value = this.run(side, scope);
        if (typeof value !== 'boolean') throw new CelError('no such overload');
        if (value === decisive) return decisive;
      } catch (error) {
        if (!(error instanceof CelError) || error instanceof CostExceeded) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return !decisive;
  }

  #macro(expr: Macro, scope: Variables): Value {
    if (expr.name === 'has') return this.#has(expr.target, scope);
    const target = this.run(expr.target, scope);
    const [first = '', second] = expr.variables;
    const within =
      (a: Value, b?: Value): Variables =>
      (name) =>
        name === first ? a : name === second ? b : scope(name);
    if (expr.name === 'bind') {
      this.#budget.pay(LIST_COST);
      return this.run(expr.args[0]!, within(target));
    }
    if (expr.name === 'optMap' || expr.name === 'optFlatMap') {
      if (!(target instanceof Optional)) throw new CelError('no such overload');
      if (target.value === undefined) return NONE;
      this.#budget.pay(LIST_COST);
      const result = this.run(expr.args[0]!, within(target.value));
      return expr.name === 'optMap' ? new Optional(result) : result;
    }
    const items = itemsOf(target);
    this.#budget.checkTime();
    if (expr.name === 'sortBy') {
      const keys = this.#iterate(
        { ...expr, name: 'map' },
        items.map(([, value]) => within(value)),
        [],
        items,
      );
      return this.#call(this.#checked.calls.get(expr) ?? [], [target, keys]);
    }
    const scopes = items.map(([key, value]) =>
      second === undefined ? within(isList(target) ? value : key) : within(key, value),
    );
    return this.#iterate(
      expr,
      scopes,
      items.map(([key, value]) => (isList(target) ? value : key)),
      items,
    );
  }

  #iterate(
    expr: Macro,
    scopes: readonly Variables[],
    subjects: readonly Value[],
    items: readonly (readonly [Value, Value])[],
  ): Value {
    const { name, args } = expr;
    const { once, each } = ITERATIONS[name]!;
    this.#budget.pay(once);
    const [only, transform] = args.length === 2 ? [args[0]!, args[1]!] : [undefined, args[0]!];
    const test = (scope: Variables): boolean => this.#test(transform, scope, each);
    // What is left out still shows the result so far.
    const kept = (scope: Variables): boolean => {
      const isKept = only === undefined || this.#test(only, scope, 0);
      this.#budget.pay(isKept ? each : 1);
      return isKept;
    };
    switch (name) {
      case 'all':
      case 'exists':
        return quantified(scopes, test, name === 'exists');
      case 'existsOne':
        return scopes.filter(test).length === 1;
      case 'filter':
        return subjects.filter((_subject, index) => test(scopes[index]!));
      case 'map':
      case 'transformList':
        return scopes.flatMap((scope) => (kept(scope) ? [this.run(transform, scope)] : []));
      default: {
        const made = new LiteralMap();
        scopes.forEach((scope, index) => {
          if (!kept(scope)) return;
          const result = this.run(transform, scope);
          if (name === 'transformMap') return made.insert(items[index]![0], result);
          const entries = entriesOf(result);
          for (const key of entries?.keys ?? []) made.insert(key, entries!.get(key)!);
        });
        return made;
      }
    }
  }

  #test(predicate: Expr, scope: Variables, cost: number): boolean {
    this.#budget.pay(cost);
    const value = this.run(predicate, scope);
    if (typeof value !== 'boolean') throw new CelError('no such overload');
    return value;
  }

  #has(expr: Expr, scope: Variables): boolean {
    if (expr.op !== 'select') throw new CelError('invalid argument to has() macro');
    let operand = this.run(expr.operand, scope);
    if (operand instanceof Optional) {
      if (operand.value === undefined) return false;
      operand = operand.value;
    }
    const found = memberOf(operand, expr.field);
    // A field that is null is not there, a key is.
    return found !== undefined && (found !== null || !isObject(operand));
  }
}

function quantified(
  scopes: readonly Variables[],
  test: (scope: Variables) => boolean,
  decisive: boolean,
): boolean {
  let failure: unknown;
  for (const scope of scopes) {
    try {
      if (test(scope) === decisive) return decisive;
    } catch (error) {
      if (!(error instanceof CelError) || error instanceof CostExceeded) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return !decisive;
}

const isLarge = (value: Value): boolean => typeof value === 'object' || typeof value === 'string';

const isCopied = (value: Value): boolean =>
  typeof value === 'string' || value instanceof Uint8Array || isList(value);

function isFields(value: Value): value is MapValue | ObjectValue {
  return typeof value === 'object' && value !== null && (isMap(value) || isObject(value));
}

function memberOf(value: Value, field: string): Value | undefined {
  if (!isFields(value)) throw new CelError('no such overload');
  return 'isMap' in value ? value.get(field) : value.field(field);
}

function member(operand: Value, field: string, optional: boolean): Value {
  if (operand instanceof Optional) {
    if (operand.value === undefined) return NONE;
    const found = memberOf(operand.value, field);
    return found === undefined ? NONE : new Optional(found);
  }
  const found = memberOf(operand, field);
  if (optional) return found === undefined ? NONE : new Optional(found);
  if (found === undefined) throw new CelError(`no such key: ${field}`);
  return found;
}

function elementOf(operand: Value, index: Value): Value | undefined {
  if (isList(operand)) {
    const number = index instanceof Uint ? Number(index.value) : Number(index);
    if (typeof index === 'number' && !Number.isInteger(index))
      throw new CelError(`unsupported index value ${index} in list`);
    if (typeof index === 'string' || typeof index === 'boolean' || !Number.isInteger(number)) {
      throw new CelError(`unsupported index type '${typeName(index)}' in list`);
    }
    return operand[number];
  }
  if (!isFields(operand)) throw new CelError('no such overload');
  if ('isMap' in operand) return operand.get(index);
  return typeof index === 'string' ? operand.field(index) : undefined;
}

function element(operand: Value, index: Value, optional: boolean): Value {
  if (operand instanceof Optional) {
    if (operand.value === undefined) return NONE;
    const found = elementOf(operand.value, index);
    return found === undefined ? NONE : new Optional(found);
  }
  const found = elementOf(operand, index);
  if (optional) return found === undefined ? NONE : new Optional(found);
  if (found !== undefined) return found;
  throw new CelError(
    isList(operand) ? `index out of bounds: ${describe(index)}` : `no such key: ${describe(index)}`,
  );
}

function itemsOf(target: Value): readonly (readonly [Value, Value])[] {
  if (isList(target)) return target.map((value, index) => [BigInt(index), value]);
  const entries = entriesOf(target);
  if (entries === undefined) throw new CelError('no such overload');
  return entries.keys.map((key) => [key, entries.get(key)!]);
}

function contains(container: Value, value: Value): boolean {
  if (isList(container)) return container.some((item) => equal(item, value));
  if (!isFields(container)) throw new CelError('no such overload');
  if ('isMap' in container) return container.get(value) !== undefined;
  return typeof value === 'string' && container.field(value) !== undefined;
}

function unary(operator: '!' | '-', value: Value): Value {
  if (operator === '!' && typeof value === 'boolean') return !value;
  if (operator === '-' && typeof value === 'bigint') return checkedInt(-value);
  if (operator === '-' && typeof value === 'number') return -value;
  throw new CelError('no such overload');
}

function arithmetic(operator: string, a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return checkedInt(integer(operator, a, b));
  if (a instanceof Uint && b instanceof Uint) return checkedUint(integer(operator, a.value, b.value));
  if (typeof a === 'number' && typeof b === 'number') return double(operator, a, b);
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return a + b;
    if (isList(a) && isList(b)) return addedLists(a, b);
    if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.concat([a, b]);
    if (a instanceof Duration && b instanceof Duration) return new Duration(checkedInt(a.nanos + b.nanos));
    if (a instanceof Timestamp && b instanceof Duration) return checkedTimestamp(a.nanos + b.nanos, a.zone);
    if (a instanceof Duration && b instanceof Timestamp) return checkedTimestamp(a.nanos + b.nanos, b.zone);
  }
  if (operator === '-') {
    if (a instanceof Duration && b instanceof Duration) return new Duration(checkedInt(a.nanos - b.nanos));
    if (a instanceof Timestamp && b instanceof Duration) return checkedTimestamp(a.nanos - b.nanos, a.zone);
    if (a instanceof Timestamp && b instanceof Timestamp) return new Duration(checkedInt(a.nanos - b.nanos));
  }
  throw new CelError('no such overload');
}

function integer(operator: string, a: bigint, b: bigint): bigint {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      if (b === 0n) throw new CelError('division by zero');
      return a / b;
    default:
      if (b === 0n) throw new CelError('modulus by zero');
      checkedInt(a / b);
      return a % b;
  }
}

function double(operator: string, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    default:
      throw new CelError('no such overload');
  }
}
