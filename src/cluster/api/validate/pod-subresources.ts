/** Changes of a running pod that have an endpoint of their own. */
import { append } from '../../../base/append.ts';
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

/**
 * Cpu and memory of containers that run (KEP-1287), of init containers too, and of the pod as a whole (KEP-5419), and
 * nothing that makes the pod one of another class.
 */
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
  if (qosClass(spec) !== (stringAt(old, 'status', 'qosClass') || qosClass(before))) {
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
  if (hasResources(spec) || hasResources(before)) append(errors, validateWhole(munged, before));
  const order = LISTS.flatMap((list) => validateOrder(spec, before, list));
  if (order.length > 0) return [...errors, ...order];
  append(
    errors,
    LISTS.toReversed().flatMap((list) =>
      objectsAt(spec, list).flatMap((container, index) =>
        validateRemoved(
          container,
          objectsAt(before, list)[index]!,
          `spec.${list}[${index}].resources`,
          'resource',
        ),
      ),
    ),
  );
  append(
    errors,
    objectsAt(munged, 'containers').flatMap((container, index) => {
      const was = objectsAt(before, 'containers')[index]!;
      restore(container, was);
      return jsonEqual(container, was) ? [] : [forbidden('spec', ONLY)];
    }),
  );
  append(
    errors,
    objectsAt(munged, 'initContainers').flatMap((container, index) =>
      validateInitResize(
        container,
        objectsAt(before, 'initContainers')[index]!,
        `spec.initContainers[${index}]`,
      ),
    ),
  );
  if (errors.length === 0 && !jsonEqual(munged, before)) errors.push(forbidden('spec', ONLY));
  return errors;
}

const ONLY = 'only cpu and memory resources are mutable';
const LISTS = ['containers', 'initContainers'] as const;

function hasResources(spec: JsonObject): boolean {
  return ['requests', 'limits'].some((list) => Object.keys(objectAt(spec, 'resources', list)).length > 0);
}

/** What the pod has as a whole; puts back of `spec` what may change of that. */
function validateWhole(spec: JsonObject, before: JsonObject): FieldError[] {
  const at = 'spec.resources';
  if (before['resources'] !== undefined && spec['resources'] === undefined)
    return [forbidden(at, 'pod-level resources cannot be removed')];
  const errors = validateRemoved(spec, before, at, 'pod-level resource');
  const { claims } = objectAt(spec, 'resources');
  restore(spec, before);
  if (claims !== undefined) spec['resources'] = { ...objectAt(spec, 'resources'), claims };
  return jsonEqual(spec['resources'], before['resources'])
    ? errors
    : [...errors, forbidden('spec', `${ONLY} at pod-level`)];
}

function validateOrder(spec: JsonObject, before: JsonObject, list: (typeof LISTS)[number]): FieldError[] {
  const [now, olds] = [objectsAt(spec, list), objectsAt(before, list)];
  const at = `spec.${list}`;
  if (now.length !== olds.length) return [forbidden(at, `${list} may not be added or removed on resize`)];
  return olds.flatMap(({ name }, index) =>
    now[index]!['name'] === name
      ? []
      : [forbidden(`${at}[${index}].name`, `${list} may not be renamed or reordered on resize`)],
  );
}

function validateInitResize(container: JsonObject, was: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const changed = !jsonEqual(container, was);
  restore(container, was);
  if (!jsonEqual(container, was)) {
    errors.push(forbidden(at, 'only cpu and memory resources for init or sidecar containers are mutable'));
  }
  if (!changed || container['restartPolicy'] === 'Always') return errors;
  const detail = 'non-sidecar init containers with a resize policy of RestartContainer cannot be resized';
  return errors.concat(
    objectsAt(container, 'resizePolicy')
      .filter(({ restartPolicy }) => restartPolicy === 'RestartContainer')
      .map(() => forbidden(at, detail)),
  );
}

/** Puts back the cpu and memory of a container, or of a pod's spec. */
function restore(holder: JsonObject, was: JsonObject): void {
  const resources: JsonObject = {};
  for (const list of ['limits', 'requests']) {
    const before = objectAt(was, 'resources')[list];
    const { cpu: _cpu, memory: _memory, ...others } = objectAt(holder, 'resources', list);
    const { cpu, memory } = objectAt(before);
    const amounts = { ...others, ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
    if (before !== undefined || Object.keys(amounts).length > 0) resources[list] = amounts;
  }
  if (was['resources'] === undefined && Object.keys(resources).length === 0) delete holder['resources'];
  else holder['resources'] = resources;
}

function validateRemoved(holder: JsonObject, was: JsonObject, at: string, what: string): FieldError[] {
  return ['requests', 'limits'].flatMap((list) => {
    const now = objectAt(holder, 'resources', list);
    const kept = Object.keys(objectAt(was, 'resources', list)).every((name) => now[name] !== undefined);
    return kept ? [] : [forbidden(`${at}.${list}`, `${what} ${list} cannot be removed`)];
  });
}
