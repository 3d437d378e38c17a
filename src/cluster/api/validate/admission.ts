import { append } from '../../../base/append.ts';
import { duplicate, forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { child, formed, oneOf, tooMany } from './checks.ts';
import { validateConditions as validateStatusConditions } from './conditions.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dns1035Label, dns1123Subdomain, pathSegment, qualifiedName } from './names.ts';

export const MATCH_POLICIES = ['Equivalent', 'Exact'];
export const FAILURE_POLICIES = ['Fail', 'Ignore'];
const SCOPES = ['*', 'Cluster', 'Namespaced'];
const MAX_CONDITIONS = 64;

export function validateSelectors(holder: JsonObject, at: string): FieldError[] {
  return ['namespaceSelector', 'objectSelector'].flatMap((key) => {
    const selector = holder[key];
    return isJsonObject(selector) ? validateLabelSelector(selector, child(at, key)) : [];
  });
}

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

export function validateRule(rule: JsonObject, at: string): FieldError[] {
  const operations = listAt(rule, 'operations').map((item) => textOf(item));
  const errors = [
    ...listed(rule, 'operations', { at, what: 'operations' }),
    ...operations
      .map((operation, index) => ({ operation, index }))
      .filter(({ operation }) => !OPERATIONS.includes(operation))
      .map(({ operation, index }) => unsupported(`${at}.operations[${index}]`, operation, OPERATIONS)),
    ...listed(rule, 'apiGroups', { at, what: 'API groups' }),
    ...listed(rule, 'apiVersions', { at, what: 'API versions' }),
  ];
  for (const [index, version] of listAt(rule, 'apiVersions').entries()) {
    if (version === '') errors.push(required(`${at}.apiVersions[${index}]`));
  }
  append(errors, validateResources(rule, at));
  append(errors, oneOf(rule, 'scope', { field: at, supported: SCOPES, emptyToo: true }));
  return errors;
}

function listed(
  rule: JsonObject,
  key: string,
  { at, what }: { readonly at: string; readonly what: string },
): FieldError[] {
  const values = listAt(rule, key);
  if (values.length === 0) return [required(`${at}.${key}`)];
  return values.length > 1 && values.includes('*')
    ? [invalid(`${at}.${key}`, values, `if '*' is present, must not specify other ${what}`)]
    : [];
}

function validateResources(rule: JsonObject, at: string): FieldError[] {
  const resources = listAt(rule, 'resources').map((item) => textOf(item));
  const field = `${at}.resources`;
  if (resources.length === 0) return [required(field)];
  const [all, everywhere] = [new Set<string>(), new Set<string>()];
  // As upstream has it, the last resource without a subresource decides.
  let plain = false;
  const errors = resources.flatMap((name, index) => {
    const here = `${field}[${index}]`;
    const slash = name.indexOf('/');
    if (name === '') return [required(here)];
    if (slash === -1) {
      plain = name !== '*';
      return [];
    }
    const [resource, part] = [name.slice(0, slash), name.slice(slash + 1)];
    const covering = [
      ...(all.has(resource) ? [`${resource}/*`] : []),
      ...(everywhere.has(part) ? [`*/${part}`] : []),
    ];
    if (part === '*') all.add(resource);
    if (resource === '*') everywhere.add(part);
    return covering.map((wider) => invalid(here, name, `if '${wider}' is present, must not specify ${name}`));
  });
  if (resources.length > 1 && resources.includes('*/*')) {
    errors.push(invalid(field, resources, "if '*/*' is present, must not specify other resources"));
  }
  if (resources.includes('*') && plain) {
    const detail = "if '*' is present, must not specify other resources without subresources";
    errors.push(invalid(field, resources, detail));
  }
  return errors;
}

/** Conditions have names of their own; what their expressions mean is checked when they are compiled. */
export function validateConditions(holder: JsonObject, at: string): FieldError[] {
  const conditions = objectsAt(holder, 'matchConditions');
  const field = child(at, 'matchConditions');
  const names = new Set<string>();
  return [
    ...tooMany(field, conditions.length, MAX_CONDITIONS),
    ...conditions.flatMap((condition, index) => {
      const here = `${field}[${index}]`;
      const name = stringAt(condition, 'name');
      const errors: FieldError[] = [];
      if (stringAt(condition, 'expression').trim() === '') errors.push(required(`${here}.expression`));
      if (name === '') errors.push(required(`${here}.name`));
      else append(errors, formed(name, `${here}.name`, qualifiedName));
      if (name !== '' && names.has(name)) errors.push(duplicate(`${here}.name`, name));
      names.add(name);
      return errors;
    }),
  ];
}

const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];
const MAX_ANNOTATIONS = 20;
/** Less than an annotation may be long: expressions put texts together. */
const MAX_VALUE_EXPRESSION = 5 * 1024;

/** What its type checker says of it. */
export function validateValidatingPolicyStatus(policy: JsonObject): FieldError[] {
  const warnings = objectsAt(policy, 'status', 'typeChecking', 'expressionWarnings');
  return [
    ...warnings.flatMap((warning, index) =>
      ['warning', 'fieldRef']
        .filter((key) => stringAt(warning, key).trim() === '')
        .map((key) => required(`status.typeChecking.expressionWarnings[${index}].${key}`)),
    ),
    ...validateStatusConditions(policy),
  ];
}

export function validateValidatingPolicy(policy: JsonObject): FieldError[] {
  const spec = objectAt(policy, 'spec');
  const validations = objectsAt(spec, 'validations');
  const annotations = objectsAt(spec, 'auditAnnotations');
  const errors = validatePolicy(spec);
  if (validations.length + annotations.length === 0) {
    const detail = 'validations or auditAnnotations must contain at least one item';
    errors.push(required('spec.validations', detail), required('spec.auditAnnotations', detail));
  }
  for (const [index, validation] of validations.entries()) {
    append(errors, validateValidation(validation, `spec.validations[${index}]`));
  }
  if (annotations.length > MAX_ANNOTATIONS) {
    const detail = `must not have more than ${MAX_ANNOTATIONS} auditAnnotations`;
    errors.push(invalid('spec.auditAnnotations', [...annotations], detail));
  }
  const keys = new Set<string>();
  for (const [index, annotation] of annotations.entries()) {
    const at = `spec.auditAnnotations[${index}]`;
    const key = stringAt(annotation, 'key');
    const value = stringAt(annotation, 'valueExpression').trim();
    append(errors, formed(`${stringAt(policy, 'metadata', 'name')}/${key}`, `${at}.key`, qualifiedName));
    if (value === '') errors.push(required(`${at}.valueExpression`, 'valueExpression is not specified'));
    else if (Buffer.byteLength(value) > MAX_VALUE_EXPRESSION) {
      const detail = `must not exceed ${MAX_VALUE_EXPRESSION} bytes in length`;
      errors.push(required(`${at}.valueExpression`, detail));
    }
    if (keys.has(key)) errors.push(duplicate(`${at}.key`, key));
    keys.add(key);
  }
  return errors;
}

export function validateMutatingPolicy(policy: JsonObject): FieldError[] {
  const spec = objectAt(policy, 'spec');
  const mutations = objectsAt(spec, 'mutations');
  const errors = validatePolicy(spec, MUTABLE);
  if (mutations.length === 0) {
    errors.push(required('spec.mutations', 'mutations must contain at least one item'));
  }
  for (const [index, mutation] of mutations.entries()) {
    append(errors, validateMutation(mutation, `spec.mutations[${index}]`));
  }
  const supported = ['Never', 'IfNeeded'];
  return [...errors, ...oneOf(spec, 'reinvocationPolicy', { field: 'spec', supported, required: true })];
}

/** What is deleted is not changed. */
const MUTABLE = ['*', 'CONNECT', 'CREATE', 'UPDATE'];

function validateMutable(match: JsonObject, at: string, operations: readonly string[]): FieldError[] {
  return objectsAt(match, 'resourceRules')
    .flatMap((rule) => listAt(rule, 'operations').map((operation) => textOf(operation)))
    .filter((operation) => !operations.includes(operation))
    .map((operation) => unsupported(`${at}.resourceRules.operations`, operation, operations));
}

/** A kind of patch and the member with its expression. */
const PATCHES: Readonly<Record<string, string>> = {
  ApplyConfiguration: 'applyConfiguration',
  JSONPatch: 'jsonPatch',
};

function validateMutation(mutation: JsonObject, at: string): FieldError[] {
  const type = stringAt(mutation, 'patchType');
  if (type === '') return [required(`${at}.patchType`)];
  const expected = Object.hasOwn(PATCHES, type) ? PATCHES[type] : undefined;
  if (expected === undefined) return [unsupported(`${at}.patchType`, type, Object.keys(PATCHES))];
  const patch = mutation[expected];
  const errors: FieldError[] = [];
  if (!isJsonObject(patch)) {
    errors.push(required(`${at}.${expected}`, `must be specified when patchType is ${type}`));
  } else if (stringAt(patch, 'expression').trim() === '') {
    errors.push(required(`${at}.${expected}.expression`));
  }
  for (const other of Object.values(PATCHES)) {
    if (other === expected || mutation[other] === undefined) continue;
    const detail = `must not be specified when patchType is ${type}`;
    errors.push(invalid(`${at}.${other}`, `{${other}}`, detail));
  }
  return errors;
}

function validatePolicy(spec: JsonObject, operations = OPERATIONS): FieldError[] {
  const errors = oneOf(spec, 'failurePolicy', {
    field: 'spec',
    supported: FAILURE_POLICIES,
    required: true,
    emptyToo: true,
  });
  const { paramKind, matchConstraints } = spec;
  if (isJsonObject(paramKind)) append(errors, validateParamKind(paramKind));
  if (!isJsonObject(matchConstraints)) errors.push(required('spec.matchConstraints'));
  else {
    const at = 'spec.matchConstraints';
    append(errors, validateMatch(matchConstraints, at));
    if (listAt(matchConstraints, 'resourceRules').length === 0) {
      errors.push(required(`${at}.resourceRules`));
    }
    if (operations !== OPERATIONS) append(errors, validateMutable(matchConstraints, at, operations));
  }
  append(errors, validateConditions(spec, 'spec'));
  append(errors, validateVariables(spec));
  return errors;
}

function validateParamKind(kind: JsonObject): FieldError[] {
  const at = 'spec.paramKind';
  const version = stringAt(kind, 'apiVersion');
  const name = stringAt(kind, 'kind');
  const errors: FieldError[] = [];
  if (version === '') errors.push(required(`${at}.apiVersion`));
  else {
    const parts = version === '/' ? [''] : version.split('/');
    const [group = '', last = ''] = parts.length === 1 ? ['', parts[0]] : parts;
    const say = (value: string, ...why: readonly string[]): void => {
      if (why.length > 0) errors.push(invalid(`${at}.apiVersion`, value, why.join(',')));
    };
    if (parts.length > 2) say(version, `unexpected GroupVersion string: ${version}`);
    else {
      if (group !== '') say(group, ...dns1123Subdomain(group));
      if (last === '') say(version, 'version must be specified');
      else say(last, ...dns1035Label(last));
    }
  }
  if (name === '') errors.push(required(`${at}.kind`));
  else {
    const why = dns1035Label(name.toLowerCase());
    if (why.length > 0) {
      const detail = `may have mixed case, but should otherwise match: ${why.join(',')}`;
      errors.push(invalid(`${at}.kind`, name, detail));
    }
  }
  return errors;
}

function validateMatch(match: JsonObject, at: string): FieldError[] {
  const errors = [
    ...oneOf(match, 'matchPolicy', { field: at, supported: MATCH_POLICIES, required: true, emptyToo: true }),
    ...validateSelectors(match, at),
  ];
  for (const key of ['resourceRules', 'excludeResourceRules']) {
    for (const [index, rule] of objectsAt(match, key).entries()) {
      const here = `${at}.${key}[${index}]`;
      const names = listAt(rule, 'resourceNames').map((name) => textOf(name));
      for (const [position, name] of names.entries()) {
        const nameAt = `${here}.resourceNames[${position}]`;
        append(errors, formed(name, nameAt, pathSegment));
        if (names.indexOf(name) < position) errors.push(duplicate(nameAt, name));
      }
      append(errors, validateRule(rule, here));
    }
  }
  return errors;
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Words that the language of expressions keeps to itself. */
const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

function validateVariables(spec: JsonObject): FieldError[] {
  return objectsAt(spec, 'variables').flatMap((variable, index) => {
    const at = `spec.variables[${index}]`;
    const name = stringAt(variable, 'name');
    const errors: FieldError[] = [];
    if (name.trim() === '') errors.push(required(`${at}.name`, 'name is not specified'));
    else if (!IDENTIFIER.test(name) || RESERVED.has(name)) {
      errors.push(invalid(`${at}.name`, name, 'must be a valid CEL identifier'));
    }
    if (stringAt(variable, 'expression').trim() === '') {
      errors.push(required(`${at}.expression`, 'expression is not specified'));
    }
    return errors;
  });
}

function validateValidation(validation: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const [expression, said, spoken] = (['expression', 'message', 'messageExpression'] as const).map((key) =>
    stringAt(validation, key),
  ) as [string, string, string];
  const blank = 'must be non-empty if specified';
  if (expression.trim() === '') errors.push(required(`${at}.expression`, 'expression is not specified'));
  if (spoken !== '' && spoken.trim() === '') errors.push(invalid(`${at}.messageExpression`, spoken, blank));
  if (said !== '' && said.trim() === '') errors.push(invalid(`${at}.message`, said, blank));
  else if (/[\n\r]/.test(said.trim())) {
    errors.push(invalid(`${at}.message`, said, 'must not contain line breaks'));
  }
  return [...errors, ...oneOf(validation, 'reason', { field: at, supported: REASONS, emptyToo: true })];
}

export function validateMutatingBinding(binding: JsonObject): FieldError[] {
  const match = objectAt(binding, 'spec', 'matchResources');
  return [...validateBinding(binding), ...validateMutable(match, 'spec.matchResources', MUTABLE)];
}

function validateBinding(binding: JsonObject): FieldError[] {
  const spec = objectAt(binding, 'spec');
  const { paramRef, matchResources } = spec;
  const policy = stringAt(spec, 'policyName');
  const errors =
    policy === '' ? [required('spec.policyName')] : formed(policy, 'spec.policyName', dns1123Subdomain);
  if (isJsonObject(paramRef)) append(errors, validateParamRef(paramRef));
  if (isJsonObject(matchResources)) append(errors, validateMatch(matchResources, 'spec.matchResources'));
  return errors;
}

export function validateValidatingBinding(binding: JsonObject): FieldError[] {
  const at = 'spec.validationActions';
  const actions = listAt(binding, 'spec', 'validationActions').map((action) => textOf(action));
  const errors = validateBinding(binding);
  const supported = ['Audit', 'Deny', 'Warn'];
  for (const [index, action] of actions.entries()) {
    if (!supported.includes(action)) errors.push(unsupported(`${at}[${index}]`, action, supported));
    if (actions.indexOf(action) < index) errors.push(duplicate(`${at}[${index}]`, action));
  }
  if (actions.includes('Deny') && actions.includes('Warn')) {
    const detail =
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
    errors.push(invalid(at, actions, detail));
  }
  if (actions.length === 0) errors.push(required(at, 'at least one validation action is required'));
  return errors;
}

function validateParamRef(reference: JsonObject): FieldError[] {
  const at = 'spec.paramRef';
  const name = stringAt(reference, 'name');
  const { selector } = reference;
  const both = 'name and selector are mutually exclusive';
  const errors: FieldError[] = [];
  if (name !== '') append(errors, formed(name, `${at}.name`, pathSegment));
  if (name !== '' && isJsonObject(selector)) errors.push(forbidden(`${at}.name`, both));
  if (isJsonObject(selector)) append(errors, validateLabelSelector(selector, `${at}.selector`));
  if (name !== '' && isJsonObject(selector)) errors.push(forbidden(`${at}.selector`, both));
  if (name === '' && !isJsonObject(selector)) {
    errors.push(required(at, 'one of name or selector must be specified'));
  }
  const supported = ['Deny', 'Allow'];
  return [
    ...errors,
    ...oneOf(reference, 'parameterNotFoundAction', { field: at, supported, required: true }),
  ];
}
