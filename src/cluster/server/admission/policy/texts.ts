/** Which of a policy's or a webhook's expressions do not compile. */
import { allowance } from '../../../api/cel/allowance.ts';
import { CelError } from '../../../api/cel/program.ts';
import type { JsonObject } from '../../../api/json.ts';
import { expressionsOf } from './expressions.ts';

export interface Texts {
  readonly spec: JsonObject;
  readonly texts: readonly { readonly text: string; readonly wanted?: 'bool' | 'string' }[];
}

/** Why not, for each; null where it does. */
export async function problemsIn({ spec, texts }: Texts): Promise<readonly (string | null)[]> {
  const problems: (string | null)[] = [];
  for (const { text, wanted } of texts) {
    await allowance()?.next();
    const program = expressionsOf(spec).compile(text, wanted);
    problems.push(program instanceof CelError ? program.message : null);
  }
  return problems;
}
