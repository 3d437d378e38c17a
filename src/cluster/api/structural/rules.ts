/** x-kubernetes-validations at work: rules of every level of a schema, on every value that it describes (KEP-2876). */
import { allowance } from '../cel/allowance.ts';
import { CostExceeded } from '../cel/cel-error.ts';
import {
  CelError,
  Budget,
  compile,
  environmentOf,
  PER_REQUEST,
  PER_RULE,
  type Program,
} from '../cel/program.ts';
import { fromJson } from '../cel/json-values.ts';
import { typeOfSchema } from '../cel/schema-types.ts';
import { optional, type CelType } from '../cel/types.ts';
import { NONE, Optional, type Value } from '../cel/values.ts';
import { mentions } from '../cel/walk.ts';
import { duplicate, forbidden, invalid, required, type FieldError } from '../field-error.ts';
import { getOwn, isJsonObject, jsonEqual, type JsonValue } from '../json.ts';
import { lazily } from '../lazily.ts';
import { keysOf } from './list-keys.ts';
import type { CelRule, Structural } from './schema.ts';

export interface CompiledRule {
  readonly rule: CelRule;
  readonly program: Program;
  readonly message: Program | undefined;
  readonly isTransition: boolean;
}

export function compileRule(rule: CelRule, schema: Structural, root: boolean): CompiledRule {
  const environment = environmentOf(variablesOf(rule, typeOfSchema(schema, root)));
  const program = compile(rule.rule, environment, 'bool');
  return {
    rule,
    program,
    message:
      rule.messageExpression === '' ? undefined : compile(rule.messageExpression, environment, 'string'),
    isTransition: mentions(program.expr, 'oldSelf'),
  };
}

export function variablesOf(rule: CelRule, self: CelType): ReadonlyMap<string, CelType> {
  return new Map([
    ['self', self],
    ['oldSelf', rule.optionalOldSelf === true ? optional(self) : self],
  ]);
}

interface Level {
  readonly rules: readonly (CompiledRule | { readonly rule: CelRule; readonly error: string })[];
  readonly type: CelType;
}

/** Checks objects against all rules; undefined when there are none. */
export type RuleCheck = (value: JsonValue, old: JsonValue | undefined) => FieldError[];

/** Rules are compiled when the first value comes to which they apply. */
export function ruleCheck(schema: Structural, root = true): RuleCheck | undefined {
  if (!schema.hasRules) return undefined;
  const levels = new Map<Structural, Level>();
  const levelOf = (level: Structural): Level =>
    levels.getOrInsertComputed(level, () => compileLevel(level, root && level === schema));
  return (value, old) => {
    const run = new Run(levelOf);
    run.visit(schema, { value, old, path: '' });
    return run.errors;
  };
}

function compileLevel(schema: Structural, root: boolean): Level {
  // What says nothing is refused where definitions are.
  const said = schema.rules.filter(({ rule }) => rule.trim() !== '');
  const rules = said.map((rule) => {
    try {
      return compileRule(rule, schema, root);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      return { rule, error: error.message };
    }
  });
  return { rules, type: typeOfSchema(schema, root) };
}

type Variables = (name: string) => Value | undefined;

interface Complaints {
  readonly broken: (why: string) => void;
  readonly failed: (why: string) => void;
}

const OUT_OF_BUDGET =
  'validation failed due to running out of cost budget, no further validation rules will be run';

interface Place {
  readonly value: JsonValue;
  /** What was there before an update, where it can be told. */
  readonly old: JsonValue | undefined;
  readonly path: string;
}

class Run {
  readonly errors: FieldError[] = [];
  readonly #request = new Budget(PER_REQUEST);
  readonly #allowance = allowance();
  readonly #levelOf: (schema: Structural) => Level;
  #exhausted = false;

  constructor(levelOf: (schema: Structural) => Level) {
    this.#levelOf = levelOf;
    this.#allowance?.begin();
  }

  visit(schema: Structural, place: Place): void {
    const { value, old, path } = place;
    if (value === null || this.#exhausted || !schema.hasRules) return;
    if (schema.rules.length > 0) this.#applyRules(schema, place);
    if (Array.isArray(value)) {
      if (schema.items?.hasRules !== true) return;
      const counterpart = counterparts(schema, old);
      for (const [index, item] of value.entries()) {
        this.visit(schema.items, { value: item, old: counterpart(item), path: `${path}[${index}]` });
      }
      return;
    }
    if (!isJsonObject(value)) return;
    for (const name of Object.keys(value)) {
      const known = schema.properties.get(name);
      const below = known ?? schema.additional;
      const child = getOwn(value, name);
      if (typeof below !== 'object' || !below.hasRules || child === undefined) continue;
      const before = isJsonObject(old) ? getOwn(old, name) : undefined;
      const at = known !== undefined || path === '' ? joined(path, name) : `${path}[${name}]`;
      this.visit(below, { value: child, old: before, path: at });
    }
  }

  #applyRules(schema: Structural, { value, old, path }: Place): void {
    this.#allowance?.check();
    const { rules, type } = this.#levelOf(schema);
    const self = lazily(() => fromJson(value, type));
    const before = lazily(() => (old === undefined || old === null ? undefined : fromJson(old, type)));
    const unchanged = old !== undefined && jsonEqual(value, old);
    for (const compiled of rules) {
      const { rule } = compiled;
      const complaints: Complaints = {
        broken: (why) => void this.errors.push(errorOf(rule, { path, value, why })),
        // What could not be asked says nothing about the value.
        failed: (why) => void this.errors.push(invalid(path || '<nil>', schema.type, why)),
      };
      if ('error' in compiled) {
        complaints.failed(`rule compile error: ${compiled.error}`);
        continue;
      }
      const hasOld = old !== undefined && old !== null;
      if (compiled.isTransition && !hasOld && rule.optionalOldSelf !== true) continue;
      // Nobody has made it worse.
      if (unchanged && !compiled.isTransition) continue;
      const variables = (name: string): Value | undefined => {
        if (name === 'self') return self();
        if (name !== 'oldSelf') return undefined;
        const present = before();
        if (rule.optionalOldSelf !== true) return present;
        return present === undefined ? NONE : new Optional(present);
      };
      this.#evaluate(compiled, variables, complaints);
      if (this.#exhausted) return;
    }
  }

  #evaluate({ rule, program, message }: CompiledRule, variables: Variables, complaints: Complaints): void {
    const budget = new Budget(PER_RULE, this.#allowance);
    try {
      const result = program.evaluate(variables, budget);
      if (!this.#pay(budget)) complaints.failed(OUT_OF_BUDGET);
      else if (result !== true) complaints.broken(this.#messageOf(rule, message, variables));
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      if (!this.#pay(budget)) complaints.failed(OUT_OF_BUDGET);
      else complaints.failed(failureText(error, rule));
      if (error instanceof CostExceeded) this.#exhausted = true;
    }
  }

  /** For one expression from what the request has; false when that is not enough, and nothing more is to be evaluated. */
  #pay(budget: Budget): boolean {
    try {
      this.#request.pay(PER_RULE - Math.max(budget.left, 0));
      return true;
    } catch {
      this.#exhausted = true;
      return false;
    }
  }

  #messageOf(rule: CelRule, message: Program | undefined, variables: Variables): string {
    if (message !== undefined) {
      const budget = new Budget(PER_RULE, this.#allowance);
      try {
        const text = message.evaluate(variables, budget);
        this.#pay(budget);
        // What cannot be shown on one line, and what says nothing, is replaced.
        if (typeof text === 'string' && text.trim() !== '' && !text.includes('\n') && text.length <= 5120) {
          return text.trim();
        }
      } catch (error) {
        if (!(error instanceof CelError)) throw error;
      }
    }
    return rule.message === '' ? `failed rule: ${rule.rule.trim()}` : rule.message.trim();
  }
}

function failureText(error: CelError, rule: CelRule): string {
  const named = rule.message === '' ? rule.rule.trim() : rule.message.trim();
  const why = error.message;
  if (why.startsWith('no such overload')) {
    return `'${why}': call arguments did not match a supported operator, function or macro signature for rule: ${named}`;
  }
  if (why.startsWith('operation cancelled')) {
    return `'${why}': no further validation rules will be run due to call cost exceeds limit for rule: ${named}`;
  }
  return `${why} evaluating rule: ${named}`;
}

interface Failed {
  readonly path: string;
  readonly value: JsonValue;
  readonly why: string;
}

function errorOf(rule: CelRule, { path, value, why }: Failed): FieldError {
  const field = `${path}${rule.fieldPath}`.replace(/^\./, '');
  // What consists of others is not shown.
  const hides = typeof value === 'object';
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return forbidden(field, why);
    case 'FieldValueRequired':
      return required(field, why);
    case 'FieldValueDuplicate':
      return { ...duplicate(field, value), hidesValue: hides };
    default:
      return { ...invalid(field === '' ? '<nil>' : field, value, why), hidesValue: hides };
  }
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** The items of a list before the update: only lists with keys can tell. */
function counterparts(
  { listType, listMapKeys, items }: Structural,
  old: JsonValue | undefined,
): (item: JsonValue) => JsonValue | undefined {
  if (listType !== 'map' || !Array.isArray(old)) return () => undefined;
  const keyOf = (item: JsonValue): string => JSON.stringify(keysOf(item, listMapKeys, items));
  const byKey = Map.groupBy(old, keyOf);
  return (item) => {
    const same = isJsonObject(item) ? byKey.get(keyOf(item)) : undefined;
    return same?.length === 1 ? same[0] : undefined;
  };
}
