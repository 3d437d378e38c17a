import { append } from '../../../base/append.ts';
import { duplicate, forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import {
  isJsonObject,
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { formed, notSupported } from './checks.ts';
import { MANDATORY_LEVELS, MANDATORY_SCHEMAS } from './flow-control-mandatory.ts';
import { dns1123Label, dns1123Subdomain } from './names.ts';

/** What an older version says zero with; in this one zero is zero. */
const ZERO_SHARES = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';
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
      // What is shown is the method.
      errors.push(unsupported('spec.distinguisherMethod.type', { Type: type }, supported));
    }
  }
  const level = stringAt(spec, 'priorityLevelConfiguration', 'name');
  const levelAt = 'spec.priorityLevelConfiguration.name';
  if (level === '') errors.push(required(levelAt, 'must reference a priority level'));
  else append(errors, formed(level, levelAt, dns1123Subdomain));
  for (const [index, rule] of objectsAt(spec, 'rules').entries()) {
    append(errors, validateRule(rule, `spec.rules[${index}]`));
  }
  const fixed = Object.hasOwn(MANDATORY_SCHEMAS, name) ? MANDATORY_SCHEMAS[name] : undefined;
  if (fixed !== undefined && !jsonEqual(spec, fixed)) {
    errors.push(invalid('spec', spec, `spec of '${name}' must equal the fixed value`));
  }
  return [...errors, ...validateFlowSchemaStatus(schema)];
}

export function validateFlowSchemaStatus(schema: JsonObject): FieldError[] {
  return validateConditions(schema);
}

export function validatePriorityLevelStatus(level: JsonObject): FieldError[] {
  return validateConditions(level);
}

/** What is said of either kind has a name, once. */
function validateConditions(object: JsonObject): FieldError[] {
  const conditions = objectsAt(object, 'status', 'conditions');
  const types = conditions.map((condition) => stringAt(condition, 'type'));
  return types.flatMap((type, index) => {
    const at = `status.conditions[${index}].type`;
    return [
      ...(types.indexOf(type) < index ? [duplicate(at, type)] : []),
      ...(type === '' ? [required(at)] : []),
    ];
  });
}

function validateRule(rule: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const subjects = objectsAt(rule, 'subjects');
  if (subjects.length === 0) {
    errors.push(required(`${at}.subjects`, 'subjects must contain at least one value'));
  }
  for (const [index, subject] of subjects.entries()) {
    append(errors, validateSubject(subject, `${at}.subjects[${index}]`));
  }
  const resourceRules = objectsAt(rule, 'resourceRules');
  const pathRules = objectsAt(rule, 'nonResourceRules');
  if (resourceRules.length + pathRules.length === 0) {
    errors.push(required(at, 'at least one of resourceRules and nonResourceRules has to be non-empty'));
  }
  for (const [index, item] of resourceRules.entries()) {
    const here = `${at}.resourceRules[${index}]`;
    append(errors, validateVerbs(item, here));
    append(
      errors,
      validateList(item, {
        key: 'apiGroups',
        at: here,
        missing: 'resource rules must supply at least one api group',
        others: 'api groups',
      }),
    );
    append(
      errors,
      validateList(item, {
        key: 'resources',
        at: here,
        missing: 'resource rules must supply at least one resource',
        others: 'resources',
      }),
    );
    append(errors, validateNamespaces(item, here));
  }
  for (const [index, item] of pathRules.entries()) {
    const here = `${at}.nonResourceRules[${index}]`;
    append(errors, validateVerbs(item, here));
    append(
      errors,
      validateList(item, {
        key: 'nonResourceURLs',
        at: here,
        missing: 'nonResourceURLs must contain at least one value',
        others: 'non-resource URLs',
      }),
    );
    const paths = listAt(item, 'nonResourceURLs').map((path) => textOf(path));
    if (paths.includes('*')) continue;
    for (const [position, path] of paths.entries()) {
      const complaint = pathComplaint(path);
      if (complaint !== undefined) {
        errors.push(invalid(`${here}.nonResourceURLs[${position}]`, path, complaint));
      }
    }
  }
  return errors;
}

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

function validateVerbs(rule: JsonObject, at: string): FieldError[] {
  const verbs = listAt(rule, 'verbs').map((verb) => textOf(verb));
  const errors = validateList(rule, {
    key: 'verbs',
    at,
    missing: 'verbs must contain at least one value',
    others: 'verbs',
  });
  return verbs.includes('*') || verbs.every((verb) => VERBS.includes(verb))
    ? errors
    : [...errors, unsupported(`${at}.verbs`, verbs, VERBS)];
}

function validateNamespaces(rule: JsonObject, at: string): FieldError[] {
  const field = `${at}.namespaces`;
  const namespaces = listAt(rule, 'namespaces').map((namespace) => textOf(namespace));
  if (namespaces.length === 0 && rule['clusterScope'] !== true) {
    const detail = 'resource rules that are not cluster scoped must supply at least one namespace';
    return [required(field, detail)];
  }
  if (namespaces.includes('*')) return alone(namespaces, field, 'namespaces');
  return namespaces.flatMap((namespace, index) =>
    dns1123Label(namespace).map((why) => {
      const detail = `each member of this list must be '*' or a DNS-1123 label; ${why}`;
      return invalid(`${field}[${index}]`, namespace, detail);
    }),
  );
}

interface ListOf {
  readonly key: string;
  readonly at: string;
  /** What to say of a list with nothing in it. */
  readonly missing: string;
  readonly others: string;
}

function validateList(rule: JsonObject, { key, at, missing, others }: ListOf): FieldError[] {
  const values = listAt(rule, key).map((value) => textOf(value));
  return values.length === 0 ? [required(`${at}.${key}`, missing)] : alone(values, `${at}.${key}`, others);
}

/** A star says everything: there is nothing to add to it. */
function alone(values: readonly string[], at: string, others: string): FieldError[] {
  return values.includes('*') && values.length > 1
    ? [invalid(at, [...values], `if '*' is present, must not specify other ${others}`)]
    : [];
}

function pathComplaint(path: string): string | undefined {
  if (path === '') return 'must not be empty';
  if (path === '/') return undefined;
  if (!path.startsWith('/')) return 'must start with slash';
  if (path.includes(' ')) return 'must not contain white-space';
  if (path.includes('//')) return 'must not contain double slash';
  const stars = path.split('*').length - 1;
  return stars > 1 || (stars === 1 && !path.endsWith('/*'))
    ? 'wildcard can only do suffix matching'
    : undefined;
}

const MEMBERS: Readonly<Record<string, string>> = {
  Group: 'group',
  ServiceAccount: 'serviceAccount',
  User: 'user',
};

function validateSubject(subject: JsonObject, at: string): FieldError[] {
  const kind = stringAt(subject, 'kind');
  const member = Object.hasOwn(MEMBERS, kind) ? MEMBERS[kind] : undefined;
  if (member === undefined) return [unsupported(`${at}.kind`, kind, Object.keys(MEMBERS))];
  const named = subject[member];
  const errors = isJsonObject(named)
    ? validateNamed(named, kind, `${at}.${member}`)
    : [required(`${at}.${member}`, `${member} is required when subject kind is '${kind}'`)];
  for (const other of ['ServiceAccount', 'User', 'Group']) {
    const key = MEMBERS[other] ?? '';
    if (other !== kind && subject[key] !== undefined) {
      errors.push(forbidden(`${at}.${key}`, `${key} is forbidden when subject kind is not '${other}'`));
    }
  }
  return errors;
}

function validateNamed(named: JsonObject, kind: string, at: string): FieldError[] {
  const name = stringAt(named, 'name');
  const errors = name === '' ? [required(`${at}.name`)] : [];
  if (kind !== 'ServiceAccount') return errors;
  if (name !== '' && name !== '*') append(errors, formed(name, `${at}.name`, dns1123Subdomain));
  const namespace = stringAt(named, 'namespace');
  return [
    ...errors,
    ...(namespace === ''
      ? [required(`${at}.namespace`, 'must specify namespace for service account')]
      : formed(namespace, `${at}.namespace`, dns1123Label)),
  ];
}

export function validatePriorityLevel(level: JsonObject): FieldError[] {
  const spec = objectAt(level, 'spec');
  const name = stringAt(level, 'metadata', 'name');
  const type = stringAt(spec, 'type');
  const errors: FieldError[] = [];
  if (objectAt(level, 'metadata', 'annotations')[ZERO_SHARES] !== undefined) {
    errors.push(forbidden('metadata.annotations', `annotation '${ZERO_SHARES}' is forbidden`));
  }
  if ((name === 'exempt') !== (type === 'Exempt')) {
    const detail = "must be 'Exempt' if and only if `name` is 'exempt'";
    errors.push(invalid('spec.type', type, detail));
  }
  const { limited, exempt } = spec;
  if (type === 'Exempt') {
    if (limited !== undefined)
      errors.push(forbidden('spec.limited', 'must be nil if the type is not Limited'));
    if (isJsonObject(exempt)) append(errors, validateShares(exempt, 'spec.exempt'));
  } else if (type === 'Limited') {
    if (exempt !== undefined) errors.push(forbidden('spec.exempt', 'must be nil if the type is Limited'));
    if (isJsonObject(limited)) append(errors, validateLimited(limited));
    else errors.push(required('spec.limited', 'must not be empty when type is Limited'));
  } else errors.push(unsupported('spec.type', type, ['Exempt', 'Limited']));
  return [...errors, ...validateFixedLevel(name, spec), ...validatePriorityLevelStatus(level)];
}

/** What the server cannot do without stays as it is; only how much the exempt ones count may be said. */
function validateFixedLevel(name: string, spec: JsonObject): FieldError[] {
  const fixed = Object.hasOwn(MANDATORY_LEVELS, name) ? MANDATORY_LEVELS[name] : undefined;
  if (fixed === undefined) return [];
  if (name !== 'exempt') {
    const detail = `spec of '${name}' must equal the fixed value`;
    return jsonEqual(spec, fixed) ? [] : [invalid('spec', spec, detail)];
  }
  const { exempt: _now, ...rest } = spec;
  const { exempt: _then, ...expected } = fixed;
  const detail = "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value";
  return jsonEqual(rest, expected) ? [] : [invalid('spec', spec, detail)];
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
  const type = stringAt(response, 'type');
  append(errors, notSupported(type, `${here}.type`, ['Queue', 'Reject']));
  if (response['type'] === 'Reject' && queuing !== undefined) {
    const detail = 'must be nil if limited.limitResponse.type is not Limited';
    errors.push(forbidden(`${here}.queuing`, detail));
  }
  if (response['type'] === 'Queue') {
    if (isJsonObject(queuing)) append(errors, validateQueuing(queuing, `${here}.queuing`));
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
  if (hand > 0 && hand > queues) {
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
