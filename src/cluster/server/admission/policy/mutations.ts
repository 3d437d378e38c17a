/** What a MutatingAdmissionPolicy's expression makes of one request. */
import { toJson } from '../../../api/cel/json-values.ts';
import { CelError } from '../../../api/cel/program.ts';
import type { JsonObject, JsonValue } from '../../../api/json.ts';
import { Evaluation, expressionsOf } from './expressions.ts';
import type { Facts } from './variables.ts';

export interface Mutation {
  readonly spec: JsonObject;
  readonly expression: string;
  readonly params?: JsonObject;
}

export type Mutated = { readonly value: JsonValue } | { readonly error: string };

/** A configuration, or the steps of a patch. */
export async function mutated({ spec, expression, params }: Mutation, facts: Facts): Promise<Mutated> {
  try {
    return { value: toJson(await valueOf(new Evaluation(expressionsOf(spec), facts, params), expression)) };
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return { error: error.message };
  }
}

async function valueOf(evaluation: Evaluation, expression: string): ReturnType<Evaluation['run']> {
  try {
    return await evaluation.run(expression);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new CelError(`expression '${expression}' resulted in error: ${error.message}`);
  }
}
