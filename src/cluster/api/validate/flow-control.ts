import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, numberAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { formed, oneOf } from './checks.ts';
import { dns1123Label, dns1123Subdomain } from './names.ts';

const MAX_PRECEDENCE = 10_000;
const MAX_QUEUES = 10_000_000;
/** A shuffle of more possibilities than this cannot be drawn from one 64-bit hash. */
const MAX_ENTROPY_BITS = 60;

export function validateFlowSchema(schema: JsonObject): FieldError[] {
  const spec = objectAt(schema, 'spec');
  const name = stringAt(schema, 'metadata', 'name');
  const precedence = numberAt(spec, 'matchingPrecedence') ?? 0;
  const at = 'spec.matchingPrecedence';
  const errors: FieldError[] = [];
  if (precedence <= 0) errors.push(invalid(at, precedence, 'must be a positive value'));
  if (precedence > MAX_PRECEDENCE) {
    errors.push(invalid(at, precedence, `must not be greater than ${MAX_PRECEDENCE}`));
  }
  if (precedence === 1 && name !== 'exempt') {
    const detail = "only the schema named 'exempt' may have matchingPrecedence 1";
    errors.push(invalid(at, precedence, detail));
  }
  const { distinguisherMethod } = spec;
  if (isJsonObject(distinguisherMethod)) {
    const type = stringAt(distinguisherMethod, 'type');
    const supported = ['ByNamespace', 'ByUser'];
    if (!supported.includes(type)) {
      errors.push(unsupported('spec.distinguisherMethod', distinguisherMethod, supported));
    }
  }
  const level = stringAt(spec, 'priorityLevelConfiguration', 'name');
  const levelAt = 'spec.priorityLevelConfiguration.name';
  if (level === '') errors.push(required(levelAt, 'must reference a priority level'));
  else errors.push(...formed(level, levelAt, dns1123Subdomain));
  for (const [index, rule] of objectsAt(spec, 'rules').entries()) {
    errors.push(...validateRule(rule, `spec.rules[${index}]`));
  }
  return errors;
}

function validateRule(rule: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const subjects = objectsAt(rule, 'subjects');
  if (subjects.length === 0) {
    errors.push(required(`${at}.subjects`, 'subjects must contain at least one value'));
  }
  for (const [index, subject] of subjects.entries()) {
    errors.push(...validateSubject(subject, `${at}.subjects[${index}]`));
  }
  const resourceRules = objectsAt(rule, 'resourceRules');
  const pathRules = objectsAt(rule, 'nonResourceRules');
  if (resourceRules.length + pathRules.length === 0) {
    errors.push(required(at, 'at least one of resourceRules and nonResourceRules has to be non-empty'));
  }
  for (const [index, item] of resourceRules.entries()) {
    const here = `${at}.resourceRules[${index}]`;
    errors.push(
      ...validateList(item, 'verbs', here, 'verbs must contain at least one value'),
      ...validateList(item, 'apiGroups', here, 'resource rules must supply at least one api group'),
      ...validateList(item, 'resources', here, 'resource rules must supply at least one resource'),
    );
    if (item['clusterScope'] !== true && listAt(item, 'namespaces').length === 0) {
      const detail = 'resource rules that are not cluster scoped must supply at least one namespace';
      errors.push(required(`${here}.namespaces`, detail));
    }
    errors.push(...alone(item, 'namespaces', here));
  }
  for (const [index, item] of pathRules.entries()) {
    const here = `${at}.nonResourceRules[${index}]`;
    errors.push(
      ...validateList(item, 'verbs', here, 'verbs must contain at least one value'),
      ...validateList(item, 'nonResourceURLs', here, 'nonResourceURLs must contain at least one value'),
    );
  }
  return errors;
}

function validateList(rule: JsonObject, key: string, at: string, missing: string): FieldError[] {
  return listAt(rule, key).length === 0 ? [required(`${at}.${key}`, missing)] : alone(rule, key, at);
}

/** A star says everything: there is nothing to add to it. */
function alone(rule: JsonObject, key: string, at: string): FieldError[] {
  const values = listAt(rule, key);
  return values.includes('*') && values.length > 1
    ? [invalid(`${at}.${key}`, values, "if '*' is present, must not specify other values")]
    : [];
}

const KINDS: Readonly<Record<string, string>> = {
  Group: 'group',
  ServiceAccount: 'serviceAccount',
  User: 'user',
};

function validateSubject(subject: JsonObject, at: string): FieldError[] {
  const kind = stringAt(subject, 'kind');
  const member = KINDS[kind];
  if (member === undefined) return [unsupported(`${at}.kind`, kind, Object.keys(KINDS))];
  const errors = Object.values(KINDS)
    .filter((other) => other !== member && subject[other] !== undefined)
    .map((other) =>
      forbidden(`${at}.${other}`, `${other} is forbidden when subject kind is not '${kindOf(other)}'`),
    );
  const named = subject[member];
  if (!isJsonObject(named)) {
    return [...errors, required(`${at}.${member}`, `${member} is required when subject kind is '${kind}'`)];
  }
  const name = stringAt(named, 'name');
  if (name === '') errors.push(required(`${at}.${member}.name`));
  if (kind === 'ServiceAccount') {
    const namespace = stringAt(named, 'namespace');
    if (namespace === '') {
      const detail = 'must specify namespace for service account';
      errors.push(required(`${at}.serviceAccount.namespace`, detail));
    } else errors.push(...formed(namespace, `${at}.serviceAccount.namespace`, dns1123Label));
    if (name !== '' && name !== '*') {
      errors.push(...formed(name, `${at}.serviceAccount.name`, dns1123Subdomain));
    }
  }
  return errors;
}

function kindOf(member: string): string {
  return Object.entries(KINDS).find(([, value]) => value === member)?.[0] ?? member;
}

export function validatePriorityLevel(level: JsonObject): FieldError[] {
  const spec = objectAt(level, 'spec');
  const name = stringAt(level, 'metadata', 'name');
  const type = stringAt(spec, 'type');
  const errors: FieldError[] = [];
  if ((name === 'exempt') !== (type === 'Exempt')) {
    const detail = "must be 'Exempt' if and only if `name` is 'exempt'";
    errors.push(invalid('spec.type', type, detail));
  }
  const { limited, exempt } = spec;
  if (type === 'Exempt') {
    if (limited !== undefined)
      errors.push(forbidden('spec.limited', 'must be nil if the type is not Limited'));
    if (isJsonObject(exempt)) errors.push(...validateShares(exempt, 'spec.exempt'));
  } else if (type === 'Limited') {
    if (exempt !== undefined) errors.push(forbidden('spec.exempt', 'must be nil if the type is Limited'));
    if (isJsonObject(limited)) errors.push(...validateLimited(limited));
    else errors.push(required('spec.limited', 'must not be empty when type is Limited'));
  } else errors.push(unsupported('spec.type', type, ['Exempt', 'Limited']));
  return errors;
}

function validateShares(values: JsonObject, at: string): FieldError[] {
  const shares = numberAt(values, 'nominalConcurrencyShares') ?? 0;
  const percent = numberAt(values, 'lendablePercent') ?? 0;
  const errors: FieldError[] = [];
  if (shares < 0) {
    errors.push(invalid(`${at}.nominalConcurrencyShares`, shares, 'must be a non-negative integer'));
  }
  if (percent < 0 || percent > 100) {
    errors.push(invalid(`${at}.lendablePercent`, percent, 'must be between 0 and 100, inclusive'));
  }
  return errors;
}

function validateLimited(limited: JsonObject): FieldError[] {
  const at = 'spec.limited';
  const errors = validateShares(limited, at);
  const borrowed = numberAt(limited, 'borrowingLimitPercent');
  if (borrowed !== undefined && borrowed < 0) {
    const detail = 'if specified, must be a non-negative integer';
    errors.push(invalid(`${at}.borrowingLimitPercent`, borrowed, detail));
  }
  const response = objectAt(limited, 'limitResponse');
  const here = `${at}.limitResponse`;
  const { queuing } = response;
  errors.push(...oneOf(response, 'type', { field: here, supported: ['Queue', 'Reject'] }));
  if (response['type'] === undefined) errors.push(unsupported(`${here}.type`, '', ['Queue', 'Reject']));
  if (response['type'] === 'Reject' && queuing !== undefined) {
    const detail = 'must be nil if limited.limitResponse.type is not Limited';
    errors.push(forbidden(`${here}.queuing`, detail));
  }
  if (response['type'] === 'Queue') {
    if (isJsonObject(queuing)) errors.push(...validateQueuing(queuing, `${here}.queuing`));
    else {
      const detail = 'must not be empty if limited.limitResponse.type is Limited';
      errors.push(required(`${here}.queuing`, detail));
    }
  }
  return errors;
}

function validateQueuing(queuing: JsonObject, at: string): FieldError[] {
  const [queues = 0, hand = 0] = ['queues', 'handSize'].map((key) => numberAt(queuing, key) ?? 0);
  const errors = ['queueLengthLimit', 'queues', 'handSize'].flatMap((key) => {
    const value = numberAt(queuing, key) ?? 0;
    return value <= 0 ? [invalid(`${at}.${key}`, value, 'must be positive')] : [];
  });
  if (queues > MAX_QUEUES) {
    errors.push(invalid(`${at}.queues`, queues, `must not be greater than ${MAX_QUEUES}`));
  }
  if (hand > queues) {
    const detail = `should not be greater than queues (${queues})`;
    errors.push(invalid(`${at}.handSize`, hand, detail));
  } else if (hand > 0 && entropyBits(queues, hand) > MAX_ENTROPY_BITS) {
    const detail = `required entropy bits of deckSize ${queues} and handSize ${hand} should not be greater than ${MAX_ENTROPY_BITS}`;
    errors.push(invalid(`${at}.handSize`, hand, detail));
  }
  return errors;
}

/** Bits that it takes to deal one hand out of a deck in order. */
function entropyBits(deck: number, hand: number): number {
  let bits = 0;
  for (let dealt = 0; dealt < hand; dealt++) bits += Math.log2(deck - dealt);
  return Math.ceil(bits);
}
