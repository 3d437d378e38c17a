/** A policy's expressions, compiled: its variables are seen by everything after them. */
import { allowance } from '../../../api/cel/allowance.ts';
import { fn } from '../../../api/cel/functions.ts';
import {
  Budget,
  CelError,
  compile,
  environmentOf,
  PER_REQUEST,
  type Program,
} from '../../../api/cel/program.ts';
import { CostExceeded } from '../../../api/cel/cel-error.ts';
import { fromJson } from '../../../api/cel/json-values.ts';
import { DYN, STRING, type CelType, type Field, type ObjectType } from '../../../api/cel/types.ts';
import type { ObjectValue, Value } from '../../../api/cel/values.ts';
import { objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { authorizationFunctions } from './authorizer.ts';
import { evaluated } from './conditions.ts';
import { VARIABLES, type Facts } from './variables.ts';

const PATCH: ObjectType = {
  kind: 'object',
  name: 'JSONPatch',
  fields: new Map<string, Field>([
    ['op', { property: 'op', type: STRING }],
    ['path', { property: 'path', type: STRING }],
    ['from', { property: 'from', type: STRING }],
    ['value', { property: 'value', type: DYN }],
  ]),
};

const functions = [
  ...authorizationFunctions,
  fn('jsonpatch.escapeKey', [STRING], STRING, (key: string) =>
    key.replaceAll('~', '~0').replaceAll('/', '~1'),
  ),
];

/** `Object{…}`, `Object.spec{…}`: what a configuration consists of is checked when it is merged. */
function structOf(name: string): ObjectType | 'open' | undefined {
  if (name === 'JSONPatch') return PATCH;
  return name === 'Object' || name.startsWith('Object.') ? 'open' : undefined;
}

export type Compiled = Program | CelError;

export interface Expressions {
  readonly variables: ReadonlyMap<string, Compiled>;
  compile(text: string, wanted?: 'bool' | 'string'): Compiled;
  /** A text that says what is wrong, which asks nobody what is allowed. */
  compileMessage(text: string): Compiled;
}

function compiledIn(
  environment: ReturnType<typeof environmentOf>,
  text: string,
  wanted?: 'bool' | 'string',
): Compiled {
  try {
    return compile(text, environment, wanted);
  } catch (error) {
    if (error instanceof CelError) return error;
    throw error;
  }
}

const known = new WeakMap<JsonObject, Expressions>();

/** `types` say more of `object` and `params` than that they can be anything: for warnings, not for evaluation. */
export function expressionsOf(spec: JsonObject, types?: ReadonlyMap<string, CelType>): Expressions {
  const found = types === undefined ? known.get(spec) : undefined;
  if (found !== undefined) return found;
  const fields = new Map<string, Field>();
  const all = new Map<string, CelType>([
    ...VARIABLES,
    // Without a kind of parameters there is none.
    ...(spec['paramKind'] === undefined ? [] : [['params', DYN] as const]),
    ['variables', { kind: 'object', name: 'kubernetes.variables', fields }],
    ...(types ?? []),
  ]);
  const environment = environmentOf(all, { functions, struct: structOf });
  const cache = new Map<string, Compiled>();
  const compiled = (text: string, wanted?: 'bool' | 'string'): Compiled => {
    const key = `${wanted ?? ''} ${text}`;
    let result = cache.get(key);
    if (result === undefined) {
      result = compiledIn(environment, text, wanted);
      cache.set(key, result);
    }
    return result;
  };
  const compileMessage = (text: string): Compiled => {
    const some = new Map([...all].filter(([name]) => !name.startsWith('authorizer')));
    return compiledIn(environmentOf(some, { functions, struct: structOf }), text);
  };
  const variables = new Map<string, Compiled>();
  for (const variable of objectsAt(spec, 'variables')) {
    const name = stringAt(variable, 'name');
    const program = compiled(stringAt(variable, 'expression'));
    variables.set(name, program);
    fields.set(name, { property: name, type: program instanceof CelError ? DYN : program.type });
  }
  const made = { variables, compile: compiled, compileMessage };
  if (types === undefined) known.set(spec, made);
  return made;
}

/** One evaluation of a policy: the facts of the request, a parameter, and a budget for everything. */
export class Evaluation {
  readonly #expressions: Expressions;
  readonly #budget = new Budget(PER_REQUEST, allowance());
  readonly #find: (name: string) => Value | undefined;

  constructor(expressions: Expressions, facts: Facts, params: JsonObject | undefined) {
    this.#expressions = expressions;
    const values = new Map<string, Value>();
    const variables: ObjectValue = {
      isObject: true,
      typeName: 'kubernetes.variables',
      names: () => [...expressions.variables.keys()],
      field: (name) => {
        const done = values.get(name);
        if (done !== undefined) return done;
        const program = expressions.variables.get(name);
        if (program === undefined) return undefined;
        if (program instanceof CelError) throw program;
        const value = this.#composited(name, program);
        values.set(name, value);
        return value;
      },
    };
    const given: Value = params === undefined ? null : fromJson(params);
    this.#find = (name) => (name === 'params' ? given : name === 'variables' ? variables : facts(name));
  }

  #composited(name: string, program: Program): Value {
    try {
      return program.evaluate(this.#find, this.#budget);
    } catch (error) {
      if (!(error instanceof CelError) || error instanceof CostExceeded) throw error;
      throw new CelError(`composited variable ${JSON.stringify(name)} fails to evaluate: ${error.message}`);
    }
  }

  /** Throws CelError. */
  async run(text: string, wanted?: 'bool' | 'string'): Promise<Value> {
    const program = this.#expressions.compile(text, wanted);
    if (program instanceof CelError) throw program;
    return await evaluated(program, this.#find, this.#budget);
  }
}
