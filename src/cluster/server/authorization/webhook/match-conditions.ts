/** Match conditions of an authorization webhook: CEL over the SubjectAccessReviewSpec (KEP-3221). */
import {
  Budget,
  CelError,
  compile,
  environmentOf,
  PER_REQUEST,
  typeText,
  type Program,
} from '../../../api/cel/program.ts';
import { fromJson } from '../../../api/cel/json-values.ts';
import { list, map, STRING, type CelType, type ObjectType } from '../../../api/cel/types.ts';
import type { JsonObject } from '../../../api/json.ts';
import { conditionRequest } from './review-spec.ts';

function objectOf(name: string, fields: Readonly<Record<string, CelType>>): ObjectType {
  return {
    kind: 'object',
    name: `kubernetes.${name}`,
    fields: new Map(Object.entries(fields).map(([property, type]) => [property, { property, type }])),
  };
}

const REQUIREMENT = objectOf('SelectorRequirement', { key: STRING, operator: STRING, values: list(STRING) });
const selector = (name: string): ObjectType =>
  objectOf(name, { rawSelector: STRING, requirements: list(REQUIREMENT) });

const REQUEST = objectOf('SubjectAccessReviewSpec', {
  resourceAttributes: objectOf('ResourceAttributes', {
    namespace: STRING,
    verb: STRING,
    group: STRING,
    version: STRING,
    resource: STRING,
    subresource: STRING,
    name: STRING,
    fieldSelector: selector('FieldSelectorAttributes'),
    labelSelector: selector('LabelSelectorAttributes'),
  }),
  nonResourceAttributes: objectOf('NonResourceAttributes', { path: STRING, verb: STRING }),
  user: STRING,
  groups: list(STRING),
  extra: map(STRING, list(STRING)),
  uid: STRING,
});

const environment = environmentOf(new Map([['request', REQUEST]]));

/** Throws CelError with upstream's words. */
export function compileCondition(text: string): Program {
  let program: Program;
  try {
    program = compile(text, environment);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new CelError(`compilation failed: ${error.message}`);
  }
  if (program.type.kind !== 'bool') {
    throw new CelError(`must evaluate to bool but got ${typeText(program.type)}`);
  }
  return program;
}

/** One that does not hold decides, whatever fails besides. */
export function conditionsHold(
  conditions: readonly Program[],
  spec: JsonObject,
): boolean | { readonly error: string } {
  const request = fromJson(conditionRequest(spec), REQUEST);
  const budget = new Budget(PER_REQUEST);
  const errors: string[] = [];
  for (const condition of conditions) {
    try {
      if (condition.evaluate((name) => (name === 'request' ? request : undefined), budget) !== true)
        return false;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      errors.push(`cel evaluation error: expression '${condition.text}' resulted in error: ${error.message}`);
    }
  }
  if (errors.length === 0) return true;
  return { error: errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]` };
}
