/** Expressions that select devices: about one `device`, true or false (KEP-4381). */
import type { Bounds } from '../cel/bounds.ts';
import { estimateCost } from '../cel/estimate.ts';
import { CelError, compile, CompileError, environmentOf } from '../cel/program.ts';
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

const environment = environmentOf(new Map([['device', DEVICE]]), { binds: true });

/** So many domains and names, and characters of a domain, a name, a driver and a value. */
const MOST = { entries: 32, domain: 63, name: 32, driver: 63, value: 64 };
const bounded = (most: number): Bounds => ({ most, bytes: 1 });
const VALUE = bounded(MOST.value);

function mapBounds(element: Bounds, keys: number): Bounds {
  // Every field of attributes is one of them.
  const field = (): Bounds | undefined => (element === VALUE ? VALUE : undefined);
  return { most: MOST.entries, bytes: 2, element, key: bounded(keys), field };
}

const namedBounds = (value: Bounds): Bounds => mapBounds(mapBounds(value, MOST.name), MOST.domain);

const BOUNDS: ReadonlyMap<string, Bounds> = new Map([
  ['driver', bounded(MOST.driver)],
  ['allowMultipleAllocations', bounded(1)],
  ['attributes', namedBounds(VALUE)],
  ['capacity', namedBounds(bounded(0))],
]);

const DEVICE_BOUNDS: Bounds = { most: 0, bytes: 2, field: (name) => BOUNDS.get(name) };
const MAX_COST = 1_000_000;
/** It is right, and may take too long. */
export const TOO_DEAR: unique symbol = Symbol('too dear');

/** What is wrong with an expression, if anything is. */
export function deviceExpressionProblem(expression: string): string | typeof TOO_DEAR | undefined {
  try {
    const program = compile(expression, environment);
    const { type } = program;
    if (type.kind !== 'bool' && type.kind !== 'dyn')
      return `must evaluate to bool or the unknown type, not ${typeText(type)}`;
    const cost = estimateCost(program, (name) => (name === 'device' ? DEVICE_BOUNDS : undefined));
    return cost > MAX_COST ? TOO_DEAR : undefined;
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return error instanceof CompileError ? `compilation failed: ${error.message}` : error.message;
  }
}
