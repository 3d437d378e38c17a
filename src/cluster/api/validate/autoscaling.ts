import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, numberAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { tryParseQuantity } from '../quantity.ts';
import { formed } from './checks.ts';
import { validateLabelSelector } from './label-selector.ts';
import { pathSegment } from './names.ts';

/** Both versions: v1 has no metrics, and a target for the cpu of its own. */
export function validateAutoscaler(autoscaler: JsonObject): FieldError[] {
  const spec = objectAt(autoscaler, 'spec');
  const minimum = numberAt(spec, 'minReplicas');
  const maximum = numberAt(spec, 'maxReplicas') ?? 0;
  const errors: FieldError[] = [];
  if (minimum !== undefined && minimum < 1) {
    errors.push(invalid('spec.minReplicas', minimum, 'must be greater than or equal to 1'));
  }
  if (maximum < 1) errors.push(invalid('spec.maxReplicas', maximum, 'must be greater than 0'));
  if (minimum !== undefined && maximum < minimum) {
    errors.push(invalid('spec.maxReplicas', maximum, 'must be greater than or equal to `minReplicas`'));
  }
  errors.push(...validateReference(objectAt(spec, 'scaleTargetRef'), 'spec.scaleTargetRef'));
  const percent = numberAt(spec, 'targetCPUUtilizationPercentage');
  if (percent !== undefined && percent < 1) {
    const at = 'spec.metrics[0].resource.target.averageUtilization';
    errors.push(invalid(at, percent, 'must be greater than 0'));
  }
  for (const [index, metric] of objectsAt(spec, 'metrics').entries()) {
    errors.push(...validateMetric(metric, `spec.metrics[${index}]`));
  }
  for (const direction of ['scaleUp', 'scaleDown']) {
    const rules = objectAt(spec, 'behavior')[direction];
    if (isJsonObject(rules)) errors.push(...validateRules(rules, `spec.behavior.${direction}`));
  }
  return errors;
}

function validateReference(reference: JsonObject, field: string): FieldError[] {
  return ['kind', 'name'].flatMap((key) => {
    const value = stringAt(reference, key);
    return value === '' ? [required(`${field}.${key}`)] : formed(value, `${field}.${key}`, pathSegment);
  });
}

/** Type and the member that describes it. */
const SOURCES: Readonly<Record<string, string>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};

function validateMetric(metric: JsonObject, at: string): FieldError[] {
  const type = stringAt(metric, 'type');
  if (type === '') return [required(`${at}.type`, 'must specify a metric source type')];
  const expected = SOURCES[type];
  if (expected === undefined) return [unsupported(`${at}.type`, type, Object.keys(SOURCES))];
  const given = Object.values(SOURCES).filter((source) => isJsonObject(metric[source]));
  const errors: FieldError[] = [];
  const source = metric[expected];
  if (!isJsonObject(source)) {
    errors.push(required(`${at}.${expected}`, 'must populate information for the given metric source'));
  } else errors.push(...validateSource(source, expected, `${at}.${expected}`));
  for (const other of given.filter((name) => name !== expected)) {
    errors.push(forbidden(`${at}.${other}`, 'must populate the given metric source only'));
  }
  return errors;
}

function validateSource(source: JsonObject, kind: string, at: string): FieldError[] {
  const target = objectAt(source, 'target');
  const errors: FieldError[] = [];
  if (kind === 'resource' || kind === 'containerResource') {
    if (stringAt(source, 'name') === '') {
      errors.push(required(`${at}.name`, 'must specify a resource name'));
    }
    if (kind === 'containerResource' && stringAt(source, 'container') === '') {
      errors.push(required(`${at}.container`, 'must specify a container'));
    }
  } else errors.push(...validateIdentifier(objectAt(source, 'metric'), `${at}.metric`));
  if (kind === 'object') {
    errors.push(...validateReference(objectAt(source, 'describedObject'), `${at}.describedObject`));
  }
  errors.push(...validateTarget(target, `${at}.target`), ...validateChoice(target, kind, `${at}.target`));
  return errors;
}

function validateIdentifier(metric: JsonObject, at: string): FieldError[] {
  const name = stringAt(metric, 'name');
  if (name === '') return [required(`${at}.name`, 'must specify a metric name')];
  const { selector } = metric;
  return [
    ...formed(name, `${at}.name`, pathSegment),
    ...(isJsonObject(selector) ? validateLabelSelector(selector, `${at}.selector`) : []),
  ];
}

const TARGETS = ['Utilization', 'Value', 'AverageValue'];

function validateTarget(target: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const type = stringAt(target, 'type');
  if (type === '') errors.push(required(`${at}.type`, 'must specify a metric target type'));
  else if (!TARGETS.includes(type)) {
    errors.push(invalid(`${at}.type`, type, 'must be either Utilization, Value, or AverageValue'));
  }
  for (const key of ['value', 'averageValue']) {
    if (target[key] !== undefined && !isPositive(target, key)) {
      errors.push(invalid(`${at}.${key}`, target[key], 'must be positive'));
    }
  }
  const percent = numberAt(target, 'averageUtilization');
  if (percent !== undefined && percent < 1) {
    errors.push(invalid(`${at}.averageUtilization`, percent, 'must be greater than 0'));
  }
  return errors;
}

function isPositive(target: JsonObject, key: string): boolean {
  return (tryParseQuantity(stringAt(target, key))?.nano ?? 0n) > 0n;
}

/** Which of the amounts a kind of metric is measured by. */
function validateChoice(target: JsonObject, kind: string, at: string): FieldError[] {
  const { value, averageValue, averageUtilization } = target;
  if (kind === 'pods') {
    return averageValue === undefined || !isPositive(target, 'averageValue')
      ? [required(`${at}.averageValue`, 'must specify a positive target averageValue')]
      : [];
  }
  if (kind === 'resource' || kind === 'containerResource') {
    if (averageUtilization === undefined && averageValue === undefined) {
      const detail = 'must set either a target raw value or a target utilization';
      return [required(`${at}.averageUtilization`, detail)];
    }
    return averageUtilization !== undefined && averageValue !== undefined
      ? [forbidden(`${at}.averageValue`, 'may not set both a target raw value and a target utilization')]
      : [];
  }
  if (value === undefined && averageValue === undefined) {
    const detail = 'must set either a target value for metric or a per-pod target';
    return [required(`${at}.averageValue`, detail)];
  }
  return kind === 'external' && value !== undefined && averageValue !== undefined
    ? [forbidden(`${at}.value`, 'may not set both a target value for metric and a per-pod target')]
    : [];
}

const MAX_WINDOW_SECONDS = 3600;
const MAX_PERIOD_SECONDS = 1800;

function validateRules(rules: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const window = numberAt(rules, 'stabilizationWindowSeconds');
  if (window !== undefined && window < 0) {
    const detail = 'must be greater than or equal to zero';
    errors.push(invalid(`${at}.stabilizationWindowSeconds`, window, detail));
  }
  if (window !== undefined && window > MAX_WINDOW_SECONDS) {
    const detail = `must be less than or equal to ${MAX_WINDOW_SECONDS}`;
    errors.push(invalid(`${at}.stabilizationWindowSeconds`, window, detail));
  }
  const select = stringAt(rules, 'selectPolicy');
  const choices = ['Disabled', 'Max', 'Min'];
  if (select !== '' && !choices.includes(select)) {
    errors.push(unsupported(`${at}.selectPolicy`, select, choices));
  }
  if (listAt(rules, 'policies').length === 0) {
    errors.push(required(`${at}.policies`, 'must specify at least one Policy'));
  }
  for (const [index, policy] of objectsAt(rules, 'policies').entries()) {
    const here = `${at}.policies[${index}]`;
    const type = stringAt(policy, 'type');
    const period = numberAt(policy, 'periodSeconds') ?? 0;
    const value = numberAt(policy, 'value') ?? 0;
    if (type !== 'Pods' && type !== 'Percent') {
      errors.push(unsupported(`${here}.type`, type, ['Percent', 'Pods']));
    }
    if (value <= 0) errors.push(invalid(`${here}.value`, value, 'must be greater than zero'));
    if (period <= 0) errors.push(invalid(`${here}.periodSeconds`, period, 'must be greater than zero'));
    if (period > MAX_PERIOD_SECONDS) {
      const detail = `must be less than or equal to ${MAX_PERIOD_SECONDS}`;
      errors.push(invalid(`${here}.periodSeconds`, period, detail));
    }
  }
  return errors;
}
