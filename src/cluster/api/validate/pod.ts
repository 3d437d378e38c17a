import { append } from '../../../base/append.ts';
import { duplicate, forbidden, invalid, required, type FieldError } from '../field-error.ts';
import { oncePerPart } from '../common-parts.ts';
import {
  getPath,
  isJsonObject,
  jsonCopy,
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
} from '../json.ts';
import { formed, isDualStack, joined, notSupported, unchanged, validIp } from './checks.ts';
import { dns1123Subdomain, qualifiedName } from './names.ts';
import {
  validatePodAnnotations,
  validateAnnotationsUpdate,
  validateProfilesMatch,
} from './pod-annotations.ts';
import { validatePodOnly, validatePodSpec } from './pod-spec.ts';

const LISTS = ['containers', 'initContainers'] as const;

/** What annotations say that means something for the pod. */
export function validatePodProfiles(pod: JsonObject): FieldError[] {
  const annotations = objectAt(pod, 'metadata', 'annotations');
  return validatePodAnnotations(annotations, objectAt(pod, 'spec'), 'metadata.annotations');
}

/** The spec. The name, by which claims are made for it, never changes. */
export function validatePod(pod: JsonObject): FieldError[] {
  const spec = objectAt(pod, 'spec');
  const namesClaims = objectsAt(spec, 'volumes').some((volume) => volume['ephemeral'] !== undefined);
  return namesClaims ? errorsInSpec(spec, stringAt(pod, 'metadata', 'name')) : errorsInPlainSpec(spec);
}

/** Of whatever name the pod is. */
const errorsInPlainSpec = oncePerPart((spec: JsonObject) => errorsInSpec(spec, ''));

function errorsInSpec(spec: JsonObject, name: string): FieldError[] {
  return joined(validatePodSpec(spec, 'spec', { isPod: true, name }), validatePodOnly(spec, 'spec'));
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
  return joined(errors, validateProfilesMatch(objectAt(pod, 'metadata', 'annotations'), spec, 'spec'));
}

export function validatePodAnnotationsUpdate(pod: JsonObject, old: JsonObject): FieldError[] {
  const now = objectAt(pod, 'metadata', 'annotations');
  return validateAnnotationsUpdate(now, objectAt(old, 'metadata', 'annotations'), 'metadata.annotations');
}

const CHANGEABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** A pod's spec is what it was made with, but for images, a shorter deadline, further tolerations and fewer gates. */
export function validatePodUpdate(pod: JsonObject, old: JsonObject): FieldError[] {
  const spec = objectAt(pod, 'spec');
  const before = objectAt(old, 'spec');
  const errors = validatePodAnnotationsUpdate(pod, old);
  // A binding says on which node a pod is without asking whether a node can have that name.
  if (spec === before) return joined(nodeNamed(spec), errors);
  for (const list of LISTS) {
    if (listAt(spec, list).length !== listAt(before, list).length) {
      return [...errors, forbidden(`spec.${list}`, 'pod updates may not add or remove containers')];
    }
  }
  const deadline = validateDeadline(spec, before);
  append(errors, deadline);
  if (deadline.length > 0 && spec['activeDeadlineSeconds'] !== undefined) return errors;
  append(errors, validateTolerations(spec, before));
  append(errors, validateGates(spec, before));
  const munged = fixedPart(spec, before);
  // Where a pod may go can still be narrowed while its gates hold it back (KEP-3838).
  if (listAt(before, 'schedulingGates').length > 0) append(errors, validatePlacement(munged, before));
  if (!jsonEqual(munged, before)) errors.push(forbidden('spec', CHANGEABLE));
  return errors;
}

function nodeNamed(spec: JsonObject): FieldError[] {
  const name = stringAt(spec, 'nodeName');
  return name === '' ? [] : formed(name, 'spec.nodeName', dns1123Subdomain);
}

function put(target: JsonObject, key: string, value: JsonObject[string]): void {
  if (value === undefined) delete target[key];
  else target[key] = value;
}

/** The new spec with the old values of everything that may change. */
function fixedPart(spec: JsonObject, before: JsonObject): JsonObject {
  const result = jsonCopy(spec);
  for (const list of LISTS) {
    const olds = objectsAt(before, list);
    for (const [index, container] of objectsAt(result, list).entries()) {
      put(container, 'image', olds[index]?.['image']);
    }
  }
  for (const key of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates']) {
    put(result, key, before[key]);
  }
  const grace = before['terminationGracePeriodSeconds'];
  if (typeof grace === 'number' && grace < 0 && result['terminationGracePeriodSeconds'] === 1) {
    result['terminationGracePeriodSeconds'] = grace;
  }
  return result;
}

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';

/** Puts the old selector and node affinity back into `munged` and complains of what is more than a narrowing. */
function validatePlacement(munged: JsonObject, before: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const selector = objectAt(munged, 'nodeSelector');
  const kept = Object.entries(objectAt(before, 'nodeSelector')).every(
    ([key, value]) => selector[key] === value,
  );
  if (!kept) {
    const detail = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
    errors.push(invalid('spec.nodeSelector', munged['nodeSelector'], detail));
  }
  put(munged, 'nodeSelector', before['nodeSelector']);
  const [now, was] = [munged, before].map((spec) => getPath(spec, 'affinity', 'nodeAffinity'));
  if (jsonEqual(now, was)) return errors;
  append(errors, validateNarrowing(now, was));
  const affinity = munged['affinity'];
  if (!isJsonObject(affinity)) put(munged, 'affinity', was === undefined ? undefined : { nodeAffinity: was });
  else if (before['affinity'] === undefined && Object.keys(affinity).length === 1) delete munged['affinity'];
  else put(affinity, 'nodeAffinity', was);
  return errors;
}

function validateNarrowing(now: JsonObject[string], was: JsonObject[string]): FieldError[] {
  const [terms, olds] = [now, was].map((affinity) => objectsAt(affinity, REQUIRED, 'nodeSelectorTerms'));
  const at = `spec.affinity.nodeAffinity.${REQUIRED}.nodeSelectorTerms`;
  if (terms === undefined || olds === undefined || olds.length === 0) return [];
  if (terms.length !== olds.length) {
    const detail = 'no additions/deletions to non-empty NodeSelectorTerms list are allowed';
    return [invalid(at, [...terms], detail)];
  }
  const grows = (term: JsonObject, old: JsonObject, key: string): boolean => {
    const before = listAt(old, key);
    return jsonEqual(listAt(term, key).slice(0, before.length), before);
  };
  return olds.flatMap((old, index) => {
    const term = terms[index] ?? {};
    const keys = ['matchExpressions', 'matchFields'];
    // A term without conditions selects nothing; with one it would select more.
    const empty = keys.every((key) => listAt(old, key).length === 0);
    const fine = keys.every((key) => grows(term, old, key) && (!empty || listAt(term, key).length === 0));
    return fine
      ? []
      : [invalid(`${at}[${index}]`, term, 'only additions are allowed (no mutations or deletions)')];
  });
}

function validateDeadline(spec: JsonObject, before: JsonObject): FieldError[] {
  const field = 'spec.activeDeadlineSeconds';
  const now = getPath(spec, 'activeDeadlineSeconds');
  const was = getPath(before, 'activeDeadlineSeconds');
  if (typeof now !== 'number') {
    return was === undefined
      ? []
      : [invalid(field, now, 'must not update from a positive integer to nil value')];
  }
  if (now < 0 || now > 2_147_483_647) {
    return [invalid(field, now, 'must be between 0 and 2147483647, inclusive')];
  }
  return typeof was === 'number' && now > was
    ? [invalid(field, now, 'must be less than or equal to previous value')]
    : [];
}

function validateTolerations(spec: JsonObject, before: JsonObject): FieldError[] {
  const tolerations = objectsAt(spec, 'tolerations');
  // Only how long it is tolerated may change.
  const withoutTime = (toleration: JsonObject): JsonObject => ({
    ...toleration,
    tolerationSeconds: undefined,
  });
  const kept = objectsAt(before, 'tolerations').every((old) =>
    tolerations.some((item) => jsonEqual(withoutTime(item), withoutTime(old))),
  );
  return kept
    ? []
    : [forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')];
}

/** Gates only go (KEP-3521). */
function validateGates(spec: JsonObject, before: JsonObject): FieldError[] {
  const known = new Set(objectsAt(before, 'schedulingGates').map((gate) => gate['name']));
  return objectsAt(spec, 'schedulingGates').flatMap((gate, index) => {
    if (known.has(gate['name'])) return [];
    const detail = `only deletion is allowed, but found new scheduling gate '${stringAt(gate, 'name')}'`;
    return [forbidden(`spec.schedulingGates[${index}].name`, detail)];
  });
}

const CONDITIONS = new Set(['PodScheduled', 'Ready', 'Initialized']);

export function validatePodStatus(pod: JsonObject, old: JsonObject): FieldError[] {
  const status = objectAt(pod, 'status');
  const before = objectAt(old, 'status');
  const policy = stringAt(old, 'spec', 'restartPolicy');
  const sidecars = new Set(
    objectsAt(old, 'spec', 'initContainers')
      .filter((container) => container['restartPolicy'] === 'Always')
      .map((container) => stringAt(container, 'name')),
  );
  const nominated = stringAt(status, 'nominatedNodeName');
  const restarting = new Set(
    LISTS.flatMap((list) => objectsAt(old, 'spec', list))
      .filter((container) => container['restartPolicy'] !== undefined)
      .map((container) => stringAt(container, 'name')),
  );
  const still = (list: string, how: { readonly policy: string; readonly skip: ReadonlySet<string> }) =>
    validateTerminated(objectsAt(status, list), objectsAt(before, list), { ...how, at: `status.${list}` });
  return [
    ...validatePodAnnotationsUpdate(pod, old),
    ...objectsAt(status, 'conditions').flatMap((condition, index) => {
      const type = stringAt(condition, 'type');
      // Upstream looks for them in the metadata, and writes the member with a capital.
      return CONDITIONS.has(type) ? [] : formed(type, `metadata.conditions[${index}].Type`, qualifiedName);
    }),
    ...(nominated !== '' && nominated !== stringAt(before, 'nominatedNodeName')
      ? formed(nominated, 'status.nominatedNodeName', dns1123Subdomain)
      : []),
    ...(before['qosClass'] === undefined ? [] : unchanged(pod, old, 'status.qosClass')),
    ...still('containerStatuses', { policy, skip: restarting }),
    ...still('initContainerStatuses', { policy, skip: new Set([...sidecars, ...restarting]) }),
    ...still('ephemeralContainerStatuses', { policy: 'Never', skip: new Set() }),
    ...validateClaimStatuses(pod),
    ...validateAddresses(status, 'podIPs'),
    ...validateHostAddresses(status),
  ];
}

/** A container that has ended for good does not run again. */
function validateTerminated(
  now: readonly JsonObject[],
  before: readonly JsonObject[],
  how: { readonly at: string; readonly policy: string; readonly skip: ReadonlySet<string> },
): FieldError[] {
  if (how.policy === 'Always') return [];
  return before.flatMap((old, index) => {
    const ended = getPath(old, 'state', 'terminated');
    const name = stringAt(old, 'name');
    if (!isJsonObject(ended) || how.skip.has(name)) return [];
    if (how.policy === 'OnFailure' && (numberAt(ended, 'exitCode') ?? 0) !== 0) return [];
    return now
      .filter((item) => item['name'] === name && getPath(item, 'state', 'terminated') === undefined)
      .map(() => forbidden(`${how.at}[${index}].state`, 'may not be transitioned to non-terminated state'));
  });
}

function validateClaimStatuses(pod: JsonObject): FieldError[] {
  const known = new Set(objectsAt(pod, 'spec', 'resourceClaims').map((claim) => claim['name']));
  const seen = new Set<string>();
  return objectsAt(pod, 'status', 'resourceClaimStatuses').flatMap((status, index) => {
    const at = `status.resourceClaimStatuses[${index}].name`;
    const name = stringAt(status, 'name');
    const claim = stringAt(status, 'resourceClaimName');
    const errors: FieldError[] = [];
    if (!known.has(name)) {
      errors.push(invalid(at, name, 'must match the name of an entry in `spec.resourceClaims`'));
    }
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    if (claim !== '') append(errors, formed(claim, at, dns1123Subdomain));
    return errors;
  });
}

function validateAddresses(status: JsonObject, list: 'podIPs' | 'hostIPs'): FieldError[] {
  const at = `status.${list}`;
  const items = objectsAt(status, list);
  const addresses = items.map((item) => stringAt(item, 'ip'));
  const errors = addresses.flatMap((address, index) => validIp(address, `${at}[${index}]`));
  if (addresses.length < 2) return errors;
  if (!isDualStack(addresses) || addresses.length > 2) {
    errors.push(invalid(at, [...items], 'may specify no more than one IP for each IP family'));
  }
  for (const [index, address] of addresses.entries()) {
    if (addresses.indexOf(address) < index) errors.push(duplicate(`${at}[${index}]`, items[index]));
  }
  return errors;
}

function validateHostAddresses(status: JsonObject): FieldError[] {
  const [first] = objectsAt(status, 'hostIPs');
  if (first === undefined) return [];
  const same = stringAt(first, 'ip') === stringAt(status, 'hostIP');
  return [
    ...(same ? [] : [invalid('status.hostIPs[0].ip', first['ip'], 'must be equal to `hostIP`')]),
    ...validateAddresses(status, 'hostIPs'),
  ];
}

/** What a binding says of where its pod goes. */
export function validateBinding(binding: JsonObject): FieldError[] {
  const kind = stringAt(binding, 'target', 'kind');
  return [
    ...(kind === ''
      ? []
      : notSupported(kind, 'target.kind', ['Node', '<empty>']).filter(() => kind !== 'Node')),
    ...(stringAt(binding, 'target', 'name') === '' ? [required('target.name')] : []),
  ];
}
