/** Where pods want to be: near nodes and pods of some kind, far from others, spread over domains. */
import { duplicate, forbidden, invalid, required, type FieldError } from '../field-error.ts';
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
import { formed, oneOf } from './checks.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dns1123Label, qualifiedName } from './names.ts';
import { validateNodeSelector, validateNodeTerm } from './node-selector.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

export function validateAffinity(affinity: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const { nodeAffinity } = affinity;
  if (isJsonObject(nodeAffinity)) {
    const at = `${field}.nodeAffinity`;
    const wanted = nodeAffinity[REQUIRED];
    if (isJsonObject(wanted)) errors.push(...validateNodeSelector(wanted, `${at}.${REQUIRED}`));
    for (const [index, term] of objectsAt(nodeAffinity, PREFERRED).entries()) {
      const here = `${at}.${PREFERRED}[${index}]`;
      errors.push(
        ...validateWeight(term, here),
        ...validateNodeTerm(objectAt(term, 'preference'), `${here}.preference`),
      );
    }
  }
  for (const key of ['podAffinity', 'podAntiAffinity']) {
    const rules = affinity[key];
    if (!isJsonObject(rules)) continue;
    for (const [index, term] of objectsAt(rules, REQUIRED).entries()) {
      errors.push(...validatePodTerm(term, `${field}.${key}.${REQUIRED}[${index}]`));
    }
    for (const [index, term] of objectsAt(rules, PREFERRED).entries()) {
      const here = `${field}.${key}.${PREFERRED}[${index}]`;
      errors.push(
        ...validateWeight(term, here),
        ...validatePodTerm(objectAt(term, 'podAffinityTerm'), `${here}.podAffinityTerm`),
      );
    }
  }
  return errors;
}

function validateWeight(term: JsonObject, at: string): FieldError[] {
  const weight = numberAt(term, 'weight') ?? 0;
  return weight < 1 || weight > 100 ? [invalid(`${at}.weight`, weight, 'must be in the range 1-100')] : [];
}

function validatePodTerm(term: JsonObject, at: string): FieldError[] {
  const { labelSelector, namespaceSelector } = term;
  const errors: FieldError[] = [];
  if (isJsonObject(labelSelector)) {
    errors.push(...validateLabelSelector(labelSelector, `${at}.labelSelector`));
  }
  if (isJsonObject(namespaceSelector)) {
    errors.push(...validateLabelSelector(namespaceSelector, `${at}.namespaceSelector`));
  }
  for (const [index, namespace] of listAt(term, 'namespaces').entries()) {
    errors.push(...formed(textOf(namespace), `${at}.namespaces[${index}]`, dns1123Label));
  }
  for (const key of ['matchLabelKeys', 'mismatchLabelKeys']) {
    errors.push(...validateLabelKeys(term, key, at));
  }
  return [...errors, ...validateTopologyKey(term, at)];
}

function validateTopologyKey(holder: JsonObject, at: string): FieldError[] {
  const key = stringAt(holder, 'topologyKey');
  return key === ''
    ? [required(`${at}.topologyKey`, 'can not be empty')]
    : formed(key, `${at}.topologyKey`, qualifiedName);
}

function validateLabelKeys(holder: JsonObject, key: string, at: string): FieldError[] {
  const keys = listAt(holder, key);
  if (keys.length > 0 && !isJsonObject(holder['labelSelector'])) {
    return [forbidden(`${at}.${key}`, 'must not be specified when labelSelector is not set')];
  }
  return keys.flatMap((item, index) => formed(textOf(item), `${at}.${key}[${index}]`, qualifiedName));
}

export function validateSpread(constraints: readonly JsonObject[], field: string): FieldError[] {
  const seen = new Set<string>();
  return constraints.flatMap((constraint, index) => {
    const at = `${field}[${index}]`;
    const skew = numberAt(constraint, 'maxSkew') ?? 0;
    const action = stringAt(constraint, 'whenUnsatisfiable');
    const errors: FieldError[] = [];
    if (skew <= 0) errors.push(invalid(`${at}.maxSkew`, skew, 'must be greater than zero'));
    errors.push(
      ...validateTopologyKey(constraint, at),
      ...oneOf(constraint, 'whenUnsatisfiable', {
        field: at,
        supported: ['DoNotSchedule', 'ScheduleAnyway'],
        required: true,
      }),
    );
    const pair = `{${stringAt(constraint, 'topologyKey')}, ${action}}`;
    if (seen.has(pair)) errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair));
    seen.add(pair);
    const domains = numberAt(constraint, 'minDomains');
    if (domains !== undefined && domains <= 0) {
      errors.push(invalid(`${at}.minDomains`, domains, 'must be greater than zero'));
    }
    if (domains !== undefined && action !== 'DoNotSchedule') {
      const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${action}`;
      errors.push(invalid(`${at}.minDomains`, domains, detail));
    }
    for (const key of ['nodeAffinityPolicy', 'nodeTaintsPolicy']) {
      errors.push(...oneOf(constraint, key, { field: at, supported: ['Honor', 'Ignore'] }));
    }
    errors.push(...validateLabelKeys(constraint, 'matchLabelKeys', at));
    const { labelSelector } = constraint;
    if (isJsonObject(labelSelector)) {
      errors.push(...validateLabelSelector(labelSelector, `${at}.labelSelector`));
    }
    return errors;
  });
}
