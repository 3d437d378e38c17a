/** ResourceAttributes and NonResourceAttributes (authorization.k8s.io/v1): checked, and as what an authorizer is asked. */
import { append } from '../../../base/append.ts';
import { forbidden, invalid, required, type FieldError } from '../../api/field-error.ts';
import { listAt, objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../../api/json.ts';
import { parseLabelSelector } from '../../api/label-selector-text.ts';
import {
  parseFieldSelector,
  type FieldTerm,
  type LabelOperator,
  type LabelRequirement,
} from '../../api/selector.ts';
import type { UserInfo } from '../../api/transport.ts';
import { labelValue, qualifiedName } from '../../api/validate/names.ts';
import type { Attributes } from '../authorization/authorizer.ts';
import type { KubeObject } from '../object.ts';

const SELECTORS = ['fieldSelector', 'labelSelector'] as const;

/** What is refused of SubjectAccessReview and its like; only the one of a namespace has any metadata. */
export function reviewProblems({ kind, metadata, spec = {} }: KubeObject): FieldError[] {
  const on = spec['resourceAttributes'];
  const path = spec['nonResourceAttributes'];
  const local = kind === 'LocalSubjectAccessReview';
  const problems: FieldError[] = [];
  if (on !== undefined && path !== undefined) {
    const why = 'cannot be specified in combination with resourceAttributes';
    problems.push(invalid('spec.nonResourceAttributes', shown(spec), why));
  }
  if (on === undefined && path === undefined) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    problems.push(invalid('spec.resourceAttributes', undefined, why));
  }
  const anybody = stringAt(spec, 'user') !== '' || listAt(spec, 'groups').length > 0;
  if (kind !== 'SelfSubjectAccessReview' && !anybody) {
    problems.push(invalid('spec.user', '', 'at least one of user or group must be specified'));
  }
  append(
    problems,
    SELECTORS.flatMap((name) => selectorProblems(spec, name)),
  );
  const { managedFields: _fields, ...said } = metadata;
  if (Object.keys(said).some((field) => !local || field !== 'namespace')) {
    const why = local ? 'must be empty except for namespace' : 'must be empty';
    problems.push(invalid('metadata', metadata, why));
  }
  if (!local) return problems;
  const namespace = stringAt(spec, 'resourceAttributes', 'namespace');
  if (on !== undefined && namespace !== (metadata.namespace ?? '')) {
    const at = 'spec.resourceAttributes.namespace';
    problems.push(invalid(at, namespace, 'must match metadata.namespace'));
  }
  if (path !== undefined) {
    const why = 'disallowed on this kind of request';
    problems.push(invalid('spec.nonResourceAttributes', shown(spec), why));
  }
  return problems;
}

/** As upstream shows its own form of it, which has Go's names. */
function shown(spec: JsonObject): JsonObject {
  const path = objectAt(spec, 'nonResourceAttributes');
  return { Path: stringAt(path, 'path'), Verb: stringAt(path, 'verb') };
}

function selectorProblems(spec: JsonObject, name: (typeof SELECTORS)[number]): FieldError[] {
  const at = `spec.resourceAttributes.${name}`;
  if (objectAt(spec, 'resourceAttributes')[name] === undefined) return [];
  const selector = objectAt(spec, 'resourceAttributes', name);
  const raw = stringAt(selector, 'rawSelector');
  const requirements = objectsAt(selector, 'requirements');
  const problems: FieldError[] = [];
  if (raw !== '' && requirements.length > 0) {
    const why = 'may not specified at the same time as requirements';
    problems.push(invalid(`${at}.rawSelector`, raw, why));
  }
  if (raw === '' && requirements.length === 0) {
    const why = `when ${at} is specified, requirements or rawSelector is required`;
    problems.push(required(`${at}.requirements`, why));
  }
  const look = name === 'fieldSelector' ? fieldProblems : labelProblems;
  append(
    problems,
    requirements.flatMap((requirement, i) => look(requirement, `${at}.requirements[${i}]`)),
  );
  return problems;
}

function fieldProblems(requirement: JsonObject, at: string): FieldError[] {
  const key = stringAt(requirement, 'key');
  return [
    ...(key === '' ? [required(`${at}.key`, 'must be specified')] : []),
    ...valueProblems(requirement, at),
  ];
}

function labelProblems(requirement: JsonObject, at: string): FieldError[] {
  const key = stringAt(requirement, 'key');
  return [
    ...valueProblems(requirement, at),
    ...qualifiedName(key).map((why) => invalid(`${at}.key`, key, why)),
    ...listAt(requirement, 'values').flatMap((value, i) =>
      labelValue(textOf(value)).map((why) => invalid(`${at}.values[${i}]`, value, why)),
    ),
  ];
}

/** Operators that are not known are let be: newer clients may have more of them. */
function valueProblems(requirement: JsonObject, at: string): FieldError[] {
  const values = listAt(requirement, 'values');
  const operator = stringAt(requirement, 'operator');
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
    return [required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'")];
  }
  return (operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0
    ? [forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")]
    : [];
}

/** What the answer says of selectors that could not be read, wholly or in part. */
export function unreadSelectors(spec: JsonObject): string[] {
  const on = objectAt(spec, 'resourceAttributes');
  return SELECTORS.flatMap((name) => {
    if (on[name] === undefined) return [];
    const selector = objectAt(on, name);
    const read = name === 'fieldSelector' ? fieldTerms(selector) : labelRequirements(selector);
    const raw = stringAt(selector, 'rawSelector');
    const unread =
      raw === '' ? read.length < listAt(selector, 'requirements').length : !isReadable(name, raw);
    if (!unread) return [];
    const part = read.length > 0 ? 'partially ignored' : 'ignored';
    return [`spec.resourceAttributes.${name} ${part} due to parse error`];
  });
}

function isReadable(name: (typeof SELECTORS)[number], raw: string): boolean {
  try {
    if (name === 'fieldSelector') parseFieldSelector(raw);
    else parseLabelSelector(raw);
    return true;
  } catch {
    return false;
  }
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
