/** What the node of a running pod has to say when the pod is resized: whether it can do that, and whether there is room. */
import {
  getPath,
  jsonEqual,
  listAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
} from '../../../api/json.ts';
import {
  compareQuantities,
  formatQuantity,
  parseQuantity,
  quantityMilli,
  quantityValue,
  tryParseQuantity,
} from '../../../api/quantity.ts';
import { podAmounts } from '../../../api/quota/pod-amounts.ts';
import type { KubeObject } from '../../object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { objectNamed, refused } from '../lookup.ts';

/** Nodes say what they can do that others of their age may not (KEP-5328). */
export const nodeDeclaredFeatures: AdmissionPlugin = {
  name: 'NodeDeclaredFeatureValidator',
  handles: (request) => isChange(request, '', 'resize'),
  validate(request) {
    if (!changesNodesWork(request)) return;
    const needed = featuresFor(request);
    if (needed.length === 0) return;
    const node = nodeOf(request);
    const declared = listAt(node, 'status', 'declaredFeatures');
    const missing = needed.filter((feature) => !declared.includes(feature));
    if (missing.length === 0) return;
    const what = `${missing.join(', ')} which are not available on node ${JSON.stringify(node.metadata.name)}`;
    throw refused(request, `pod update requires features ${what}`);
  },
};

/** A resize is for nodes that run Linux, and for no more than such a node has (KEP-1287). */
export const podResize: AdmissionPlugin = {
  name: 'PodResizeValidator',
  handles: (request) => isChange(request, 'resize'),
  validate(request) {
    if (!changesNodesWork(request)) return;
    const node = nodeOf(request);
    const system = node.metadata.labels?.['kubernetes.io/os'] ?? 'linux';
    if (system !== 'linux') {
      const named = `node ${JSON.stringify(node.metadata.name)} is ${JSON.stringify(system)}`;
      const why = `pod resize is only supported on linux nodes, ${named}`;
      throw refused(request, why, [{ reason: 'UnsupportedPlatform' }]);
    }
    const short = shortages(request, objectAt(node, 'status', 'allocatable'));
    if (short.length === 0) return;
    const why = `node didn't have enough allocatable resources: ${short.join('; ')}`;
    throw refused(request, why, [{ reason: 'NodeCapacity' }]);
  },
};

function isChange({ operation, resource, subresource }: AdmissionRequest, ...at: readonly string[]): boolean {
  return (
    operation === 'UPDATE' &&
    resource.group === '' &&
    resource.resource === 'pods' &&
    at.includes(subresource)
  );
}

/** Whether the pod has a node, and that node is to do something else from now on. */
function changesNodesWork({ object, old }: AdmissionRequest): boolean {
  const hasNode = stringAt(object, 'spec', 'nodeName') !== '';
  return hasNode && object?.metadata.generation !== old?.metadata.generation;
}

function nodeOf(request: AdmissionRequest): KubeObject {
  const name = stringAt(request.object, 'spec', 'nodeName');
  const node = objectNamed(request.server, ['', 'v1', 'nodes'], { name });
  if (node === undefined) throw refused(request, `node ${JSON.stringify(name)} not found`);
  return node;
}

/** Upstream's order. Features that only matter where a pod is placed are the scheduler's. */
function featuresFor({ object, old }: AdmissionRequest): readonly string[] {
  const [now, before] = [object, old].map((one) => getPath(one, 'spec', 'resources'));
  const init = objectsAt(object, 'spec', 'initContainers');
  const isResized = (container: JsonObject, index: number): boolean =>
    stringAt(container, 'restartPolicy') !== 'Always' &&
    !jsonEqual(container['resources'], init[index]?.['resources']);
  return [
    ...(jsonEqual(now, before) ? [] : ['InPlacePodLevelResourcesVerticalScaling']),
    ...(objectsAt(old, 'spec', 'initContainers').some(isResized)
      ? ['InPlacePodVerticalScalingInitContainers']
      : []),
  ];
}

const UNITS = { cpu: quantityMilli, memory: quantityValue };
const NOTHING = parseQuantity('0');

function shortages({ object }: AdmissionRequest, allocatable: JsonObject): readonly string[] {
  const requests = podAmounts(object ?? {}, 'requests');
  return Object.entries(UNITS).flatMap(([name, inUnits]) => {
    const asked = requests.get(name) ?? NOTHING;
    const there = tryParseQuantity(stringAt(allocatable, name)) ?? NOTHING;
    if (compareQuantities(asked, there) <= 0) return [];
    const [requested, left] = [asked, there].map((one) => inUnits(formatQuantity(one)));
    return [`${name}, requested: ${requested}, allocatable: ${left}`];
  });
}
