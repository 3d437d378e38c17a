import { forbidden, invalid, type FieldError } from '../field-error.ts';
import {
  getPath,
  jsonCopy,
  jsonEqual,
  listAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
} from '../json.ts';
import { validatePodSpec } from './pod-spec.ts';

export function validatePod(pod: JsonObject): FieldError[] {
  return validatePodSpec(objectAt(pod, 'spec'), 'spec');
}

/** What only running pods get, and what new ones cannot have together. */
export function validatePodCreate(pod: JsonObject): FieldError[] {
  const spec = objectAt(pod, 'spec');
  const errors: FieldError[] = [];
  if (listAt(spec, 'ephemeralContainers').length > 0) {
    errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'));
  }
  if (stringAt(spec, 'nodeName') !== '' && listAt(spec, 'schedulingGates').length > 0) {
    errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'));
  }
  return errors;
}

const CHANGEABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** A pod's spec is what it was made with, but for images, a shorter deadline, further tolerations and fewer gates. */
export function validatePodUpdate(pod: JsonObject, old: JsonObject): FieldError[] {
  const spec = objectAt(pod, 'spec');
  const before = objectAt(old, 'spec');
  const errors: FieldError[] = [];
  for (const list of ['containers', 'initContainers']) {
    if (listAt(spec, list).length !== listAt(before, list).length) {
      errors.push(forbidden(`spec.${list}`, 'pod updates may not add or remove containers'));
    }
  }
  if (errors.length > 0) return errors;
  errors.push(
    ...validateDeadline(spec, before),
    ...validateTolerations(spec, before),
    ...validateGates(spec, before),
  );
  if (!jsonEqual(fixedPart(spec, before), before)) errors.push(forbidden('spec', CHANGEABLE));
  return errors;
}

/** The new spec with the old values of everything that may change. */
function fixedPart(spec: JsonObject, before: JsonObject): JsonObject {
  const result = jsonCopy(spec);
  for (const list of ['containers', 'initContainers']) {
    const olds = objectsAt(before, list);
    for (const [index, container] of objectsAt(result, list).entries()) {
      const image = olds[index]?.['image'];
      if (image === undefined) delete container['image'];
      else container['image'] = image;
    }
  }
  for (const key of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates']) {
    const value = before[key];
    if (value === undefined) delete result[key];
    else result[key] = value;
  }
  const grace = before['terminationGracePeriodSeconds'];
  if (typeof grace === 'number' && grace < 0 && result['terminationGracePeriodSeconds'] === 1) {
    result['terminationGracePeriodSeconds'] = grace;
  }
  return result;
}

function validateDeadline(spec: JsonObject, before: JsonObject): FieldError[] {
  const field = 'spec.activeDeadlineSeconds';
  const now = getPath(spec, 'activeDeadlineSeconds');
  const was = getPath(before, 'activeDeadlineSeconds');
  if (typeof was !== 'number' || now === was) return [];
  if (typeof now !== 'number') {
    return [invalid(field, now, 'must not update from a positive integer to nil value')];
  }
  return now > was ? [invalid(field, now, `must be less than or equal to previous value: ${was}`)] : [];
}

function validateTolerations(spec: JsonObject, before: JsonObject): FieldError[] {
  const tolerations = objectsAt(spec, 'tolerations');
  // Only how long an eviction is tolerated may change.
  const withoutTime = (item: JsonObject): JsonObject => {
    const { tolerationSeconds: _, ...rest } = item;
    return rest;
  };
  const kept = objectsAt(before, 'tolerations').every((old) =>
    tolerations.some((item) =>
      old['effect'] === 'NoExecute' ? jsonEqual(withoutTime(item), withoutTime(old)) : jsonEqual(item, old),
    ),
  );
  return kept
    ? []
    : [forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')];
}

/** Gates only go (KEP-3521). */
function validateGates(spec: JsonObject, before: JsonObject): FieldError[] {
  const field = 'spec.schedulingGates';
  const known = new Set(objectsAt(before, 'schedulingGates').map((gate) => gate['name']));
  return objectsAt(spec, 'schedulingGates')
    .filter((gate) => !known.has(gate['name']))
    .map((gate) =>
      forbidden(field, `only deletion is allowed, but found new scheduling gate '${stringAt(gate, 'name')}'`),
    );
}
