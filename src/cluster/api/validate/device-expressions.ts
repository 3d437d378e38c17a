/** Expressions that select devices: about one `device`, true or false (KEP-4381). */
import { CelError, compile, environmentOf } from '../cel/program.ts';
import { QUANTITY } from '../cel/library/kubernetes.ts';
import { BOOL, DYN, map, STRING, typeText, type CelType, type Field } from '../cel/types.ts';

const field = (property: string, type: CelType): [string, Field] => [property, { property, type }];

/** By domain, then by name. */
const named = (value: CelType): CelType => map(STRING, map(STRING, value));

const DEVICE: CelType = {
  kind: 'object',
  name: 'kubernetes.DRADevice',
  fields: new Map([
    field('driver', STRING),
    field('allowMultipleAllocations', BOOL),
    field('attributes', named(DYN)),
    field('capacity', named(QUANTITY)),
  ]),
};

const environment = environmentOf(new Map([['device', DEVICE]]));

/** What is wrong with an expression, if anything is. */
export function deviceExpressionProblem(expression: string): string | undefined {
  try {
    const { type } = compile(expression, environment);
    if (type.kind === 'bool' || type.kind === 'dyn') return undefined;
    return `must evaluate to bool or the unknown type, not ${typeText(type)}`;
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return `compilation failed: ${error.message}`;
  }
}
