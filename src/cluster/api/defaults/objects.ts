import {
  getPath,
  isJsonObject,
  listAt,
  objectAt,
  objectsAt,
  setOwn,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { ensureObject, fill, isEmpty, roundUp } from './fill.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';

/** The name as a label, so that selectors can name namespaces. */
export function namespaceDefaults(namespace: JsonObject): void {
  const status = ensureObject(namespace, 'status');
  if (isEmpty(status['phase'])) status['phase'] = 'Active';
  const name = stringAt(namespace, 'metadata', 'name');
  if (name === '') return;
  const labels = ensureObject(ensureObject(namespace, 'metadata'), 'labels');
  if (labels[NAME_LABEL] !== name) labels[NAME_LABEL] = name;
}

/** A node that does not say what it keeps for itself offers all of it. */
export function nodeDefaults(node: JsonObject): void {
  const { status, spec } = node;
  if (isJsonObject(status)) {
    if (isJsonObject(status['capacity'])) fill(status, { allocatable: status['capacity'] });
    roundUp(status, 'capacity', 'allocatable');
  }
  if (isJsonObject(spec)) unifyPodRanges(spec);
}

/** The older field for one range says the same as the first of the newer, and wins where they differ. */
function unifyPodRanges(spec: JsonObject): void {
  const one = stringAt(spec, 'podCIDR');
  const ranges = listAt(spec, 'podCIDRs');
  if (one !== '' && one !== ranges[0]) spec['podCIDRs'] = [one];
  else if (one === '' && ranges[0] !== undefined) spec['podCIDR'] = ranges[0];
}

/** `stringData` is only a way in: it ends up in `data`. */
export function secretDefaults(secret: JsonObject): void {
  if (isEmpty(secret['type'])) secret['type'] = 'Opaque';
  const { stringData } = secret;
  if (!isJsonObject(stringData)) return;
  const data = ensureObject(secret, 'data');
  for (const [key, value] of Object.entries(stringData)) {
    setOwn(data, key, Buffer.from(textOf(value), 'utf8').toString('base64'));
  }
  delete secret['stringData'];
}

export function endpointsDefaults(endpoints: JsonObject): void {
  for (const subset of objectsAt(endpoints, 'subsets')) {
    for (const port of objectsAt(subset, 'ports')) if (isEmpty(port['protocol'])) port['protocol'] = 'TCP';
  }
}

export function endpointSliceDefaults(slice: JsonObject): void {
  for (const port of objectsAt(slice, 'ports')) fill(port, { name: '', protocol: 'TCP' });
}

/** What a limit range leaves open for containers follows from what it says: limits from maxima, requests from limits and minima. */
export function limitRangeDefaults(range: JsonObject): void {
  for (const limit of objectsAt(range, 'spec', 'limits')) {
    roundUp(limit, 'max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio');
    if (limit['type'] !== 'Container') continue;
    addTo(limit, 'default', objectAt(limit, 'max'));
    addTo(limit, 'defaultRequest', { ...objectAt(limit, 'min'), ...objectAt(limit, 'default') });
  }
}

function addTo(limit: JsonObject, field: string, amounts: JsonObject): void {
  const present = objectAt(limit, field);
  const all = { ...amounts, ...present };
  if (Object.keys(all).length > Object.keys(present).length) limit[field] = all;
}

export function resourceQuotaDefaults(quota: JsonObject): void {
  roundUp(objectAt(quota, 'spec'), 'hard');
  roundUp(objectAt(quota, 'status'), 'hard', 'used');
}

export function networkPolicyDefaults(policy: JsonObject): void {
  const spec = ensureObject(policy, 'spec');
  for (const rule of [...objectsAt(spec, 'ingress'), ...objectsAt(spec, 'egress')]) {
    for (const port of objectsAt(rule, 'ports')) fill(port, { protocol: 'TCP' });
  }
  if (listAt(spec, 'policyTypes').length > 0) return;
  spec['policyTypes'] = listAt(spec, 'egress').length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

export function ingressClassDefaults(ingressClass: JsonObject): void {
  const parameters = getPath(ingressClass, 'spec', 'parameters');
  if (isJsonObject(parameters)) fill(parameters, { scope: 'Cluster' });
}

export function priorityClassDefaults(priorityClass: JsonObject): void {
  fill(priorityClass, { preemptionPolicy: 'PreemptLowerPriority' });
}
