/** Whether rules can be evaluated at all and at what cost: asked once, when a definition is written. */
import { CelError, environmentOf, compile } from '../cel/program.ts';
import { estimateCost, mostElements } from '../cel/estimate.ts';
import { typeOfSchema } from '../cel/schema-types.ts';
import { forbidden, invalid, type FieldError } from '../field-error.ts';
import { compileRule, mentions, variablesOf } from './rules.ts';
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
  if (check.total > MAX_TOTAL_COST) {
    const factor = factorText(check.total / MAX_TOTAL_COST);
    check.errors.push(
      forbidden(
        path,
        `x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of ${factor} ${ADVICE}`,
      ),
    );
  }
  return check.errors;
}

interface Place {
  readonly path: string;
  readonly root: boolean;
  /** How many such values one object may hold. */
  readonly times: number;
  /** The path of the list that keeps old and new items apart. */
  readonly uncorrelated: string | undefined;
}

const ADVICE =
  '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';

function factorText(factor: number): string {
  return factor > 100 ? 'more than 100x' : `${(Math.ceil(factor * 10) / 10).toFixed(1)}x`;
}

class Check {
  readonly errors: FieldError[] = [];
  total = 0;
  readonly #wrong: readonly FieldError[];

  constructor(wrong: readonly FieldError[]) {
    this.#wrong = wrong;
  }

  visit(schema: Structural, place: Place): void {
    const isRead = !this.#wrong.some(({ field }) => field.startsWith(place.path));
    if (isRead) {
      schema.rules.forEach((rule, index) =>
        this.#rule(schema, rule, { ...place, path: `${place.path}.x-kubernetes-validations[${index}]` }),
      );
    }
    for (const [name, child] of schema.properties) {
      this.visit(child, { ...place, root: false, path: `${place.path}.properties[${name}]` });
    }
    const times = place.times * Math.max(1, Math.min(mostElements(schema), Number.MAX_SAFE_INTEGER));
    if (schema.items !== undefined) {
      const path = `${place.path}.items`;
      const uncorrelated = place.uncorrelated ?? (schema.listType === 'map' ? undefined : place.path);
      this.visit(schema.items, { path, root: false, times, uncorrelated });
    }
    if (typeof schema.additional === 'object') {
      this.visit(schema.additional, {
        ...place,
        root: false,
        times,
        path: `${place.path}.additionalProperties`,
      });
    }
  }

  #rule(schema: Structural, rule: CelRule, { path, root, times, uncorrelated }: Place): void {
    const self = typeOfSchema(schema, root);
    try {
      const program = compile(rule.rule, environmentOf(variablesOf(rule, self)), 'bool');
      const isTransition = mentions(program.expr, 'oldSelf');
      if (isTransition && uncorrelated !== undefined) {
        this.errors.push(
          invalid(
            `${path}.rule`,
            rule.rule,
            `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`,
          ),
        );
      }
      if (rule.optionalOldSelf !== undefined && !isTransition) {
        const detail = 'may not be set if oldSelf is not used in rule';
        this.errors.push(invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, detail));
      }
      const sizes = new Map([
        ['self', schema],
        ['oldSelf', schema],
      ]);
      this.#charge(estimateCost(program, sizes) * times, `${path}.rule`);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      this.errors.push(invalid(`${path}.rule`, rule.rule, `compilation failed: ${error.message}`));
      return;
    }
    if (rule.messageExpression === '') return;
    try {
      compileRule(rule, schema, root);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      this.errors.push(
        invalid(
          `${path}.messageExpression`,
          rule.messageExpression,
          `messageExpression compilation failed: ${error.message}`,
        ),
      );
    }
  }

  #charge(cost: number, path: string): void {
    this.total += cost;
    if (cost <= MAX_RULE_COST) return;
    const factor = factorText(cost / MAX_RULE_COST);
    this.errors.push(forbidden(path, `estimated rule cost exceeds budget by factor of ${factor} ${ADVICE}`));
  }
}
