/** What an object takes of a namespace's quota, and which quotas it falls under (https://kubernetes.io/docs/concepts/policy/resource-quotas/). */
import {
  getPath,
  isJsonObject,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
} from '../json.ts';
import { compareQuantities, tryParseQuantity, type Quantity } from '../quantity.ts';
import { timeToMs } from '../time.ts';
import { podAmounts, quantities, type Amounts } from './pod-amounts.ts';

export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

const ONE: Quantity = { nano: 1_000_000_000n, format: 'decimal' };
const count = (n: number): Quantity => ({ nano: BigInt(n) * ONE.nano, format: 'decimal' });

/** Counted under their own name as well, for as long as there have been quotas. */
const COUNTED = new Set([
  'configmaps',
  'persistentvolumeclaims',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
]);

/**
 * What the object takes, by the names that quotas use. `now` is in milliseconds since the epoch: a pod whose time to
 * end is over, but which nobody has ended, takes nothing any more; without it such pods count.
 */
export function usageOf({ group, resource }: GroupResource, object: JsonObject, now?: number): Amounts {
  const used = new Map<string, Quantity>();
  used.set(group === '' ? `count/${resource}` : `count/${resource}.${group}`, ONE);
  if (isDeviceClaim({ group, resource })) addDevices(used, object);
  if (group !== '') return used;
  if (COUNTED.has(resource)) used.set(resource, ONE);
  if (resource === 'pods') addPod(used, object, now);
  else if (resource === 'services') addService(used, object);
  else if (resource === 'persistentvolumeclaims') addClaim(used, object);
  return used;
}

/** An update may cost something; for all others only a new object does. */
export function chargesUpdates(kind: GroupResource): boolean {
  return isMeasured(kind);
}

function addPod(used: Map<string, Quantity>, pod: JsonObject, now: number | undefined): void {
  const phase = stringAt(pod, 'status', 'phase');
  // What has ended needs nothing any more.
  if (phase === 'Failed' || phase === 'Succeeded') return;
  if (now !== undefined && isOverdue(pod, now)) return;
  used.set('pods', ONE);
  addCompute(used, podAmounts(pod, 'requests'), podAmounts(pod, 'limits'));
}

function isOverdue(pod: JsonObject, now: number): boolean {
  const deleted = timeToMs(stringAt(pod, 'metadata', 'deletionTimestamp'));
  const grace = numberAt(pod, 'metadata', 'deletionGracePeriodSeconds');
  return deleted !== undefined && grace !== undefined && now > deleted + grace * 1000;
}

const COMPUTE = new Set(['cpu', 'memory', 'ephemeral-storage']);

function addCompute(used: Map<string, Quantity>, requests: Amounts, limits: Amounts): void {
  for (const [name, amount] of requests) {
    const huge = name.startsWith('hugepages-');
    if (COMPUTE.has(name) || huge) used.set(name, amount);
    if (COMPUTE.has(name) || huge || isExtended(name)) used.set(`requests.${name}`, amount);
  }
  for (const [name, amount] of limits) {
    if (COMPUTE.has(name)) used.set(`limits.${name}`, amount);
  }
}

/** Named by someone other than Kubernetes: devices. */
function isExtended(name: string): boolean {
  const domain = name.includes('/') ? name.slice(0, name.indexOf('/')) : '';
  return domain !== '' && domain !== 'kubernetes.io' && !domain.endsWith('.kubernetes.io');
}

function addService(used: Map<string, Quantity>, service: JsonObject): void {
  const type = stringAt(service, 'spec', 'type');
  const ports = objectsAt(service, 'spec', 'ports');
  const balanced = type === 'LoadBalancer';
  if (balanced) used.set('services.loadbalancers', ONE);
  if (!balanced && type !== 'NodePort') return;
  const allocates = !balanced || getPath(service, 'spec', 'allocateLoadBalancerNodePorts') !== false;
  const taken = allocates ? ports : ports.filter((port) => (numberAt(port, 'nodePort') ?? 0) !== 0);
  used.set('services.nodeports', count(taken.length));
}

const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

function addClaim(used: Map<string, Quantity>, claim: JsonObject): void {
  const name =
    stringAt(claim, 'metadata', 'annotations', CLASS_ANNOTATION) ||
    stringAt(claim, 'spec', 'storageClassName');
  const storage = storageOf(claim);
  const ofClass = `${name}.storageclass.storage.k8s.io`;
  if (name !== '') used.set(`${ofClass}/persistentvolumeclaims`, ONE);
  if (storage === undefined) return;
  used.set('requests.storage', storage);
  if (name !== '') used.set(`${ofClass}/requests.storage`, storage);
}

/** What was asked for, or what a growth that is under way, or failed, has been given already. */
function storageOf(claim: JsonObject): Quantity | undefined {
  const asked = tryParseQuantity(stringAt(claim, 'spec', 'resources', 'requests', 'storage'));
  const given = tryParseQuantity(stringAt(claim, 'status', 'allocatedResources', 'storage'));
  if (asked === undefined || given === undefined) return asked;
  return compareQuantities(given, asked) > 0 ? given : asked;
}

/** Objects of this resource may take something that `names` tells of. */
export function mayUse(kind: GroupResource, names: ReadonlySet<string>): boolean {
  const { group, resource } = kind;
  if (isMeasured(kind)) return true;
  return (
    names.has(group === '' ? `count/${resource}` : `count/${resource}.${group}`) ||
    (group === '' && names.has(resource))
  );
}

/** More is asked of these than how many there are. */
function isMeasured(kind: GroupResource): boolean {
  return (kind.group === '' && MEASURED.has(kind.resource)) || isDeviceClaim(kind);
}

const MEASURED = new Set(['pods', 'services', 'persistentvolumeclaims']);

function isDeviceClaim({ group, resource }: GroupResource): boolean {
  return group === 'resource.k8s.io' && resource === 'resourceclaims';
}

/** The most devices that one claim is ever given (AllocationResultsMaxSize of resource.k8s.io/v1). */
const MOST_DEVICES = 32;

/** What the claim may be given of each device class; of alternatives the one that takes most (KEP-4381). */
function addDevices(used: Map<string, Quantity>, claim: JsonObject): void {
  const devices = new Map<string, number>();
  for (const request of objectsAt(claim, 'spec', 'devices', 'requests')) {
    const alternatives = objectsAt(request, 'firstAvailable');
    const asked = new Map<string, number>();
    for (const one of alternatives.length > 0 ? alternatives : [objectAt(request, 'exactly')]) {
      const name = stringAt(one, 'deviceClassName');
      if (name !== '') asked.set(name, Math.max(asked.get(name) ?? 0, devicesOf(one)));
    }
    for (const [name, most] of asked) devices.set(name, (devices.get(name) ?? 0) + most);
  }
  for (const [name, most] of devices) used.set(`${name}.deviceclass.resource.k8s.io/devices`, count(most));
}

function devicesOf(request: JsonObject): number {
  const mode = stringAt(request, 'allocationMode');
  if (mode === 'All') return MOST_DEVICES;
  return mode === 'ExactCount' ? (numberAt(request, 'count') ?? 0) : 0;
}

/** Whether an object falls under a quota's scopes; only pods and claims have any. */
export function inScope({ group, resource }: GroupResource, object: JsonObject, quota: JsonObject): boolean {
  const wanted = [
    ...listAt(quota, 'spec', 'scopes').map((scope) => ({
      scopeName: scope as string,
      operator: 'Exists',
      values: [],
    })),
    ...objectsAt(quota, 'spec', 'scopeSelector', 'matchExpressions').map((one) => ({
      scopeName: stringAt(one, 'scopeName'),
      operator: stringAt(one, 'operator'),
      values: listAt(one, 'values') as string[],
    })),
  ];
  if (wanted.length === 0) return true;
  const core = group === '' ? resource : '';
  return wanted.every((scope) =>
    core === 'pods'
      ? podInScope(object, scope)
      : core === 'persistentvolumeclaims' &&
        scope.scopeName === 'VolumeAttributesClass' &&
        attributesClasses(object).some((name) => named(name, scope)),
  );
}

interface Scope {
  readonly scopeName: string;
  readonly operator: string;
  readonly values: readonly string[];
}

/** The class that a claim is to have, the one it has, and one that it is being given: it counts in all of them. */
function attributesClasses(claim: JsonObject): readonly string[] {
  const names = [
    stringAt(claim, 'spec', 'volumeAttributesClassName'),
    stringAt(claim, 'status', 'currentVolumeAttributesClassName'),
    stringAt(claim, 'status', 'modifyVolumeStatus', 'targetVolumeAttributesClassName'),
  ].filter((name) => name !== '');
  return names.length === 0 ? [''] : names;
}

function podInScope(pod: JsonObject, scope: Scope): boolean {
  switch (scope.scopeName) {
    case 'Terminating':
      return isTerminating(pod);
    case 'NotTerminating':
      return !isTerminating(pod);
    case 'BestEffort':
      return isBestEffort(pod);
    case 'NotBestEffort':
      return !isBestEffort(pod);
    case 'PriorityClass':
      return named(stringAt(pod, 'spec', 'priorityClassName'), scope);
    case 'CrossNamespacePodAffinity':
      return looksAcross(pod);
    default:
      return false;
  }
}

function named(name: string, { operator, values }: Scope): boolean {
  switch (operator) {
    case 'Exists':
      return name !== '';
    case 'DoesNotExist':
      return name === '';
    case 'In':
      return values.includes(name);
    default:
      return !values.includes(name);
  }
}

/** It may run for so long only. */
export function isTerminating(pod: JsonObject): boolean {
  return (numberAt(pod, 'spec', 'activeDeadlineSeconds') ?? -1) >= 0;
}

function isBestEffort(pod: JsonObject): boolean {
  return ['containers', 'initContainers'].every((list) =>
    objectsAt(pod, 'spec', list).every((container) =>
      ['requests', 'limits'].every((field) =>
        [...quantities(getPath(container, 'resources', field))].every(
          ([name, { nano }]) => (name !== 'cpu' && name !== 'memory') || nano === 0n,
        ),
      ),
    ),
  );
}

function looksAcross(pod: JsonObject): boolean {
  return ['podAffinity', 'podAntiAffinity'].some((kind) => {
    const at = ['spec', 'affinity', kind] as const;
    const terms = [
      ...objectsAt(pod, ...at, 'requiredDuringSchedulingIgnoredDuringExecution'),
      ...objectsAt(pod, ...at, 'preferredDuringSchedulingIgnoredDuringExecution').flatMap((one) => {
        const term = one['podAffinityTerm'];
        return isJsonObject(term) ? [term] : [];
      }),
    ];
    return terms.some(
      (term) => listAt(term, 'namespaces').length > 0 || getPath(term, 'namespaceSelector') !== undefined,
    );
  });
}

const MUST_SAY = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory'];

/** Where compute is limited, every container must say what it needs: `must specify limits.cpu for: a,b; …`. */
export function unspecified(pod: JsonObject, limited: ReadonlySet<string>): string | undefined {
  const missing = new Map<string, string[]>();
  for (const list of ['containers', 'initContainers']) {
    for (const container of objectsAt(pod, 'spec', list)) {
      const said = new Map<string, Quantity>();
      const of = (field: string): Amounts => quantities(getPath(container, 'resources', field));
      addCompute(said, of('requests'), of('limits'));
      for (const name of MUST_SAY) {
        if (!limited.has(name) || said.has(name)) continue;
        missing.set(name, [...(missing.get(name) ?? []), stringAt(container, 'name')]);
      }
    }
  }
  if (missing.size === 0) return undefined;
  const texts = [...missing]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, containers]) => `${name} for: ${containers.toSorted().join(',')}`);
  return `must specify ${texts.join('; ')}`;
}
