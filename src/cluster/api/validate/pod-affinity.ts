/** Where pods want to be: near nodes and pods of some kind, far from others, spread over domains. */
import { append } from '../../../base/append.ts';
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
import { formed, notSupported, oneOf } from './checks.ts';
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
    if (isJsonObject(wanted)) append(errors, validateNodeSelector(wanted, `${at}.${REQUIRED}`));
    for (const [index, term] of objectsAt(nodeAffinity, PREFERRED).entries()) {
      const here = `${at}.${PREFERRED}[${index}]`;
      errors.push(
        ...validateWeight(term, here),
        // Label values are not looked at: a preference that fits no node does no harm.
        ...validateNodeTerm(objectAt(term, 'preference'), `${here}.preference`, true),
      );
    }
  }
  for (const key of ['podAffinity', 'podAntiAffinity']) {
    const rules = affinity[key];
    if (!isJsonObject(rules)) continue;
    for (const [index, term] of objectsAt(rules, REQUIRED).entries()) {
      append(errors, validatePodTerm(term, `${field}.${key}.${REQUIRED}[${index}]`));
    }
    for (const [index, term] of objectsAt(rules, PREFERRED).entries()) {
      const here = `${field}.${key}.${PREFERRED}[${index}]`;
      append(errors, validateWeight(term, here));
      append(errors, validatePodTerm(objectAt(term, 'podAffinityTerm'), `${here}.podAffinityTerm`));
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
    append(errors, validateLabelSelector(labelSelector, `${at}.labelSelector`));
  }
  if (isJsonObject(namespaceSelector)) {
    append(errors, validateLabelSelector(namespaceSelector, `${at}.namespaceSelector`));
  }
  for (const namespace of listAt(term, 'namespaces')) {
    append(errors, formed(textOf(namespace), `${at}.namespace`, dns1123Label));
  }
  return [...errors, ...validateLabelKeys(term, at), ...validateTopologyKey(term, at)];
}

function validateTopologyKey(holder: JsonObject, at: string): FieldError[] {
  const key = stringAt(holder, 'topologyKey');
  return [
    ...(key === '' ? [required(`${at}.topologyKey`, 'can not be empty')] : []),
    ...formed(key, `${at}.topologyKey`, qualifiedName),
  ];
}

/** Keys whose values the pod's own labels give (KEP-3633). */
function validateLabelKeys(term: JsonObject, at: string): FieldError[] {
  const { labelSelector } = term;
  const [matching, mismatching] = ['matchLabelKeys', 'mismatchLabelKeys'].map((key) =>
    listAt(term, key).map((item) => textOf(item)),
  ) as [string[], string[]];
  const errors: FieldError[] = [];
  for (const [key, list] of Object.entries({ matchLabelKeys: matching, mismatchLabelKeys: mismatching })) {
    if (list.length === 0) continue;
    if (!isJsonObject(labelSelector)) {
      errors.push(forbidden(`${at}.${key}`, 'must not be specified when labelSelector is not set'));
    } else {
      append(
        errors,
        list.flatMap((item, index) => formed(item, `${at}.${key}[${index}]`, qualifiedName)),
      );
    }
  }
  if (isJsonObject(labelSelector)) {
    // The server has made an expression of each key by now, so that a key may come up once and not twice.
    const seen = new Set(Object.keys(objectAt(labelSelector, 'matchLabels')));
    for (const expression of objectsAt(labelSelector, 'matchExpressions')) {
      const key = stringAt(expression, 'key');
      if (matching.includes(key) && seen.has(key)) {
        const detail = 'exists in both matchLabelKeys and labelSelector';
        errors.push(invalid(`${at}[${matching.lastIndexOf(key)}]`, key, detail));
      }
      seen.add(key);
    }
  }
  for (const [index, key] of matching.entries()) {
    if (!mismatching.includes(key)) continue;
    const detail = 'exists in both matchLabelKeys and mismatchLabelKeys';
    errors.push(invalid(`${at}.matchLabelKeys[${index}]`, key, detail));
  }
  return errors;
}

export function validateSpread(
  constraints: readonly JsonObject[],
  field: string,
  isPod: boolean,
): FieldError[] {
  if (constraints.length === 0) return [];
  const pairOf = (constraint: JsonObject): string =>
    `{${stringAt(constraint, 'topologyKey')}, ${stringAt(constraint, 'whenUnsatisfiable')}}`;
  return constraints.flatMap((constraint, index) => {
    const at = `${field}[${index}]`;
    const skew = numberAt(constraint, 'maxSkew') ?? 0;
    const action = stringAt(constraint, 'whenUnsatisfiable');
    const errors: FieldError[] = [];
    if (skew <= 0) errors.push(invalid(`${at}.maxSkew`, skew, 'must be greater than zero'));
    append(
      errors,
      stringAt(constraint, 'topologyKey') === '' ? [required(`${at}.topologyKey`, 'can not be empty')] : [],
    );
    append(errors, notSupported(action, `${at}.whenUnsatisfiable`, ['DoNotSchedule', 'ScheduleAnyway']));
    const pair = pairOf(constraint);
    // The complaint stands on the first of the two.
    if (constraints.slice(index + 1).some((other) => pairOf(other) === pair)) {
      errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair));
    }
    const domains = numberAt(constraint, 'minDomains');
    if (domains !== undefined && domains <= 0) {
      errors.push(invalid(`${at}.minDomains`, domains, 'must be greater than zero'));
    }
    if (domains !== undefined && action !== 'DoNotSchedule') {
      const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${action}`;
      errors.push(invalid(`${at}.minDomains`, domains, detail));
    }
    for (const key of ['nodeAffinityPolicy', 'nodeTaintsPolicy']) {
      append(errors, oneOf(constraint, key, { field: at, supported: ['Honor', 'Ignore'], emptyToo: true }));
    }
    append(errors, isPod ? validateLabelKeys(constraint, at) : validateSpreadKeys(constraint, at));
    const { labelSelector } = constraint;
    if (isJsonObject(labelSelector)) {
      append(errors, validateLabelSelector(labelSelector, `${at}.labelSelector`));
    }
    return errors;
  });
}

function validateSpreadKeys(constraint: JsonObject, at: string): FieldError[] {
  const keys = listAt(constraint, 'matchLabelKeys').map((item) => textOf(item));
  const { labelSelector } = constraint;
  if (keys.length === 0) return [];
  const errors: FieldError[] = [];
  const known = new Set(Object.keys(objectAt(labelSelector, 'matchLabels')));
  for (const expression of objectsAt(labelSelector, 'matchExpressions'))
    known.add(stringAt(expression, 'key'));
  if (!isJsonObject(labelSelector)) {
    errors.push(forbidden(`${at}.matchLabelKeys`, 'must not be specified when labelSelector is not set'));
  }
  for (const [index, key] of keys.entries()) {
    const here = `${at}.matchLabelKeys[${index}]`;
    append(errors, formed(key, here, qualifiedName));
    if (known.has(key)) errors.push(invalid(here, key, 'exists in both matchLabelKeys and labelSelector'));
  }
  return errors;
}
