/** ResourceAttributes and NonResourceAttributes (authorization.k8s.io/v1): checked, and as what an authorizer is asked. */
import { forbidden, invalid, required, type FieldError } from '../../api/field-error.ts';
import { listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { parseLabelSelector } from '../../api/label-selector-text.ts';
import {
  parseFieldSelector,
  type FieldTerm,
  type LabelOperator,
  type LabelRequirement,
} from '../../api/selector.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { Attributes } from '../authorization/authorizer.ts';

const SELECTORS = ['fieldSelector', 'labelSelector'] as const;

export function attributeProblems(spec: JsonObject): FieldError[] {
  const on = spec['resourceAttributes'];
  const path = spec['nonResourceAttributes'];
  if (on !== undefined && path !== undefined) {
    const why = 'cannot be specified in combination with resourceAttributes';
    return [invalid('spec.nonResourceAttributes', path, why)];
  }
  if (on === undefined && path === undefined) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    return [invalid('spec.resourceAttributes', undefined, why)];
  }
  return SELECTORS.flatMap((name) => selectorProblems(spec, name));
}

function selectorProblems(spec: JsonObject, name: (typeof SELECTORS)[number]): FieldError[] {
  const at = `spec.resourceAttributes.${name}`;
  if (objectAt(spec, 'resourceAttributes')[name] === undefined) return [];
  const selector = objectAt(spec, 'resourceAttributes', name);
  const raw = stringAt(selector, 'rawSelector');
  const requirements = objectsAt(selector, 'requirements');
  if (raw !== '' && requirements.length > 0) {
    return [invalid(`${at}.rawSelector`, raw, 'may not specified at the same time as requirements')];
  }
  if (raw === '' && requirements.length === 0) {
    return [
      required(`${at}.requirements`, `when ${at} is specified, requirements or rawSelector is required`),
    ];
  }
  return requirements.flatMap((requirement, i) =>
    requirementProblems(requirement, `${at}.requirements[${i}]`),
  );
}

/** Operators that are not known are let be: newer clients may have more of them. */
function requirementProblems(requirement: JsonObject, at: string): FieldError[] {
  const values = listAt(requirement, 'values');
  const operator = stringAt(requirement, 'operator');
  const problems: FieldError[] = [];
  if (stringAt(requirement, 'key') === '') problems.push(required(`${at}.key`, 'must be specified'));
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
    problems.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  }
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
    problems.push(
      forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
    );
  }
  return problems;
}

export function askedFor(user: UserInfo, spec: JsonObject): Attributes {
  const path = objectAt(spec, 'nonResourceAttributes');
  const on = objectAt(spec, 'resourceAttributes');
  return {
    user,
    verb: stringAt(on, 'verb') || stringAt(path, 'verb'),
    ...(spec['nonResourceAttributes'] !== undefined && { path: stringAt(path, 'path') }),
    group: stringAt(on, 'group'),
    version: stringAt(on, 'version'),
    resource: stringAt(on, 'resource'),
    subresource: stringAt(on, 'subresource'),
    namespace: stringAt(on, 'namespace'),
    name: stringAt(on, 'name'),
    ...(on['fieldSelector'] !== undefined && { fieldSelector: fieldTerms(objectAt(on, 'fieldSelector')) }),
    ...(on['labelSelector'] !== undefined && {
      labelSelector: labelRequirements(objectAt(on, 'labelSelector')),
    }),
  };
}

/** What cannot be read narrows nothing: leaving it out asks for more, and so can only be refused more often. */
function fieldTerms(selector: JsonObject): readonly FieldTerm[] {
  const raw = stringAt(selector, 'rawSelector');
  if (raw !== '') return readable(() => parseFieldSelector(raw));
  return objectsAt(selector, 'requirements').flatMap((requirement): FieldTerm[] => {
    const [value, ...more] = listAt(requirement, 'values');
    const operator = stringAt(requirement, 'operator');
    if (typeof value !== 'string' || more.length > 0 || (operator !== 'In' && operator !== 'NotIn'))
      return [];
    return [{ field: stringAt(requirement, 'key'), operator: operator === 'In' ? '=' : '!=', value }];
  });
}

const OPERATORS: readonly LabelOperator[] = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

function labelRequirements(selector: JsonObject): readonly LabelRequirement[] {
  const raw = stringAt(selector, 'rawSelector');
  if (raw !== '') return readable(() => parseLabelSelector(raw).requirements);
  return objectsAt(selector, 'requirements').flatMap((requirement): LabelRequirement[] => {
    const operator = OPERATORS.find((one) => one === requirement['operator']);
    const values = listAt(requirement, 'values').filter((value) => typeof value === 'string');
    return operator === undefined ? [] : [{ key: stringAt(requirement, 'key'), operator, values }];
  });
}

function readable<T>(parse: () => readonly T[]): readonly T[] {
  try {
    return parse();
  } catch {
    return [];
  }
}
