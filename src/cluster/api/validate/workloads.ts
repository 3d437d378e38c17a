import { invalid, required, unsupported, type FieldError } from '../field-error.ts';
import {
  getPath,
  isJsonObject,
  numberAt,
  objectAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { selectorFromObject, type Labels } from '../selector.ts';
import { immutable, validateAnnotations, validateLabels } from './metadata.ts';
import { isEmptySelector, validateLabelSelector } from './label-selector.ts';
import { validatePodSpec } from './pod-spec.ts';

const NOT_NEGATIVE = 'must be greater than or equal to 0';

export function validateDeployment(deployment: JsonObject): FieldError[] {
  const spec = objectAt(deployment, 'spec');
  return [
    ...validateReplicated(spec),
    ...validateStrategy(objectAt(spec, 'strategy')),
    ...notNegative(spec, 'minReadySeconds'),
    ...notNegative(spec, 'revisionHistoryLimit'),
    ...notNegative(spec, 'progressDeadlineSeconds'),
    ...validateDeadline(spec),
  ];
}

export function validateReplicaSet(replicaSet: JsonObject): FieldError[] {
  const spec = objectAt(replicaSet, 'spec');
  return [...validateReplicated(spec), ...notNegative(spec, 'minReadySeconds')];
}

export function validateScale(scale: JsonObject): FieldError[] {
  return notNegative(objectAt(scale, 'spec'), 'replicas');
}

export function validateWorkloadUpdate(object: JsonObject, old: JsonObject): FieldError[] {
  return immutable(object, old, ['spec', 'selector']);
}

/** What everything that makes pods from a template has in common: replicas, selector, template. */
function validateReplicated(spec: JsonObject): FieldError[] {
  const errors = notNegative(spec, 'replicas');
  const selector = spec['selector'];
  if (!isJsonObject(selector)) errors.push(required('spec.selector'));
  else {
    errors.push(...validateLabelSelector(selector, 'spec.selector'));
    if (isEmptySelector(selector)) {
      errors.push(invalid('spec.selector', selector, 'empty selector is invalid for a workload'));
    }
  }
  const template = objectAt(spec, 'template');
  const labels = objectAt(template, 'metadata', 'labels');
  if (errors.length === 0 && isJsonObject(selector)) {
    const matcher = selectorFromObject(selector);
    if (!matcher.matches(labels as Labels)) {
      errors.push(
        invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'),
      );
    }
  }
  errors.push(
    ...validateLabels(labels, 'spec.template.labels'),
    ...validateAnnotations(getPath(template, 'metadata', 'annotations'), 'spec.template.annotations'),
    ...validatePodSpec(objectAt(template, 'spec'), 'spec.template.spec'),
  );
  const restartPolicy = stringAt(template, 'spec', 'restartPolicy');
  if (restartPolicy === 'OnFailure' || restartPolicy === 'Never') {
    errors.push(unsupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']));
  }
  if (getPath(template, 'spec', 'activeDeadlineSeconds') !== undefined) {
    errors.push({
      type: 'Forbidden',
      field: 'spec.template.spec.activeDeadlineSeconds',
      detail: 'activeDeadlineSeconds in ReplicaSet is not Supported',
    });
  }
  return errors;
}

function notNegative(spec: JsonObject, key: string): FieldError[] {
  const value = numberAt(spec, key);
  return value !== undefined && value < 0 ? [invalid(`spec.${key}`, value, NOT_NEGATIVE)] : [];
}

function validateDeadline(spec: JsonObject): FieldError[] {
  const deadline = numberAt(spec, 'progressDeadlineSeconds');
  if (deadline === undefined || deadline > (numberAt(spec, 'minReadySeconds') ?? 0)) return [];
  return [invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds')];
}

function validateStrategy(strategy: JsonObject): FieldError[] {
  const field = 'spec.strategy';
  const type = stringAt(strategy, 'type');
  const rolling = strategy['rollingUpdate'];
  if (type === 'Recreate') {
    return rolling === undefined
      ? []
      : [
          {
            type: 'Forbidden',
            field: `${field}.rollingUpdate`,
            detail: "may not be specified when strategy `type` is 'Recreate'",
          },
        ];
  }
  if (type !== 'RollingUpdate') return [unsupported(`${field}.type`, type, ['Recreate', 'RollingUpdate'])];
  const values = objectAt(strategy, 'rollingUpdate');
  const errors = ['maxUnavailable', 'maxSurge'].flatMap((key) =>
    validateAmount(values[key], `${field}.rollingUpdate.${key}`),
  );
  if (isNothing(values['maxUnavailable']) && isNothing(values['maxSurge'])) {
    errors.push(
      invalid(
        `${field}.rollingUpdate.maxUnavailable`,
        values['maxUnavailable'],
        'may not be 0 when `maxSurge` is 0',
      ),
    );
  }
  const unavailable = values['maxUnavailable'];
  if (typeof unavailable === 'string' && Number.parseInt(unavailable, 10) > 100) {
    errors.push(
      invalid(`${field}.rollingUpdate.maxUnavailable`, unavailable, 'must not be greater than 100%'),
    );
  }
  return errors;
}

function isNothing(value: JsonValue | undefined): boolean {
  return value === undefined || value === 0 || value === '0%';
}

function validateAmount(value: JsonValue | undefined, field: string): FieldError[] {
  if (typeof value === 'number') return value < 0 ? [invalid(field, value, NOT_NEGATIVE)] : [];
  if (typeof value !== 'string' || /^\d+%$/.test(value)) return [];
  return [
    invalid(
      field,
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ),
  ];
}
