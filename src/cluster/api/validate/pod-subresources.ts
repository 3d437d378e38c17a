/** Changes of a running pod that have an endpoint of their own. */
import { forbidden, invalid, type FieldError } from '../field-error.ts';
import {
  isJsonObject,
  jsonCopy,
  jsonEqual,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
} from '../json.ts';
import { isMirrorPod } from './pod-annotations.ts';
import { validatePodAnnotationsUpdate } from './pod.ts';

/** Containers for looking into a pod only come. */
export function validateEphemeralUpdate(pod: JsonObject, old: JsonObject): FieldError[] {
  const errors = validatePodAnnotationsUpdate(pod, old);
  if (isMirrorPod(old)) return [forbidden('', 'static pods do not support ephemeral containers')];
  const now = objectsAt(pod, 'spec', 'ephemeralContainers');
  const at = 'spec.ephemeralContainers';
  for (const before of objectsAt(old, 'spec', 'ephemeralContainers')) {
    const name = stringAt(before, 'name');
    const same = now.find((container) => container['name'] === name);
    if (same === undefined) {
      errors.push(forbidden(at, `existing ephemeral containers "${name}" may not be removed\n`));
    } else if (!jsonEqual(same, before)) {
      errors.push(forbidden(at, `existing ephemeral containers "${name}" may not be changed\n`));
    }
  }
  return errors;
}

/** Cpu and memory of containers that run, and nothing that makes the pod one of another class (KEP-1287). */
export function validateResize(
  pod: JsonObject,
  old: JsonObject,
  qosClass: (spec: JsonObject) => string,
): FieldError[] {
  if (isMirrorPod(old)) return [forbidden('', 'static pods cannot be resized')];
  if (stringAt(old, 'spec', 'os', 'name') === 'windows') {
    return [forbidden('', 'windows pods cannot be resized')];
  }
  const [spec, before] = [objectAt(pod, 'spec'), objectAt(old, 'spec')];
  const errors: FieldError[] = [];
  if (qosClass(spec) !== qosClass(before)) {
    const shown = stringAt(pod, 'status', 'qosClass');
    errors.push(invalid('spec', shown, 'Pod QOS Class may not change as a result of resizing'));
  }
  const running = objectsAt(old, 'status', 'containerStatuses').find((status) =>
    isJsonObject(objectAt(status, 'state')['running']),
  );
  if (running !== undefined && running['resources'] === undefined) {
    errors.push(forbidden('spec', 'Pod running on node without support for resize'));
  }
  const munged = jsonCopy(spec);
  for (const list of ['initContainers', 'containers']) {
    const olds = objectsAt(before, list);
    for (const [index, container] of objectsAt(munged, list).entries()) {
      const was = olds[index];
      if (was === undefined) continue;
      const sidecar = list === 'initContainers';
      const mutable = !sidecar || container['restartPolicy'] === 'Always';
      if (mutable)
        errors.push(...validateContainerResize(container, was, `spec.${list}[${index}].resources`));
      if (mutable) restore(container, was);
      if (jsonEqual(container, was)) continue;
      const detail = !mutable
        ? 'resources for non-sidecar init containers are immutable'
        : sidecar
          ? 'only cpu and memory resources for sidecar containers are mutable'
          : 'only cpu and memory resources are mutable';
      errors.push(forbidden('spec', detail));
    }
  }
  if (errors.length === 0 && !jsonEqual(munged, before)) {
    errors.push(forbidden('spec', 'only cpu and memory resources are mutable'));
  }
  return errors;
}

/** Puts back what a resize may change. */
function restore(container: JsonObject, was: JsonObject): void {
  const resources: JsonObject = { ...objectAt(container, 'resources') };
  for (const list of ['limits', 'requests']) {
    const before = objectAt(was, 'resources')[list];
    if (!isJsonObject(before)) {
      delete resources[list];
      continue;
    }
    const { cpu: _cpu, memory: _memory, ...others } = objectAt(resources, list);
    resources[list] = {
      ...others,
      ...(before['cpu'] !== undefined && { cpu: before['cpu'] }),
      ...(before['memory'] !== undefined && { memory: before['memory'] }),
    };
  }
  if (was['resources'] === undefined && Object.keys(resources).length === 0) delete container['resources'];
  else container['resources'] = resources;
}

function validateContainerResize(container: JsonObject, was: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const list of ['requests', 'limits']) {
    const now = objectAt(container, 'resources', list);
    if (Object.keys(objectAt(was, 'resources', list)).some((name) => now[name] === undefined)) {
      errors.push(forbidden(`${at}.${list}`, `resource ${list} cannot be removed`));
    }
  }
  return errors;
}
