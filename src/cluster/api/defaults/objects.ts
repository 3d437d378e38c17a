import { isJsonObject, objectsAt, setOwn, stringAt, textOf, type JsonObject } from '../json.ts';
import { ensureObject, fill, isEmpty } from './fill.ts';
import { templateDefaults } from './pod.ts';

export function deploymentDefaults(deployment: JsonObject): void {
  const spec = ensureObject(deployment, 'spec');
  fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
  const strategy = ensureObject(spec, 'strategy');
  if (isEmpty(strategy['type'])) strategy['type'] = 'RollingUpdate';
  if (strategy['type'] === 'RollingUpdate') {
    fill(ensureObject(strategy, 'rollingUpdate'), { maxUnavailable: '25%', maxSurge: '25%' });
  }
  templateDefaults(ensureObject(spec, 'template'));
}

export function replicaSetDefaults(replicaSet: JsonObject): void {
  const spec = ensureObject(replicaSet, 'spec');
  fill(spec, { replicas: 1 });
  templateDefaults(ensureObject(spec, 'template'));
}

/** The name as a label, so that selectors can name namespaces. */
export function namespaceDefaults(namespace: JsonObject): void {
  const name = stringAt(namespace, 'metadata', 'name');
  if (name === '') return;
  ensureObject(ensureObject(namespace, 'metadata'), 'labels')['kubernetes.io/metadata.name'] = name;
}

/** A node that does not say what it keeps for itself offers all of it. */
export function nodeDefaults(node: JsonObject): void {
  const { status } = node;
  if (isJsonObject(status) && isJsonObject(status['capacity']))
    fill(status, { allocatable: status['capacity'] });
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
    for (const port of objectsAt(subset, 'ports')) fill(port, { protocol: 'TCP' });
  }
}

export function endpointSliceDefaults(slice: JsonObject): void {
  for (const port of objectsAt(slice, 'ports')) fill(port, { name: '', protocol: 'TCP' });
}
