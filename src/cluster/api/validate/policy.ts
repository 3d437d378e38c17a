/** Budgets, quotas, ranges and classes: what bounds pods. */
import { append } from '../../../base/append.ts';
import { duplicate, forbidden, goShown, invalid, required, type FieldError } from '../field-error.ts';
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
import { compareQuantities, tryParseQuantity, type Quantity } from '../quantity.ts';
import {
  amount,
  atMostWhole,
  formed,
  IMMUTABLE,
  named,
  notNegative,
  notSupported,
  oneOf,
  unchanged,
  unchangedText,
} from './checks.ts';
import { validateConditions } from './conditions.ts';
import { validateLabelSelector } from './label-selector.ts';
import { validateLabels } from './metadata.ts';
import { dns1123Label, qualifiedName } from './names.ts';
import {
  isStandardForQuota,
  mayOvercommit,
  validateContainerResourceName,
  validateQuotaResourceName,
  validateResourceName,
  validateResourceQuantity,
} from './resource-names.ts';
import { validateTolerations } from './tolerations.ts';

export function validateDisruptionBudget(budget: JsonObject): FieldError[] {
  const spec = objectAt(budget, 'spec');
  const { minAvailable, maxUnavailable, selector } = spec;
  const errors: FieldError[] = [];
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    // Shown as upstream's own form of it, which has Go's names.
    const shown = {
      MinAvailable: minAvailable,
      Selector: selector ?? null,
      MaxUnavailable: maxUnavailable,
      UnhealthyPodEvictionPolicy: spec['unhealthyPodEvictionPolicy'] ?? null,
    };
    errors.push(invalid('spec', shown, 'minAvailable and maxUnavailable cannot be both set'));
  }
  for (const key of ['minAvailable', 'maxUnavailable']) {
    append(errors, amount(spec[key], `spec.${key}`));
    append(errors, atMostWhole(spec[key], `spec.${key}`));
  }
  if (isJsonObject(selector)) append(errors, validateLabelSelector(selector, 'spec.selector'));
  const { unhealthyPodEvictionPolicy: eviction } = spec;
  if (eviction !== undefined) {
    const supported = ['AlwaysAllow', 'IfHealthyBudget'];
    append(errors, notSupported(eviction, 'spec.unhealthyPodEvictionPolicy', supported));
  }
  return errors;
}

export function validateDisruptionBudgetStatus(budget: JsonObject): FieldError[] {
  const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'];
  return [...validateConditions(budget), ...notNegative(objectAt(budget, 'status'), 'status', ...counts)];
}

export function validateResourceQuota(quota: JsonObject): FieldError[] {
  const spec = validateAmounts(quota, 'spec', 'hard');
  return [
    ...spec,
    ...validateScopes(quota),
    ...validateScopeSelector(quota),
    ...validateResourceQuotaStatus(quota),
  ];
}

export function validateResourceQuotaStatus(quota: JsonObject): FieldError[] {
  return [...validateAmounts(quota, 'status', 'hard'), ...validateAmounts(quota, 'status', 'used')];
}

function validateAmounts(quota: JsonObject, section: 'spec' | 'status', list: string): FieldError[] {
  return Object.entries(objectAt(quota, section, list)).flatMap(([name, value]) => {
    const at = `${section}.${list}[${name}]`;
    return [...validateQuotaResourceName(name, at), ...validateResourceQuantity(name, value, at)];
  });
}

export const QUOTA_SCOPES: readonly string[] = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
];

const COMPUTE = new Set(['cpu', 'memory'].flatMap((name) => [name, `limits.${name}`, `requests.${name}`]));

/** What a scope can be about: pods that have no resources are only counted. */
function fitsScope(scope: string, name: string): boolean {
  switch (scope) {
    case 'BestEffort':
      return name === 'pods';
    case 'VolumeAttributesClass':
      return name === 'persistentvolumeclaims' || name === 'requests.storage';
    case 'CrossNamespacePodAffinity':
    case 'NotBestEffort':
    case 'NotTerminating':
    case 'PriorityClass':
    case 'Terminating':
      return name === 'pods' || COMPUTE.has(name);
    default:
      return true;
  }
}

function misfits(quota: JsonObject, scope: string): number {
  const names = Object.keys(objectAt(quota, 'spec', 'hard'));
  return names.filter((name) => isStandardForQuota(name) && !fitsScope(scope, name)).length;
}

function conflicts(quota: JsonObject, scopes: readonly string[], at: string): FieldError[] {
  const pairs = [
    ['BestEffort', 'NotBestEffort'],
    ['Terminating', 'NotTerminating'],
  ];
  // Whichever list they come from, upstream shows the one without a selector.
  return pairs
    .filter((pair) => pair.every((scope) => scopes.includes(scope)))
    .map(() => invalid(at, objectAt(quota, 'spec')['scopes'], 'conflicting scopes'));
}

const MISFIT = 'unsupported scope applied to resource';

function validateScopes(quota: JsonObject): FieldError[] {
  const at = 'spec.scopes';
  const scopes = listAt(quota, 'spec', 'scopes').map((scope) => textOf(scope));
  const errors = scopes.flatMap((scope) => [
    ...(QUOTA_SCOPES.includes(scope) ? [] : [invalid(at, scopes, 'unsupported scope')]),
    ...Array.from({ length: misfits(quota, scope) }, () => invalid(at, scopes, MISFIT)),
  ]);
  return [...errors, ...conflicts(quota, scopes, at)];
}

const ONLY_EXISTS =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

const SELECTOR_MEMBERS = [
  {
    name: 'matchExpressions',
    zero: null,
    members: [{ name: 'scopeName' }, { name: 'operator' }, { name: 'values', zero: null }],
  },
];

function validateScopeSelector(quota: JsonObject): FieldError[] {
  const selector = objectAt(quota, 'spec')['scopeSelector'];
  const field = 'spec.scopeSelector.matchExpressions';
  const terms = objectsAt(selector, 'matchExpressions');
  const names = terms.map((term) => stringAt(term, 'scopeName'));
  const shown = isJsonObject(selector) ? goShown(selector, SELECTOR_MEMBERS) : null;
  const errors = terms.flatMap((term, index) => {
    const name = names[index] ?? '';
    const operator = stringAt(term, 'operator');
    const values = listAt(term, 'values');
    const found: FieldError[] = [];
    if (!QUOTA_SCOPES.includes(name)) found.push(invalid(`${field}.scopeName`, name, 'unsupported scope'));
    append(
      found,
      Array.from({ length: misfits(quota, name) }, () => invalid(field, shown, MISFIT)),
    );
    const valued = name === 'PriorityClass' || name === 'VolumeAttributesClass';
    if (QUOTA_SCOPES.includes(name) && !valued && operator !== 'Exists') {
      found.push(invalid(`${field}.operator`, operator, ONLY_EXISTS));
    }
    if (operator === 'In' || operator === 'NotIn') {
      const detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
      if (values.length === 0) found.push(required(`${field}.values`, detail));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      const detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
      if (values.length > 0) found.push(invalid(`${field}.values`, values, detail));
    } else found.push(invalid(`${field}.operator`, operator, 'not a valid selector operator'));
    return found;
  });
  return [...errors, ...conflicts(quota, names, field)];
}

export function validateResourceQuotaUpdate(quota: JsonObject, old: JsonObject): FieldError[] {
  const sorted = (object: JsonObject): string[] =>
    [...new Set(listAt(object, 'spec', 'scopes').map((scope) => textOf(scope)))].toSorted();
  return jsonEqual(sorted(quota), sorted(old))
    ? []
    : [invalid('spec.scopes', listAt(quota, 'spec', 'scopes'), IMMUTABLE)];
}

const LIMIT_TYPES = ['Container', 'PersistentVolumeClaim', 'Pod'];
const LIMIT_LISTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

export function validateLimitRange(range: JsonObject): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(range, 'spec', 'limits').flatMap((limit, index) => {
    const at = `spec.limits[${index}]`;
    const type = stringAt(limit, 'type');
    const errors = formed(type, `${at}.type`, qualifiedName);
    if (errors.length === 0 && !type.includes('/') && !LIMIT_TYPES.includes(type)) {
      errors.push(invalid(`${at}.type`, type, 'must be a standard limit type or fully qualified'));
    }
    if (seen.has(type)) errors.push(duplicate(`${at}.type`, type));
    seen.add(type);
    return [...errors, ...validateLimits(limit, type, at)];
  });
}

function validateLimits(limit: JsonObject, type: string, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const list of LIMIT_LISTS) {
    if (type === 'Pod' && list.startsWith('default')) continue;
    for (const name of Object.keys(objectAt(limit, list))) {
      names.add(name);
      const here = `${at}.${list}[${name}]`;
      const ofPods = type === 'Container' || type === 'Pod';
      append(errors, ofPods ? validateContainerResourceName(name, here) : validateResourceName(name, here));
    }
  }
  if (type === 'Pod') {
    for (const list of ['default', 'defaultRequest']) {
      if (Object.keys(objectAt(limit, list)).length > 0) {
        errors.push(forbidden(`${at}.${list}`, "may not be specified when `type` is 'Pod'"));
      }
    }
  }
  const bounded = ['min', 'max'].some((list) => objectAt(limit, list)['storage'] !== undefined);
  if (type === 'PersistentVolumeClaim' && !bounded) {
    const detail = 'either minimum or maximum storage value is required, but neither was provided';
    errors.push(required(`${at}.limits`, detail));
  }
  for (const name of names) append(errors, compareLimits(limit, name, at));
  return errors;
}

interface Bound {
  readonly text: string;
  readonly quantity: Quantity;
}

function boundOf(limit: JsonObject, list: string, name: string): Bound | undefined {
  const text = stringAt(objectAt(limit, list), name);
  const quantity = tryParseQuantity(text);
  return quantity === undefined ? undefined : { text, quantity };
}

/** Pairs of lists whose first must not be greater than the second, with how the complaint names them and where it stands. */
const ORDER = [
  ['min', 'max', 'min', 'min value', 'max value'],
  ['min', 'defaultRequest', 'defaultRequest', 'min value', 'default request value'],
  ['defaultRequest', 'max', 'defaultRequest', 'default request value', 'max value'],
  ['defaultRequest', 'default', 'defaultRequest', 'default request value', 'default limit value'],
  ['min', 'default', 'default', 'min value', 'default value'],
  ['default', 'max', 'default', 'default value', 'max value'],
] as const;

/** Whose amount is shown where it is not the list's that the complaint stands on. */
const SHOWN: Readonly<Record<string, 'max' | 'min'>> = { 'min default': 'min', 'default max': 'max' };

function compareLimits(limit: JsonObject, name: string, at: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [lowerList, upperList, shownList, lowerName, upperName] of ORDER) {
    const lower = boundOf(limit, lowerList, name);
    const upper = boundOf(limit, upperList, name);
    if (lower === undefined || upper === undefined) continue;
    if (compareQuantities(lower.quantity, upper.quantity) <= 0) continue;
    const shown = boundOf(limit, SHOWN[`${lowerList} ${upperList}`] ?? shownList, name)?.text;
    const detail = `${lowerName} ${lower.text} is greater than ${upperName} ${upper.text}`;
    errors.push(invalid(`${at}.${shownList}[${name}]`, shown, detail));
  }
  const ratio = boundOf(limit, 'maxLimitRequestRatio', name);
  if (ratio !== undefined && ratio.quantity.nano < 1_000_000_000n) {
    const detail = `ratio ${ratio.text} is less than 1`;
    errors.push(invalid(`${at}.maxLimitRequestRatio[${name}]`, ratio.text, detail));
  }
  append(errors, compareRatio(limit, name, at));
  const given = boundOf(limit, 'default', name);
  const asked = boundOf(limit, 'defaultRequest', name);
  const exact = !mayOvercommit(name);
  if (exact && given !== undefined && asked !== undefined && given.quantity.nano !== asked.quantity.nano) {
    const detail = `default value ${given.text} must equal to defaultRequest value ${asked.text} in ${name}`;
    errors.push(invalid(`${at}.defaultRequest[${name}]`, asked.text, detail));
  }
  return errors;
}

/** A ratio that even the widest of what is allowed does not reach. */
function compareRatio(limit: JsonObject, name: string, at: string): FieldError[] {
  const [ratio, least, most] = (['maxLimitRequestRatio', 'min', 'max'] as const).map((list) =>
    boundOf(limit, list, name),
  );
  if (ratio === undefined || least === undefined || most === undefined) return [];
  const [widest, asked] = [
    Number(most.quantity.nano) / Number(least.quantity.nano),
    Number(ratio.quantity.nano) / 1e9,
  ];
  if (asked <= widest) return [];
  const detail = `ratio ${ratio.text} is greater than max/min = ${widest.toFixed(6)}`;
  return [invalid(`${at}.maxLimitRequestRatio[${name}]`, ratio.text, detail)];
}

const SYSTEM_CLASSES: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};
const HIGHEST_PRIORITY = 1_000_000_000;

export function validatePriorityClass(priorityClass: JsonObject): FieldError[] {
  const name = stringAt(priorityClass, 'metadata', 'name');
  const value = numberAt(priorityClass, 'value') ?? 0;
  const errors: FieldError[] = [];
  if (name.startsWith('system-')) {
    const known = SYSTEM_CLASSES[name];
    const problem =
      known === undefined
        ? `${name} is not a known system priority class`
        : value !== known
          ? `value of ${name} PriorityClass must be ${known}`
          : priorityClass['globalDefault'] === true
            ? `globalDefault of ${name} PriorityClass must be false`
            : undefined;
    if (problem !== undefined) {
      const detail = `priority class names with 'system-' prefix are reserved for system use only. error: ${problem}`;
      errors.push(forbidden('metadata.name', detail));
    }
  } else if (value > HIGHEST_PRIORITY) {
    const detail = `maximum allowed value of a user defined priority is ${HIGHEST_PRIORITY}`;
    errors.push(forbidden('value', detail));
  }
  const { preemptionPolicy } = priorityClass;
  if (preemptionPolicy === undefined) return errors;
  const supported = ['PreemptLowerPriority', 'Never'];
  return [...errors, ...oneOf(priorityClass, 'preemptionPolicy', { field: '', supported, required: true })];
}

export function validatePriorityClassUpdate(priorityClass: JsonObject, old: JsonObject): FieldError[] {
  const changed = (numberAt(priorityClass, 'value') ?? 0) !== (numberAt(old, 'value') ?? 0);
  return [
    ...(changed ? [forbidden('value', 'may not be changed in an update.')] : []),
    ...unchanged(priorityClass, old, 'preemptionPolicy'),
  ];
}

export function validateRuntimeClass(runtimeClass: JsonObject): FieldError[] {
  const errors = named(runtimeClass, 'handler', { field: '', rule: dns1123Label });
  // Checked as the limits of a container.
  for (const [name, value] of Object.entries(objectAt(runtimeClass, 'overhead', 'podFixed'))) {
    const at = `overhead.limits[${name}]`;
    append(errors, validateContainerResourceName(name, at));
    append(errors, validateResourceQuantity(name, value, at));
  }
  const scheduling = objectAt(runtimeClass, 'scheduling');
  const tolerations = objectsAt(scheduling, 'tolerations');
  append(errors, validateLabels(scheduling['nodeSelector'], 'scheduling.nodeSelector'));
  append(errors, validateTolerations(tolerations, 'scheduling.tolerations'));
  const seen = new Set<string>();
  for (const [index, toleration] of tolerations.entries()) {
    const key = ['key', 'operator', 'value', 'effect'].map((part) => stringAt(toleration, part)).join('\n');
    if (seen.has(key)) errors.push(duplicate(`scheduling.tolerations[${index}]`, shown(toleration)));
    seen.add(key);
  }
  return errors;
}

/** As upstream shows what it keeps. */
function shown(toleration: JsonObject): JsonObject {
  return {
    Key: stringAt(toleration, 'key'),
    Operator: stringAt(toleration, 'operator'),
    Value: stringAt(toleration, 'value'),
    Effect: stringAt(toleration, 'effect'),
    TolerationSeconds: toleration['tolerationSeconds'] ?? null,
  };
}

export function validateRuntimeClassUpdate(runtimeClass: JsonObject, old: JsonObject): FieldError[] {
  return unchangedText(runtimeClass, old, 'handler');
}
