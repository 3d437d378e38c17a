/** Defaults and bounds for what pods and claims ask for (https://kubernetes.io/docs/concepts/policy/limit-range/). */
import { getPath, objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { formatQuantity, type Quantity } from '../../../api/quantity.ts';
import { podAmounts, quantities, type Amounts } from '../../../api/quota/pod-amounts.ts';
import type { KubeObject } from '../../object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { aggregate, isFor, listOf, refused, type Path } from '../lookup.ts';

const RANGES: Path = ['', 'v1', 'limitranges'];
const ANNOTATION = 'kubernetes.io/limit-ranger';

export const limitRanger: AdmissionPlugin = {
  name: 'LimitRanger',
  handles: (request) =>
    request.operation === 'CREATE'
      ? isFor(request, '', 'pods', 'persistentvolumeclaims')
      : request.operation === 'UPDATE' && (isFor(request, '', 'persistentvolumeclaims') || isResize(request)),
  mutate(request) {
    const { object, resource } = request;
    if (object === undefined || resource.resource !== 'pods') return;
    for (const range of rangesOf(request)) setDefaults(object, range);
  },
  validate(request) {
    const { object, resource } = request;
    if (object === undefined) return;
    for (const range of rangesOf(request)) {
      const problems = objectsAt(range, 'spec', 'limits').flatMap((limit) =>
        resource.resource === 'pods' ? podProblems(object, limit) : claimProblems(object, limit),
      );
      if (problems.length > 0) throw refused(request, aggregate(problems));
    }
  },
};

function isResize({ resource, subresource }: AdmissionRequest): boolean {
  return resource.group === '' && resource.resource === 'pods' && subresource === 'resize';
}

function rangesOf({ server, namespace }: AdmissionRequest): readonly KubeObject[] {
  return listOf(server, RANGES, namespace);
}

function setDefaults(pod: KubeObject, range: KubeObject): void {
  const limits: JsonObject = {};
  const requests: JsonObject = {};
  for (const limit of objectsAt(range, 'spec', 'limits')) {
    if (limit['type'] !== 'Container') continue;
    Object.assign(limits, objectAt(limit, 'default'));
    Object.assign(requests, objectAt(limit, 'defaultRequest'));
  }
  const notes: string[] = [];
  for (const [list, kind] of CONTAINERS) {
    const before = notes.length;
    const filled = objectsAt(pod, 'spec', list).map((one) => fill(one, { limits, requests, kind, notes }));
    if (notes.length > before) pod.spec = { ...pod.spec, [list]: filled };
  }
  if (notes.length === 0) return;
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}`,
  };
}

const CONTAINERS = [
  ['containers', 'container'],
  ['initContainers', 'init container'],
] as const;

/** The container with what it does not ask for itself; `notes` gets a line for each kind of amounts. */
function fill(
  container: JsonObject,
  {
    limits,
    requests,
    kind,
    notes,
  }: { limits: JsonObject; requests: JsonObject; kind: string; notes: string[] },
): JsonObject {
  const name = stringAt(container, 'name');
  const resources = { ...objectAt(container, 'resources') };
  const before = notes.length;
  const set = (field: 'requests' | 'limits', defaults: JsonObject): void => {
    const present = objectAt(resources, field);
    const missing = Object.keys(defaults).filter((key) => present[key] === undefined);
    if (missing.length === 0) return;
    resources[field] = { ...present, ...Object.fromEntries(missing.map((key) => [key, defaults[key]])) };
    notes.push(`${missing.toSorted().join(', ')} ${field.slice(0, -1)} for ${kind} ${name}`);
  };
  set('requests', requests);
  set('limits', limits);
  return notes.length === before ? container : { ...container, resources };
}

/** What is asked for, in the two ways. */
interface Asked {
  readonly requests: Amounts;
  readonly limits: Amounts;
}

function podProblems(pod: KubeObject, limit: JsonObject): string[] {
  const type = stringAt(limit, 'type');
  if (type === 'Container') {
    return ['containers', 'initContainers'].flatMap((list) =>
      objectsAt(pod, 'spec', list).flatMap((container) =>
        bounds(limit, {
          requests: quantities(getPath(container, 'resources', 'requests')),
          limits: quantities(getPath(container, 'resources', 'limits')),
        }),
      ),
    );
  }
  if (type !== 'Pod') return [];
  return bounds(limit, {
    requests: podAmounts(pod, 'requests', { overhead: false }),
    limits: podAmounts(pod, 'limits', { overhead: false }),
  });
}

function claimProblems(claim: KubeObject, limit: JsonObject): string[] {
  if (stringAt(limit, 'type') !== 'PersistentVolumeClaim') return [];
  const requests = quantities(getPath(claim, 'spec', 'resources', 'requests'));
  const type = 'PersistentVolumeClaim';
  const asked = { requests, limits: new Map<string, Quantity>() };
  return [
    ...each(limit, 'min', (name, bound) => minimum({ name, type, bound, asked })),
    ...each(limit, 'max', (name, bound) => {
      const request = requests.get(name);
      const text = `maximum ${name} usage per ${type} is ${formatQuantity(bound)}`;
      if (request === undefined) return `${text}.  No request is specified`;
      return request.nano > bound.nano ? `${text}, but request is ${formatQuantity(request)}` : undefined;
    }),
  ];
}

function bounds(limit: JsonObject, asked: Asked): string[] {
  const type = stringAt(limit, 'type');
  return [
    ...each(limit, 'min', (name, bound) => minimum({ name, type, bound, asked })),
    ...each(limit, 'max', (name, bound) => maximum({ name, type, bound, asked })),
    ...each(limit, 'maxLimitRequestRatio', (name, bound) => ratio({ name, type, bound, asked })),
  ];
}

function each(
  limit: JsonObject,
  field: string,
  check: (name: string, bound: Quantity) => string | undefined,
): string[] {
  const found: string[] = [];
  for (const [name, bound] of quantities(limit[field])) {
    const problem = check(name, bound);
    if (problem !== undefined) found.push(problem);
  }
  return found;
}

interface Case {
  readonly name: string;
  readonly type: string;
  readonly bound: Quantity;
  readonly asked: Asked;
}

function minimum({ name, type, bound, asked }: Case): string | undefined {
  const text = `minimum ${name} usage per ${type} is ${formatQuantity(bound)}`;
  const request = asked.requests.get(name);
  const limit = asked.limits.get(name);
  if (request === undefined) return `${text}.  No request is specified`;
  if (request.nano < bound.nano) return `${text}, but request is ${formatQuantity(request)}`;
  if (limit !== undefined && limit.nano < bound.nano) return `${text}, but limit is ${formatQuantity(limit)}`;
  return undefined;
}

function maximum({ name, type, bound, asked }: Case): string | undefined {
  const text = `maximum ${name} usage per ${type} is ${formatQuantity(bound)}`;
  const request = asked.requests.get(name);
  const limit = asked.limits.get(name);
  if (limit === undefined) return `${text}.  No limit is specified`;
  if (limit.nano > bound.nano) return `${text}, but limit is ${formatQuantity(limit)}`;
  if (request !== undefined && request.nano > bound.nano) {
    return `${text}, but request is ${formatQuantity(request)}`;
  }
  return undefined;
}

function ratio({ name, type, bound, asked }: Case): string | undefined {
  const text = `${name} max limit to request ratio per ${type} is ${formatQuantity(bound)}, but`;
  const request = asked.requests.get(name);
  const limit = asked.limits.get(name);
  if (request === undefined || request.nano === 0n) return `${text} no request is specified or request is 0`;
  if (limit === undefined || limit.nano === 0n) return `${text} no limit is specified or limit is 0`;
  // Compared exactly: limit / request > bound.
  if (limit.nano * 1_000_000_000n <= bound.nano * request.nano) return undefined;
  return `${text} provided ratio is ${(Number(limit.nano) / Number(request.nano)).toFixed(6)}`;
}
