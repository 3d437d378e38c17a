/** Expressions made ready: compiled once, evaluated often. */
import { allowance } from './allowance.ts';
import { CelError, CompileError } from './cel-error.ts';
import { check, type Checked, type Environment } from './checker.ts';
import type { Expr } from './ast.ts';
import { Functions, type Overload } from './functions.ts';
import { Budget } from './budget.ts';
import { evaluate, type Variables } from './interpreter.ts';
import { kubernetes, kubernetesTypes } from './library/kubernetes.ts';
import { lists } from './library/lists.ts';
import { net } from './library/net.ts';
import { goPattern } from './library/patterns.ts';
import { standard, standardTypes } from './library/standard.ts';
import { strings } from './library/strings.ts';
import { parse } from './parser.ts';
import { typeText, type CelType, type ObjectType } from './types.ts';
import { sizeOf, type Value } from './values.ts';
import { parts } from './walk.ts';

export interface Program {
  readonly text: string;
  readonly type: CelType;
  readonly expr: Expr;
  readonly checked: Checked;
  /** Throws CelError. */
  evaluate(variables: Variables, budget: Budget): Value;
}

/** What one expression may cost when it is evaluated, and all of one request together. */
export const PER_RULE = 1_000_000;
export const PER_REQUEST = 10_000_000;

/** Longer expressions are not read. */
const MAX_LENGTH = 100_000;

let all: Functions | undefined;
const LIBRARIES: readonly (readonly Overload[])[] = [standard, strings, lists, net, kubernetes];
const TYPES: ReadonlySet<string> = new Set([...standardTypes, ...kubernetesTypes]);

export function environmentOf(
  variables: ReadonlyMap<string, CelType>,
  more: {
    readonly functions?: readonly Overload[];
    readonly binds?: boolean;
    readonly struct?: (name: string) => ObjectType | 'open' | undefined;
  } = {},
): Environment {
  const { functions, binds, struct } = more;
  return {
    functions:
      functions === undefined
        ? (all ??= new Functions(...LIBRARIES))
        : new Functions(...LIBRARIES, functions),
    variables,
    types: TYPES,
    binds,
    ...(struct !== undefined && { struct }),
  };
}

/** Throws CompileError, and TooLong for a long text where there is an allowance; with `wanted`, also for an expression of another type. */
export function compile(text: string, environment: Environment, wanted?: 'bool' | 'string'): Program {
  if (text.length > MAX_LENGTH) checkLength(sizeOf(text));
  allowance()?.checkText(text);
  const expr = parse(text, environment);
  const checked = check(expr, text, environment);
  const { type } = checked;
  if (wanted !== undefined && type.kind !== wanted && type.kind !== 'dyn') {
    throw new CelError(`cel expression must evaluate to a ${wanted}`);
  }
  tryConversions(expr, checked);
  return {
    text,
    type,
    expr,
    checked,
    evaluate: (variables, budget) => evaluate(expr, checked, variables, budget),
  };
}

function checkLength(size: number): void {
  if (size <= MAX_LENGTH) return;
  const why = `expression code point size exceeds limit: size: ${size}, limit ${MAX_LENGTH}`;
  throw new CompileError(why, '', -1);
}

const CONVERSIONS: ReadonlySet<string> = new Set([
  'bool',
  'bytes',
  'double',
  'duration',
  'int',
  'string',
  'timestamp',
  'uint',
]);

/** What is written down is converted, and searched for, when the expression is made ready, and cannot be made ready if that fails. */
function tryConversions(expr: Expr, checked: Checked): void {
  for (const part of parts(expr)) tryConversions(part, checked);
  const overloads = checked.calls.get(expr);
  if (expr.op !== 'call' || overloads === undefined) return;
  const [first] = expr.args;
  if (first?.op !== 'constant') return;
  try {
    const { value } = first;
    if (typeof value === 'string' && overloads.some((overload) => overload.isPattern)) goPattern(value);
    else if (CONVERSIONS.has(expr.name) && expr.args.length === 1)
      evaluate(expr, checked, () => undefined, new Budget(PER_RULE));
  } catch (error) {
    if (error instanceof CelError) throw new CelError(`program instantiation failed: ${error.message}`);
    throw error;
  }
}

export { CelError, CompileError } from './cel-error.ts';
export { Budget } from './budget.ts';
export { typeText };
