/** Which of a policy's or a webhook's expressions do not compile, or are of another type than they are to be. */
import { allowance } from '../../../api/cel/allowance.ts';
import { CelError } from '../../../api/cel/program.ts';
import { substitute, typeText, type CelType } from '../../../api/cel/types.ts';
import type { JsonObject } from '../../../api/json.ts';
import { expressionsOf } from './expressions.ts';

export interface Texts {
  readonly spec: JsonObject;
  /** `wanted` are types as `typeText` has them, any when there are none. */
  readonly texts: readonly {
    readonly text: string;
    readonly wanted: readonly string[];
    /** It says what is wrong. */
    readonly isMessage: boolean;
  }[];
}

/** What is wrong with each; null where nothing is. */
export async function problemsIn({ spec, texts }: Texts): Promise<readonly (string | null)[]> {
  const problems: (string | null)[] = [];
  for (const { text, wanted, isMessage } of texts) {
    await allowance()?.next();
    const expressions = expressionsOf(spec);
    const program = isMessage ? expressions.compileMessage(text) : expressions.compile(text);
    problems.push(
      program instanceof CelError
        ? `compilation failed: ${program.message}`
        : problemWith(program.type, wanted),
    );
  }
  return problems;
}

/** What can be anything is not taken here, though it would be evaluated. */
function problemWith(type: CelType, wanted: readonly string[]): string | null {
  const is = typeText(substitute(type, new Map())).replaceAll(
    /\b(null|timestamp|duration)\b/g,
    (name) => FULL_NAMES[name] ?? name,
  );
  if (wanted.length === 0 || wanted.includes(is)) return null;
  const one = wanted.length === 1 ? wanted[0] : `one of [${wanted.join(' ')}]`;
  return `must evaluate to ${one} but got ${is}`;
}

/** Names that types have in what a policy's expressions come to, and not in what is wrong inside of them. */
const FULL_NAMES: Readonly<Record<string, string>> = {
  null: 'null_type',
  timestamp: 'google.protobuf.Timestamp',
  duration: 'google.protobuf.Duration',
};
