import { append } from '../../../base/append.ts';
import { autoscalerV2 } from '../autoscaler-versions.ts';
import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, numberAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { tryParseQuantity } from '../quantity.ts';
import { formed, notNegative, notNegativeQuantity, notSupported } from './checks.ts';
import { dns1123Label, pathSegment } from './names.ts';
import { validateContainerResourceName } from './resource-names.ts';

/** What an `apiVersion` must say beside being one; `any` where an object was stored before there was a rule. */
type GroupRule = 'any' | 'group' | 'version';

/** Of either version: an older one is looked at in its newer form. */
export function validateAutoscaler(asked: JsonObject): FieldError[] {
  const autoscaler = autoscalerV2(asked);
  return validateSpec(autoscaler, { least: 1, target: groupRule(autoscaler), described: 'version' });
}

/** Rules that are younger than the object do not hold for what it already says. */
export function validateAutoscalerUpdate(asked: JsonObject, old: JsonObject): FieldError[] {
  const autoscaler = autoscalerV2(asked);
  const before = objectAt(autoscalerV2(old), 'spec');
  const target = objectAt(autoscaler, 'spec', 'scaleTargetRef');
  const was = objectAt(before, 'scaleTargetRef');
  const same = ['apiVersion', 'kind'].every((key) => stringAt(target, key) === stringAt(was, key));
  const described = objectsAt(before, 'metrics').map((metric) =>
    objectAt(metric, 'object', 'describedObject'),
  );
  return validateSpec(autoscaler, {
    least: numberAt(before, 'minReplicas') === 0 ? 0 : 1,
    target: same ? 'any' : groupRule(autoscaler),
    described: described.some(
      (item) => versionComplaint(stringAt(item, 'apiVersion'), 'version') !== undefined,
    )
      ? 'any'
      : 'version',
  });
}

/** Of what can be scaled, only one kind is in the group without a name. */
function groupRule(autoscaler: JsonObject): GroupRule {
  return stringAt(autoscaler, 'spec', 'scaleTargetRef', 'kind') === 'ReplicationController'
    ? 'version'
    : 'group';
}

export function validateAutoscalerStatus(autoscaler: JsonObject): FieldError[] {
  return notNegative(objectAt(autoscaler, 'status'), 'status', 'currentReplicas', 'desiredReplicas');
}

interface SpecRules {
  readonly least: number;
  readonly target: GroupRule;
  readonly described: GroupRule;
}

function validateSpec(autoscaler: JsonObject, rules: SpecRules): FieldError[] {
  const spec = objectAt(autoscaler, 'spec');
  const minimum = numberAt(spec, 'minReplicas');
  const maximum = numberAt(spec, 'maxReplicas') ?? 0;
  const errors: FieldError[] = [];
  if (minimum !== undefined && minimum < rules.least) {
    errors.push(invalid('spec.minReplicas', minimum, `must be greater than or equal to ${rules.least}`));
  }
  if (maximum === 0) errors.push(required('spec.maxReplicas', 'must be set and greater than 0'));
  if (maximum < 0) errors.push(invalid('spec.maxReplicas', maximum, 'must be greater than or equal to 1'));
  if (minimum !== undefined && maximum < minimum) {
    errors.push(invalid('spec.maxReplicas', maximum, 'must be greater than or equal to `minReplicas`'));
  }
  append(errors, validateReference(objectAt(spec, 'scaleTargetRef'), 'spec.scaleTargetRef', rules.target));
  const metrics = objectsAt(spec, 'metrics');
  for (const [index, metric] of metrics.entries()) {
    append(errors, validateMetric(metric, `spec.metrics[${index}]`, rules.described));
  }
  // What runs on nothing can only be woken by what is measured outside of it.
  if (minimum === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External')) {
    const detail = 'must specify at least one Object or External metric to support scaling to zero replicas';
    errors.push(forbidden('spec.metrics', detail));
  }
  for (const direction of ['scaleUp', 'scaleDown']) {
    const rules = objectAt(spec, 'behavior')[direction];
    if (isJsonObject(rules)) append(errors, validateRules(rules, `spec.behavior.${direction}`));
  }
  return errors;
}

function validateReference(reference: JsonObject, field: string, rule: GroupRule): FieldError[] {
  const errors = ['kind', 'name'].flatMap((key) => {
    const value = stringAt(reference, key);
    return value === '' ? [required(`${field}.${key}`)] : formed(value, `${field}.${key}`, pathSegment);
  });
  const version = stringAt(reference, 'apiVersion');
  const complaint = versionComplaint(version, rule);
  if (complaint !== undefined) errors.push(invalid(`${field}.apiVersion`, version, complaint));
  return errors;
}

function versionComplaint(version: string, rule: GroupRule): string | undefined {
  if (rule === 'any') return undefined;
  const slash = version.indexOf('/');
  if (version !== '/' && version.includes('/', slash + 1) && slash !== -1) {
    return `unexpected GroupVersion string: ${version}`;
  }
  return rule === 'group' && slash < 1 ? 'apiVersion must specify API group' : undefined;
}

/** Type and the member that describes it. */
const SOURCES: Readonly<Record<string, string>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};
/** Of several that are given, the first of these is looked into. */
const LOOKED_INTO = ['object', 'external', 'pods', 'resource', 'containerResource'];

function validateMetric(metric: JsonObject, at: string, rule: GroupRule): FieldError[] {
  const type = stringAt(metric, 'type');
  const expected = Object.hasOwn(SOURCES, type) ? SOURCES[type] : undefined;
  const given = LOOKED_INTO.filter((source) => isJsonObject(metric[source]));
  const errors: FieldError[] = [];
  if (type === '') errors.push(required(`${at}.type`, 'must specify a metric source type'));
  if (expected === undefined) errors.push(unsupported(`${at}.type`, type, Object.keys(SOURCES)));
  const [first] = given;
  if (first !== undefined) {
    append(errors, validateSource(objectAt(metric, first), { kind: first, at: `${at}.${first}`, rule }));
  }
  // Upstream says it at both ends of its look at the sources.
  if (expected === undefined) errors.push(unsupported(`${at}.type`, type, Object.keys(SOURCES)));
  else if (!given.includes(expected)) {
    errors.push(required(`${at}.${expected}`, 'must populate information for the given metric source'));
  }
  if (given.length > 1) {
    for (const other of given.filter((name) => name !== expected)) {
      errors.push(forbidden(`${at}.${other}`, 'must populate the given metric source only'));
    }
  }
  return errors;
}

interface SourceAt {
  readonly kind: string;
  readonly at: string;
  readonly rule: GroupRule;
}

function validateSource(source: JsonObject, { kind, at, rule }: SourceAt): FieldError[] {
  const target = objectAt(source, 'target');
  const errors: FieldError[] = [];
  if (kind === 'object') {
    append(errors, validateReference(objectAt(source, 'describedObject'), `${at}.describedObject`, rule));
  }
  if (kind === 'resource' || kind === 'containerResource') append(errors, validateMeasured(source, kind, at));
  else append(errors, validateIdentifier(objectAt(source, 'metric'), `${at}.metric`));
  append(errors, validateTarget(target, `${at}.target`));
  append(errors, validateChoice(target, kind, `${at}.target`));
  return errors;
}

/** What of the pods, and of which container. */
function validateMeasured(source: JsonObject, kind: string, at: string): FieldError[] {
  const name = stringAt(source, 'name');
  const errors = name === '' ? [required(`${at}.name`, 'must specify a resource name')] : [];
  if (kind === 'resource') return errors;
  if (name !== '') append(errors, validateContainerResourceName(name, `${at}.name`));
  const container = stringAt(source, 'container');
  return [
    ...errors,
    ...(container === ''
      ? [required(`${at}.container`, 'must specify a container')]
      : formed(container, `${at}.container`, dns1123Label)),
  ];
}

function validateIdentifier(metric: JsonObject, at: string): FieldError[] {
  const name = stringAt(metric, 'name');
  return name === ''
    ? [required(`${at}.name`, 'must specify a metric name')]
    : formed(name, `${at}.name`, pathSegment);
}

const TARGETS = ['Utilization', 'Value', 'AverageValue'];

function validateTarget(target: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const type = stringAt(target, 'type');
  if (type === '') errors.push(required(`${at}.type`, 'must specify a metric target type'));
  if (!TARGETS.includes(type)) {
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
    return averageValue === undefined
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
    const detail =
      kind === 'object'
        ? 'must set either a target value or averageValue'
        : 'must set either a target value for metric or a per-pod target';
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
  const { selectPolicy } = rules;
  if (selectPolicy !== undefined) {
    append(errors, notSupported(selectPolicy, `${at}.selectPolicy`, ['Disabled', 'Max', 'Min']));
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
  return [...errors, ...notNegativeQuantity(rules['tolerance'], `${at}.tolerance`)];
}
