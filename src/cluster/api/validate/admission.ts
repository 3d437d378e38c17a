import { duplicate, forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import {
  isJsonObject,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { child, formed, oneOf, tooMany } from './checks.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dns1035Label, dns1123Label, dns1123Subdomain, pathSegment, qualifiedName } from './names.ts';

const MATCH_POLICIES = ['Equivalent', 'Exact'];
const FAILURE_POLICIES = ['Fail', 'Ignore'];
const REINVOCATION = ['IfNeeded', 'Never'];
const REVIEW_VERSIONS = ['v1', 'v1beta1'];
const SCOPES = ['*', 'Cluster', 'Namespaced'];
const MAX_CONDITIONS = 64;

export function validateValidatingWebhooks(configuration: JsonObject): FieldError[] {
  return validateWebhooks(configuration, () => []);
}

export function validateMutatingWebhooks(configuration: JsonObject): FieldError[] {
  return validateWebhooks(configuration, (webhook, at) =>
    oneOf(webhook, 'reinvocationPolicy', { field: at, supported: REINVOCATION }),
  );
}

function validateWebhooks(
  configuration: JsonObject,
  more: (webhook: JsonObject, at: string) => FieldError[],
): FieldError[] {
  const names = new Set<string>();
  return objectsAt(configuration, 'webhooks').flatMap((webhook, index) => {
    const at = `webhooks[${index}]`;
    const name = stringAt(webhook, 'name');
    const errors = [...validateWebhook(webhook, at), ...more(webhook, at)];
    if (name !== '' && names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    return errors;
  });
}

function validateWebhook(webhook: JsonObject, at: string): FieldError[] {
  const errors = [
    ...validateReviewVersions(webhook, at),
    ...fullyQualified(stringAt(webhook, 'name'), `${at}.name`),
    ...objectsAt(webhook, 'rules').flatMap((rule, index) => validateRule(rule, `${at}.rules[${index}]`)),
    ...oneOf(webhook, 'failurePolicy', { field: at, supported: FAILURE_POLICIES }),
    ...oneOf(webhook, 'matchPolicy', { field: at, supported: MATCH_POLICIES }),
  ];
  const effects = webhook['sideEffects'];
  const supported = ['None', 'NoneOnDryRun'];
  if (effects === undefined) {
    errors.push(required(`${at}.sideEffects`, `must specify one of ${supported.join(', ')}`));
  } else errors.push(...oneOf(webhook, 'sideEffects', { field: at, supported }));
  const seconds = numberAt(webhook, 'timeoutSeconds');
  if (seconds !== undefined && (seconds > 30 || seconds < 1)) {
    const detail = 'the timeout value must be between 1 and 30 seconds';
    errors.push(invalid(`${at}.timeoutSeconds`, seconds, detail));
  }
  errors.push(
    ...validateSelectors(webhook, at),
    ...validateClient(objectAt(webhook, 'clientConfig'), `${at}.clientConfig`),
    ...validateConditions(webhook, at),
  );
  return errors;
}

function fullyQualified(name: string, at: string): FieldError[] {
  if (name === '') return [required(at)];
  const errors = formed(name, at, dns1123Subdomain);
  if (errors.length === 0 && name.split('.').length < 3) {
    return [invalid(at, name, 'should be a domain with at least three segments separated by dots')];
  }
  return errors;
}

function validateReviewVersions(webhook: JsonObject, at: string): FieldError[] {
  const field = `${at}.admissionReviewVersions`;
  const versions = listAt(webhook, 'admissionReviewVersions').map((version) => textOf(version));
  const known = REVIEW_VERSIONS.join(', ');
  if (versions.length === 0) return [required(field, `must specify one of ${known}`)];
  const errors = versions.flatMap((version, index) => {
    const here = `${field}[${index}]`;
    if (versions.indexOf(version) < index) return [invalid(here, version, 'duplicate version')];
    return formed(version, here, dns1035Label);
  });
  if (!versions.some((version) => REVIEW_VERSIONS.includes(version))) {
    errors.push(invalid(field, versions, `must include at least one of ${known}`));
  }
  return errors;
}

function validateSelectors(holder: JsonObject, at: string): FieldError[] {
  return ['namespaceSelector', 'objectSelector'].flatMap((key) => {
    const selector = holder[key];
    return isJsonObject(selector) ? validateLabelSelector(selector, child(at, key)) : [];
  });
}

/** How a webhook is reached: also for conversion, audit and the like. */
export function validateClient(client: JsonObject, at: string): FieldError[] {
  const { url, service } = client;
  if ((url === undefined) === (service === undefined)) {
    return [required(at, 'exactly one of url or service is required')];
  }
  return typeof url === 'string'
    ? validateUrl(url, `${at}.url`)
    : validateService(objectAt(client, 'service'), `${at}.service`);
}

const WANTED_URL = '; desired format: https://host[/path]';

function validateUrl(text: string, at: string): FieldError[] {
  const url = URL.parse(text);
  if (url === null) {
    const detail = `url must be a valid URL: parse ${JSON.stringify(text)}: invalid URI for request${WANTED_URL}`;
    return [required(at, detail)];
  }
  const errors: FieldError[] = [];
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'https') {
    errors.push(invalid(at, scheme, `'https' is the only allowed URL scheme${WANTED_URL}`));
  }
  if (url.host === '') errors.push(invalid(at, url.host, `host must be specified${WANTED_URL}`));
  if (url.username !== '') {
    errors.push(invalid(at, url.username, 'user information is not permitted in the URL'));
  }
  if (url.hash !== '') {
    errors.push(invalid(at, url.hash.slice(1), 'fragments are not permitted in the URL'));
  }
  if (url.search !== '') {
    errors.push(invalid(at, url.search.slice(1), 'query parameters are not permitted in the URL'));
  }
  return errors;
}

function validateService(service: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  if (stringAt(service, 'name') === '') errors.push(required(`${at}.name`, 'service name is required'));
  if (stringAt(service, 'namespace') === '') {
    errors.push(required(`${at}.namespace`, 'service namespace is required'));
  }
  const port = numberAt(service, 'port') ?? 443;
  if (port < 1 || port > 65_535) {
    const detail = 'port is not valid: must be between 1 and 65535, inclusive';
    errors.push(invalid(`${at}.port`, port, detail));
  }
  const { path } = service;
  if (typeof path !== 'string') return errors;
  if (!path.startsWith('/')) errors.push(invalid(`${at}.path`, path, "must start with a '/'"));
  else if (path !== '/') {
    const steps = path.slice(1).split('/');
    for (const [index, step] of steps.entries()) {
      if (step === '' && index === steps.length - 1) continue;
      if (step === '') errors.push(invalid(`${at}.path`, path, `segment[${index}] may not be empty`));
      else {
        errors.push(
          ...dns1123Subdomain(step).map((why) => invalid(`${at}.path`, path, `segment[${index}]: ${why}`)),
        );
      }
    }
  }
  return errors;
}

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

function validateRule(rule: JsonObject, at: string): FieldError[] {
  const operations = listAt(rule, 'operations').map((item) => textOf(item));
  const errors = [
    ...listed(rule, 'operations', { at, what: 'operations' }),
    ...operations
      .map((operation, index) => ({ operation, index }))
      .filter(({ operation }) => !OPERATIONS.includes(operation))
      .map(({ operation, index }) => unsupported(`${at}.operations[${index}]`, operation, OPERATIONS)),
    ...listed(rule, 'apiGroups', { at, what: 'API groups' }),
    ...listed(rule, 'apiVersions', { at, what: 'API versions' }),
    ...listed(rule, 'resources', { at, what: undefined }),
  ];
  for (const [index, version] of listAt(rule, 'apiVersions').entries()) {
    if (version === '') errors.push(required(`${at}.apiVersions[${index}]`));
  }
  errors.push(...validateResources(rule, at), ...oneOf(rule, 'scope', { field: at, supported: SCOPES }));
  return errors;
}

function listed(
  rule: JsonObject,
  key: string,
  { at, what }: { readonly at: string; readonly what: string | undefined },
): FieldError[] {
  const values = listAt(rule, key);
  if (values.length === 0) return [required(`${at}.${key}`)];
  return what !== undefined && values.length > 1 && values.includes('*')
    ? [invalid(`${at}.${key}`, values, `if '*' is present, must not specify other ${what}`)]
    : [];
}

function validateResources(rule: JsonObject, at: string): FieldError[] {
  const resources = listAt(rule, 'resources').map((item) => textOf(item));
  const field = `${at}.resources`;
  if (resources.includes('*/*') && resources.length > 1) {
    return [invalid(field, resources, "if '*/*' is present, must not specify other resources")];
  }
  return resources.flatMap((name, index) => {
    const [resource = '', subresource] = name.split('/');
    const here = `${field}[${index}]`;
    const others = resources.filter((other) => other !== name);
    if (name === '') return [required(here)];
    if (subresource === '*' && resource !== '*' && others.some((other) => other.startsWith(`${resource}/`))) {
      return [invalid(here, name, `if '${resource}/*' is present, must not specify ${name}`)];
    }
    if (resource === '*' && subresource === undefined && others.some((other) => !other.includes('/'))) {
      return [
        invalid(field, resources, "if '*' is present, must not specify other resources without subresources"),
      ];
    }
    return [];
  });
}

/** Conditions have names of their own; what their expressions mean is checked when they are compiled. */
function validateConditions(holder: JsonObject, at: string): FieldError[] {
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
      else errors.push(...formed(name, `${here}.name`, qualifiedName));
      if (name !== '' && names.has(name)) errors.push(duplicate(`${here}.name`, name));
      names.add(name);
      return errors;
    }),
  ];
}

const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'];

export function validateValidatingPolicy(policy: JsonObject): FieldError[] {
  const spec = objectAt(policy, 'spec');
  const validations = objectsAt(spec, 'validations');
  const annotations = objectsAt(spec, 'auditAnnotations');
  const errors = validatePolicy(spec);
  if (validations.length + annotations.length === 0) {
    const detail = 'validations or auditAnnotations must be set';
    errors.push(required('spec.validations', detail), required('spec.auditAnnotations', detail));
  }
  for (const [index, validation] of validations.entries()) {
    errors.push(...validateValidation(validation, `spec.validations[${index}]`));
  }
  const keys = new Set<string>();
  for (const [index, annotation] of annotations.entries()) {
    const at = `spec.auditAnnotations[${index}]`;
    const key = stringAt(annotation, 'key');
    errors.push(...formed(`${stringAt(policy, 'metadata', 'name')}/${key}`, `${at}.key`, qualifiedName));
    if (keys.has(key)) errors.push(duplicate(`${at}.key`, key));
    keys.add(key);
    if (stringAt(annotation, 'valueExpression').trim() === '') {
      errors.push(required(`${at}.valueExpression`, 'valueExpression is not specified'));
    }
  }
  return errors;
}

export function validateMutatingPolicy(policy: JsonObject): FieldError[] {
  const spec = objectAt(policy, 'spec');
  const mutations = objectsAt(spec, 'mutations');
  const errors = [
    ...validatePolicy(spec),
    ...oneOf(spec, 'reinvocationPolicy', { field: 'spec', supported: REINVOCATION, required: true }),
  ];
  if (mutations.length === 0) {
    errors.push(required('spec.mutations', 'mutations must contain at least one item'));
  }
  for (const [index, mutation] of mutations.entries()) {
    errors.push(...validateMutation(mutation, `spec.mutations[${index}]`));
  }
  return errors;
}

/** A kind of patch and the member with its expression. */
const PATCHES: Readonly<Record<string, string>> = {
  ApplyConfiguration: 'applyConfiguration',
  JSONPatch: 'jsonPatch',
};

function validateMutation(mutation: JsonObject, at: string): FieldError[] {
  const type = stringAt(mutation, 'patchType');
  if (type === '') return [required(`${at}.patchType`)];
  const expected = PATCHES[type];
  if (expected === undefined) return [unsupported(`${at}.patchType`, type, Object.keys(PATCHES))];
  const errors = Object.values(PATCHES)
    .filter((other) => other !== expected && mutation[other] !== undefined)
    .map((other) => invalid(`${at}.${other}`, `{...}`, `must not be set when patchType is ${type}`));
  const patch = mutation[expected];
  if (!isJsonObject(patch)) {
    return [...errors, required(`${at}.${expected}`, `must be specified when patchType is ${type}`)];
  }
  if (stringAt(patch, 'expression').trim() === '') {
    errors.push(required(`${at}.${expected}.expression`, 'expression is not specified'));
  }
  return errors;
}

function validatePolicy(spec: JsonObject): FieldError[] {
  const errors = oneOf(spec, 'failurePolicy', {
    field: 'spec',
    supported: FAILURE_POLICIES,
    required: true,
  });
  const { paramKind, matchConstraints } = spec;
  if (isJsonObject(paramKind)) errors.push(...validateParamKind(paramKind));
  if (!isJsonObject(matchConstraints)) errors.push(required('spec.matchConstraints'));
  else {
    const at = 'spec.matchConstraints';
    errors.push(...validateMatch(matchConstraints, at));
    if (listAt(matchConstraints, 'resourceRules').length === 0) {
      errors.push(required(`${at}.resourceRules`));
    }
  }
  errors.push(...validateConditions(spec, 'spec'), ...validateVariables(spec));
  return errors;
}

function validateParamKind(kind: JsonObject): FieldError[] {
  const at = 'spec.paramKind';
  const version = stringAt(kind, 'apiVersion');
  const name = stringAt(kind, 'kind');
  const errors: FieldError[] = [];
  if (version === '') errors.push(required(`${at}.apiVersion`));
  else {
    const parts = version.split('/');
    const [last = ''] = parts.slice(-1);
    if (parts.length > 2) {
      const detail = `invalid apiVersion: unexpected GroupVersion string: ${version}`;
      errors.push(invalid(`${at}.apiVersion`, version, detail));
    } else errors.push(...formed(last, `${at}.apiVersion`, dns1035Label));
  }
  if (name === '') errors.push(required(`${at}.kind`));
  else {
    errors.push(
      ...dns1035Label(name.toLowerCase()).map((why) =>
        invalid(`${at}.kind`, name, `may have mixed case, but should otherwise match: ${why}`),
      ),
    );
  }
  return errors;
}

function validateMatch(match: JsonObject, at: string): FieldError[] {
  const errors = [
    ...oneOf(match, 'matchPolicy', { field: at, supported: MATCH_POLICIES, required: true }),
    ...validateSelectors(match, at),
  ];
  for (const key of ['resourceRules', 'excludeResourceRules']) {
    for (const [index, rule] of objectsAt(match, key).entries()) {
      const here = `${at}.${key}[${index}]`;
      errors.push(...validateRule(rule, here));
      const names = listAt(rule, 'resourceNames').map((name) => textOf(name));
      for (const [position, name] of names.entries()) {
        const nameAt = `${here}.resourceNames[${position}]`;
        errors.push(...formed(name, nameAt, pathSegment));
        if (names.indexOf(name) < position) errors.push(duplicate(nameAt, name));
      }
    }
  }
  return errors;
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

function validateVariables(spec: JsonObject): FieldError[] {
  const names = new Set<string>();
  return objectsAt(spec, 'variables').flatMap((variable, index) => {
    const at = `spec.variables[${index}]`;
    const name = stringAt(variable, 'name');
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`, 'name is not specified'));
    else if (!IDENTIFIER.test(name)) {
      errors.push(invalid(`${at}.name`, name, 'name is not a valid CEL identifier'));
    }
    if (name !== '' && names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    if (stringAt(variable, 'expression').trim() === '') {
      errors.push(required(`${at}.expression`, 'expression is not specified'));
    }
    return errors;
  });
}

function validateValidation(validation: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const { message, messageExpression } = validation;
  const expression = stringAt(validation, 'expression');
  if (expression.trim() === '') errors.push(required(`${at}.expression`, 'expression is not specified'));
  if (typeof messageExpression === 'string' && messageExpression.trim() === '') {
    const detail = 'must be non-empty if specified';
    errors.push(invalid(`${at}.messageExpression`, messageExpression, detail));
  }
  if (typeof message === 'string' && message !== '') {
    if (message.trim() === '') {
      errors.push(invalid(`${at}.message`, message, 'message must be non-empty if specified'));
    } else if (message.trim().includes('\n')) {
      errors.push(invalid(`${at}.message`, message, 'message must not contain line breaks'));
    }
  }
  if (expression.trim().includes('\n') && (message === undefined || message === '')) {
    const detail = 'message must be specified if expression contains line breaks';
    errors.push(required(`${at}.message`, detail));
  }
  return [...errors, ...oneOf(validation, 'reason', { field: at, supported: REASONS })];
}

export function validateMutatingBinding(binding: JsonObject): FieldError[] {
  const spec = objectAt(binding, 'spec');
  const { paramRef, matchResources } = spec;
  const policy = stringAt(spec, 'policyName');
  const errors =
    policy === '' ? [required('spec.policyName')] : formed(policy, 'spec.policyName', dns1123Subdomain);
  if (isJsonObject(paramRef)) errors.push(...validateParamRef(paramRef));
  if (isJsonObject(matchResources)) errors.push(...validateMatch(matchResources, 'spec.matchResources'));
  return errors;
}

export function validateValidatingBinding(binding: JsonObject): FieldError[] {
  const at = 'spec.validationActions';
  const actions = listAt(binding, 'spec', 'validationActions').map((action) => textOf(action));
  const errors = validateMutatingBinding(binding);
  const supported = ['Audit', 'Deny', 'Warn'];
  if (actions.length === 0) errors.push(required(at));
  for (const [index, action] of actions.entries()) {
    if (!supported.includes(action)) errors.push(unsupported(`${at}[${index}]`, action, supported));
    if (actions.indexOf(action) < index) errors.push(duplicate(`${at}[${index}]`, action));
  }
  if (actions.includes('Deny') && actions.includes('Warn')) {
    const detail =
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
    errors.push(invalid(at, actions, detail));
  }
  return errors;
}

function validateParamRef(reference: JsonObject): FieldError[] {
  const at = 'spec.paramRef';
  const name = stringAt(reference, 'name');
  const namespace = stringAt(reference, 'namespace');
  const { selector } = reference;
  const errors: FieldError[] = [];
  if (name !== '') {
    errors.push(...formed(name, `${at}.name`, pathSegment));
    if (selector !== undefined) {
      errors.push(
        forbidden(`${at}.name`, 'name and selector are mutually exclusive'),
        forbidden(`${at}.selector`, 'name and selector are mutually exclusive'),
      );
    }
  } else if (isJsonObject(selector)) errors.push(...validateLabelSelector(selector, `${at}.selector`));
  else errors.push(required(at, 'one of name or selector must be specified'));
  if (namespace !== '') errors.push(...formed(namespace, `${at}.namespace`, dns1123Label));
  errors.push(
    ...oneOf(reference, 'parameterNotFoundAction', {
      field: at,
      supported: ['Allow', 'Deny'],
      required: true,
    }),
  );
  return errors;
}
