import { formatQuantity, tryParseQuantity } from '../quantity.ts';
import { podAmounts } from '../quota/pod-amounts.ts';
import { imageTag } from './image-tag.ts';
import { getPath, isJsonObject, numberAt, objectsIn, stringAt, type JsonObject } from '../json.ts';
import { ensureObject, fill, fillBlank, fillEmpty, isEmpty } from './fill.ts';

const POD_SPEC: JsonObject = {
  restartPolicy: 'Always',
  terminationGracePeriodSeconds: 30,
  dnsPolicy: 'ClusterFirst',
  securityContext: {},
  schedulerName: 'default-scheduler',
};

const CONTAINER: JsonObject = {
  resources: {},
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
};

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'];
const HOOKS = ['postStart', 'preStop'];
/** Lists of containers: those of a new pod, and of any pod. */
const CONTAINERS = ['initContainers', 'containers'];
const ALL_CONTAINERS = [...CONTAINERS, 'ephemeralContainers'];

/** A thousandth, in quantities' billionths. */
const MILLI = 1_000_000n;

const PROBE: JsonObject = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };

/** Volume sources by name, with the defaults of their members. */
const VOLUME_SOURCES: Readonly<Record<string, JsonObject>> = {
  secret: { defaultMode: 0o644 },
  configMap: { defaultMode: 0o644 },
  downwardAPI: { defaultMode: 0o644 },
  projected: { defaultMode: 0o644 },
  hostPath: { type: '' },
  iscsi: { iscsiInterface: 'default' },
  azureDisk: { cachingMode: 'ReadWrite', fsType: 'ext4', kind: 'Shared', readOnly: false },
  rbd: { pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' },
  scaleIO: { storageMode: 'ThinProvisioned', fsType: 'xfs' },
};

export function podDefaults(pod: JsonObject): void {
  const spec = ensureObject(pod, 'spec');
  // Once negative times were taken; upstream's conversion makes the least of them that there is.
  if ((numberAt(spec, 'terminationGracePeriodSeconds') ?? 0) < 0) spec['terminationGracePeriodSeconds'] = 1;
  podSpecDefaults(spec);
  if (spec['enableServiceLinks'] === undefined) spec['enableServiceLinks'] = true;
  if (spec['hostNetwork'] === true) hostPorts(spec);
  for (const list of CONTAINERS) for (const container of objectsIn(spec[list])) requestsFromLimits(container);
  if (isJsonObject(spec['resources'])) podResources(spec, spec['resources']);
}

const POD_LEVEL = ['cpu', 'memory'];

/** A pod that has amounts of its own gets those that it does not name from its containers, or from its limits (KEP-2837). */
function podResources(spec: JsonObject, resources: JsonObject): void {
  const { resources: _own, ...containers } = spec;
  const stated = ['limits', 'requests'].map((list) => getPath(resources, list));
  if (stated.every((list) => !isJsonObject(list) || Object.keys(list).length === 0)) return;
  for (const [name, sum] of podAmounts({ spec: containers }, 'limits', { overhead: false })) {
    if (!isHugePages(name) || getPath(resources, 'requests', name) !== undefined) continue;
    fill(ensureObject(resources, 'limits'), { [name]: formatQuantity(sum) });
  }
  const limits = resources['limits'];
  if (!isJsonObject(limits) || Object.keys(limits).length === 0) return;
  const found: JsonObject = {};
  for (const [name, sum] of podAmounts({ spec: containers }, 'requests', { overhead: false })) {
    if (POD_LEVEL.includes(name)) found[name] = formatQuantity(sum);
  }
  for (const [name, value] of Object.entries(limits)) {
    if (value !== undefined && (POD_LEVEL.includes(name) || isHugePages(name))) found[name] ??= value;
  }
  if (Object.keys(found).length > 0) fill(ensureObject(resources, 'requests'), found);
}

function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-');
}

export function podTemplateDefaults(object: JsonObject): void {
  templateDefaults(ensureObject(object, 'template'));
}

/** A pod template: as a pod, but for what only applies once the pod exists. Nothing to do when it is the one that is `done`. */
export function templateDefaults(template: JsonObject, done?: JsonObject): void {
  if (template === done) return;
  ensureObject(template, 'metadata');
  podSpecDefaults(ensureObject(template, 'spec'));
}

function podSpecDefaults(spec: JsonObject): void {
  fillBlank(spec, POD_SPEC);
  for (const sysctl of objectsIn(getPath(spec, 'securityContext', 'sysctls'))) fill(sysctl, { value: '' });
  // The deprecated name and the new one say the same.
  if (isEmpty(spec['serviceAccountName'])) {
    if (!isEmpty(spec['serviceAccount'])) spec['serviceAccountName'] = spec['serviceAccount'];
  } else spec['serviceAccount'] = spec['serviceAccountName'];
  for (const list of ALL_CONTAINERS) {
    for (const container of objectsIn(spec[list])) containerDefaults(container);
  }
  roundUpAmounts(spec['resources']);
  roundUp(spec['overhead']);
  for (const volume of objectsIn(spec['volumes'])) volumeDefaults(volume);
}

function containerDefaults(container: JsonObject): void {
  fillBlank(container, CONTAINER);
  roundUpAmounts(container['resources']);
  if (isEmpty(container['imagePullPolicy'])) {
    container['imagePullPolicy'] = pullPolicy(stringAt(container, 'image'));
  }
  for (const port of objectsIn(container['ports'])) if (isEmpty(port['protocol'])) port['protocol'] = 'TCP';
  for (const { valueFrom } of objectsIn(container['env'])) {
    if (isJsonObject(valueFrom)) referenceDefaults(valueFrom);
  }
  for (const name of PROBES) {
    const probe = container[name];
    if (!isJsonObject(probe)) continue;
    fillEmpty(probe, PROBE);
    handlerDefaults(probe);
    const grpc = probe['grpc'];
    if (isJsonObject(grpc)) fill(grpc, { service: '' });
  }
  const { lifecycle } = container;
  if (!isJsonObject(lifecycle)) return;
  for (const name of HOOKS) {
    const handler = lifecycle[name];
    if (isJsonObject(handler)) handlerDefaults(handler);
  }
}

/** Where the value of a variable comes from. */
function referenceDefaults({ fieldRef, resourceFieldRef, fileKeyRef }: JsonObject): void {
  if (isJsonObject(fieldRef) && isEmpty(fieldRef['apiVersion'])) fieldRef['apiVersion'] = 'v1';
  if (isJsonObject(resourceFieldRef)) fill(resourceFieldRef, { divisor: '0' });
  if (isJsonObject(fileKeyRef)) fill(fileKeyRef, { optional: false });
}

function roundUpAmounts(resources: JsonObject[string]): void {
  if (!isJsonObject(resources)) return;
  roundUp(resources['limits']);
  roundUp(resources['requests']);
}

/** Nobody gets less than a thousandth of anything. */
function roundUp(amounts: JsonObject[string]): void {
  if (!isJsonObject(amounts)) return;
  for (const name in amounts) {
    const value = amounts[name];
    // Texts are canonical by now: only what ends like this is finer.
    if (typeof value !== 'string' || !/[un]$/.test(value)) continue;
    const quantity = tryParseQuantity(value);
    if (quantity === undefined) continue;
    const thousandths =
      quantity.nano / MILLI + (quantity.nano > 0n && quantity.nano % MILLI !== 0n ? 1n : 0n);
    amounts[name] = formatQuantity({ ...quantity, nano: thousandths * MILLI });
  }
}

function handlerDefaults(handler: JsonObject): void {
  if (isJsonObject(handler['sleep'])) fill(handler['sleep'], { seconds: 0 });
  const http = handler['httpGet'];
  if (!isJsonObject(http)) return;
  if (isEmpty(http['path'])) http['path'] = '/';
  if (isEmpty(http['scheme'])) http['scheme'] = 'HTTP';
}

/** Always for `:latest` (or no tag, which means it), IfNotPresent for everything else. */
function pullPolicy(image: string): string {
  return imageTag(image) === 'latest' ? 'Always' : 'IfNotPresent';
}

function volumeDefaults(volume: JsonObject): void {
  let hasSource = false;
  for (const name in volume) {
    if (name === 'name') continue;
    hasSource = true;
    const source = volume[name];
    if (isJsonObject(source)) sourceDefaults(source, name);
  }
  if (!hasSource) volume['emptyDir'] = {};
}

function sourceDefaults(source: JsonObject, name: string): void {
  const defaults = VOLUME_SOURCES[name];
  if (defaults !== undefined) fill(source, defaults);
  downwardDefaults(source);
  if (name === 'image' && isEmpty(source['pullPolicy'])) {
    source['pullPolicy'] = pullPolicy(stringAt(source, 'reference'));
  }
  for (const projection of objectsIn(source['sources'])) {
    const token = projection['serviceAccountToken'];
    if (isJsonObject(token)) fill(token, { expirationSeconds: 3600 });
    if (isJsonObject(projection['downwardAPI'])) downwardDefaults(projection['downwardAPI']);
  }
  const claim = getPath(source, 'volumeClaimTemplate', 'spec');
  if (isJsonObject(claim)) {
    fill(claim, { volumeMode: 'Filesystem' });
    roundUpAmounts(claim['resources']);
  }
}

function downwardDefaults(source: JsonObject): void {
  for (const item of objectsIn(source['items'])) {
    const { fieldRef } = item;
    if (isJsonObject(fieldRef) && isEmpty(fieldRef['apiVersion'])) fieldRef['apiVersion'] = 'v1';
  }
}

/** On the host's network a container's port is a port of the host. */
function hostPorts(spec: JsonObject): void {
  for (const list of CONTAINERS) {
    for (const container of objectsIn(spec[list])) {
      for (const port of objectsIn(container['ports'])) {
        if (isEmpty(port['hostPort']) && port['containerPort'] !== undefined)
          port['hostPort'] = port['containerPort'];
      }
    }
  }
}

function requestsFromLimits(container: JsonObject): void {
  const limits = getPath(container, 'resources', 'limits');
  if (!isJsonObject(limits) || Object.keys(limits).length === 0) return;
  fill(ensureObject(ensureObject(container, 'resources'), 'requests'), limits);
}
