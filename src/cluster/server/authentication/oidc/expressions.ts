/** CEL over the claims of a token, and over the user that they make (KEP-3331). */
import { fromJson } from '../../../api/cel/json-values.ts';
import {
  CelError,
  Budget,
  compile,
  environmentOf,
  PER_REQUEST,
  type Program,
} from '../../../api/cel/program.ts';
import { DYN, list, map, STRING, type CelType } from '../../../api/cel/types.ts';
import { isList, type Value } from '../../../api/cel/values.ts';
import type { JsonObject } from '../../../api/json.ts';
import type { UserInfo } from '../../../api/transport.ts';

const CLAIMS = map(STRING, DYN);
const USER: CelType = {
  kind: 'object',
  name: 'kubernetes.UserInfo',
  fields: new Map<string, { property: string; type: CelType }>([
    ['username', { property: 'username', type: STRING }],
    ['uid', { property: 'uid', type: STRING }],
    ['groups', { property: 'groups', type: list(STRING) }],
    ['extra', { property: 'extra', type: map(STRING, list(STRING)) }],
  ]),
};
const ENVIRONMENTS = {
  claims: environmentOf(new Map([['claims', CLAIMS]])),
  user: environmentOf(new Map([['user', USER]])),
};

/** Throws CelError in upstream's words; with `bool`, also for an expression of another type. */
export function compileFor(text: string, about: 'claims' | 'user', wanted?: 'bool'): Program {
  let program: Program;
  try {
    program = compile(text, ENVIRONMENTS[about]);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new CelError(`compilation failed: ${error.message}`);
  }
  if (wanted !== undefined && program.type.kind !== wanted) throw new CelError(`must evaluate to ${wanted}`);
  return program;
}

/** Evaluates all that one token gives rise to, within one budget. */
export class Evaluator {
  readonly #budget = new Budget(PER_REQUEST);
  readonly #claims: Value;

  constructor(claims: JsonObject) {
    this.#claims = fromJson(claims, CLAIMS);
  }

  /** Throws CelError. */
  ofClaims(program: Program): Value {
    return program.evaluate((name) => (name === 'claims' ? this.#claims : undefined), this.#budget);
  }

  ofUser(program: Program, { name, uid = '', groups, extra = {} }: UserInfo): Value {
    const json = {
      username: name,
      uid,
      groups: [...groups],
      extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
    };
    const user = fromJson(json, USER);
    return program.evaluate((variable) => (variable === 'user' ? user : undefined), this.#budget);
  }
}

/** A text or a list of texts; empty ones do not count. Undefined for anything else. */
export function textsOf(value: Value): readonly string[] | undefined {
  if (value === null) return [];
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (!isList(value)) return undefined;
  const texts = value.filter((item) => typeof item === 'string');
  return texts.length === value.length ? texts.filter((text) => text !== '') : undefined;
}

/** Whether the expression looks at that claim: `claims.email`, `claims.?email`. */
export function looksAt(program: Program, claim: string): boolean {
  return selects(program.expr, claim);
}

function selects(node: unknown, claim: string): boolean {
  if (Array.isArray(node)) return node.some((item) => selects(item, claim));
  if (typeof node !== 'object' || node === null) return false;
  const { op, field, operand } = node as { op?: unknown; field?: unknown; operand?: unknown };
  if (op === 'select' && field === claim) {
    const { op: inner, name } = operand as { op?: unknown; name?: unknown };
    if (inner === 'ident' && name === 'claims') return true;
  }
  return Object.values(node).some((item) => selects(item, claim));
}
