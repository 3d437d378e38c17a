/** Whether rules can be evaluated at all and at what cost: asked once, when a definition is written. */
import { allowance } from '../cel/allowance.ts';
import { boundsOf, mostOften } from '../cel/bounds.ts';
import type { Environment } from '../cel/checker.ts';
import { estimateCost } from '../cel/estimate.ts';
import { CelError, compile, CompileError, environmentOf, type Program } from '../cel/program.ts';
import { typeOfSchema } from '../cel/schema-types.ts';
import { forbidden, invalid, type FieldError } from '../field-error.ts';
import type { JsonObject } from '../json.ts';
import { mentions } from '../cel/walk.ts';
import { variablesOf } from './rules.ts';
import type { CelRule, Structural } from './schema.ts';

/** One rule, times how often it may have to be evaluated; all rules of one version. */
const MAX_RULE_COST = 10_000_000;
const MAX_TOTAL_COST = 100_000_000;

/** Where the schema is wrong itself, or below, its rules are not read: `wrong` has what was found. */
export function checkRules(
  schema: Structural,
  path: string,
  wrong: readonly FieldError[] = [],
): FieldError[] {
  const check = new Check(wrong);
  check.visit(schema, { path, root: true, times: 1, uncorrelated: undefined });
  return [...check.errors, ...check.tooMuchTogether(path)];
}

interface Place {
  readonly path: string;
  readonly root: boolean;
  /** How many such values one object may hold; undefined when only the size of a request limits it. */
  readonly times: number | undefined;
  /** The path of what does not keep old and new apart. */
  readonly uncorrelated: string | undefined;
}

const ADVICE =
  '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';

function exceeding(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const shown = factor > 100 ? 'more than 100' : factor.toFixed(factor < 1.5 ? 6 : 1);
  return `${what} exceeds budget by factor of ${shown}x ${ADVICE}`;
}

/** How many times an element of it may be there, for each time that it is. */
function multiplied({ type, additional, checks }: Structural): number | undefined {
  if (type === 'array') return checks.maxItems;
  return type === 'object' && additional !== undefined ? checks.maxProperties : 1;
}

/** Of rules that cost too much together, so many are named: the dearest, and none that costs little. */
const NAMED = 4;
const LITTLE = MAX_TOTAL_COST / 100;

const MAP_TYPES: ReadonlySet<string> = new Set(['atomic', 'granular']);

class Check {
  readonly errors: FieldError[] = [];
  readonly #costs: { readonly path: string; readonly cost: number }[] = [];

  readonly #wrong: readonly FieldError[];
  readonly #allowance = allowance();

  constructor(wrong: readonly FieldError[]) {
    this.#wrong = wrong;
    this.#allowance?.begin();
  }

  tooMuchTogether(path: string): FieldError[] {
    const total = this.#costs.reduce((sum, { cost }) => sum + cost, 0);
    if (total <= MAX_TOTAL_COST) return [];
    const named = this.#costs
      .filter(({ cost }) => cost >= LITTLE)
      .toSorted((a, b) => b.cost - a.cost)
      .slice(0, NAMED);
    const contributed =
      'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema';
    const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
    return [
      ...named.map((one) => forbidden(one.path, contributed)),
      forbidden(path, exceeding(what, total, MAX_TOTAL_COST)),
    ];
  }

  visit(schema: Structural, place: Place): void {
    const { path } = place;
    const factor = multiplied(schema);
    const times = place.times === undefined || factor === undefined ? undefined : place.times * factor;
    const below = { times, root: false };
    const { uncorrelated } = place;
    if (typeof schema.additional === 'object')
      this.visit(schema.additional, { ...below, uncorrelated, path: `${path}.additionalProperties` });
    // Of a kind of maps that comes once, nobody knows how its old and new fields belong together.
    const isMapKnown = schema.mapType === undefined || MAP_TYPES.has(schema.mapType);
    const lost = uncorrelated ?? (isMapKnown ? undefined : path);
    for (const [name, child] of schema.properties) {
      this.visit(child, { ...below, uncorrelated: lost, path: `${path}.properties[${name}]` });
    }
    if (schema.items !== undefined) {
      const lost = uncorrelated ?? (schema.listType === 'map' ? undefined : path);
      this.visit(schema.items, { ...below, uncorrelated: lost, path: `${path}.items` });
    }
    if (this.#wrong.some(({ field }) => field.startsWith(path))) return;
    schema.rules.forEach((rule, index) =>
      this.#rule(schema, rule, { ...place, path: `${path}.x-kubernetes-validations[${index}]` }),
    );
  }

  #rule(schema: Structural, rule: CelRule, { path, root, times, uncorrelated }: Place): void {
    this.#allowance?.check();
    const environment = environmentOf(variablesOf(rule, typeOfSchema(schema, root)));
    const bounds = boundsOf(schema, root || schema.embedded);
    const weigh = (program: Program): number => estimateCost(program, () => bounds);
    try {
      const program = compile(rule.rule, environment, 'bool');
      const often = times ?? (bounds === undefined ? 1 : mostOften(bounds));
      this.#charge(weigh(program) * often, 'rule', path);
      this.#message(rule, { path, environment, weigh });
      const isTransition = mentions(program.expr, 'oldSelf');
      if (isTransition && uncorrelated !== undefined) {
        const why = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`;
        this.errors.push(invalid(`${path}.rule`, rule.rule, why));
      }
      if (rule.optionalOldSelf !== undefined && !isTransition) {
        const why = 'may not be set if oldSelf is not used in rule';
        this.errors.push(invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, why));
      }
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      this.errors.push(invalid(`${path}.rule`, shown(rule), problemOf(error)));
    }
  }

  #message(
    rule: CelRule,
    about: {
      readonly path: string;
      readonly environment: Environment;
      readonly weigh: (program: Program) => number;
    },
  ): void {
    const { messageExpression } = rule;
    if (messageExpression === '') return;
    const { path, environment, weigh } = about;
    try {
      this.#charge(weigh(compile(messageExpression, environment, 'string')), 'messageExpression', path);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      const why = `messageExpression ${problemOf(error)}`;
      this.errors.push(invalid(`${path}.messageExpression`, shown(rule), why));
    }
  }

  #charge(cost: number, what: 'rule' | 'messageExpression', path: string): void {
    this.#costs.push({ cost, path: `${path}.${what}` });
    if (cost > MAX_RULE_COST)
      this.errors.push(
        forbidden(`${path}.${what}`, exceeding(`estimated ${what} cost`, cost, MAX_RULE_COST)),
      );
  }
}

/** A rule that is wrong is shown whole. */
function shown({
  rule,
  message,
  messageExpression,
  reason,
  fieldPath,
  optionalOldSelf,
}: CelRule): JsonObject {
  return {
    Rule: rule,
    Message: message,
    MessageExpression: messageExpression,
    Reason: reason === '' ? null : reason,
    FieldPath: fieldPath,
    OptionalOldSelf: optionalOldSelf ?? null,
  };
}

function problemOf(error: CelError): string {
  return error instanceof CompileError ? `compilation failed: ${error.message}` : error.message;
}
