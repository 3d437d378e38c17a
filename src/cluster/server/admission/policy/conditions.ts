/** Match conditions of webhooks and policies: CEL expressions that must all hold. */
import { stringAt, type JsonObject } from '../../../api/json.ts';
import { allowance } from '../../../api/cel/allowance.ts';
import { Budget, CelError, compile, environmentOf, type Program } from '../../../api/cel/program.ts';
import type { Value } from '../../../api/cel/values.ts';
import { authorizationFunctions, Pending } from './authorizer.ts';
import { VARIABLES, type Facts } from './variables.ts';

/** A quarter of what all expressions of a request may cost. */
const CONDITIONS_BUDGET = 2_500_000;

const MAX_COMPILED = 2000;
const compiled = new Map<string, Program | CelError>();
let environment: ReturnType<typeof environmentOf> | undefined;

export function conditionEnvironment(): ReturnType<typeof environmentOf> {
  return (environment ??= environmentOf(VARIABLES, { functions: authorizationFunctions }));
}

function compiledCondition(text: string): Program {
  let found = compiled.get(text);
  if (found === undefined) {
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    try {
      found = compile(text, conditionEnvironment(), 'bool');
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      found = error;
    }
    compiled.set(text, found);
  }
  if (found instanceof CelError) throw found;
  return found;
}

/** Evaluates what may have to wait for decisions in between. */
export async function evaluated(
  program: Program,
  find: (name: string) => Value | undefined,
  budget: Budget,
): Promise<Value> {
  for (;;) {
    await budget.allowance?.next();
    try {
      return program.evaluate(find, budget);
    } catch (error) {
      if (!(error instanceof Pending)) throw error;
      await error.settled;
    }
  }
}

export type Matched = 'match' | 'no match' | { readonly error: string };

/** One that does not hold decides, whatever fails besides. */
export async function matched(conditions: readonly JsonObject[], facts: Facts): Promise<Matched> {
  const budget = new Budget(CONDITIONS_BUDGET, allowance());
  const failures: string[] = [];
  for (const condition of conditions) {
    const expression = stringAt(condition, 'expression');
    try {
      const result = await evaluated(compiledCondition(expression), facts, budget);
      if (result === false) return 'no match';
      if (result !== true) failures.push(`expression '${expression}' is not a bool`);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      failures.push(`expression '${expression}' resulted in error: ${error.message}`);
    }
  }
  return failures.length === 0 ? 'match' : { error: failures.join(', ') };
}
