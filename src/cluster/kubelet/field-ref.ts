import { PlatformError } from '../../base/errors.ts';
import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from '../api/generated/core-v1.ts';
import { allContainersOf } from './pod-terms.ts';
import { parseQuantity } from './quantities.ts';

/** What the downward API knows besides the pod itself. */
export interface PodFacts {
  readonly nodeName: string;
  readonly hostIp: string;
  /** Absent until the sandbox has its network. */
  readonly podIps: readonly string[];
  /** Allocatable of the node: what a missing limit stands for. Millicores and bytes. */
  readonly allocatable: { readonly cpu: number; readonly memoryBytes: number };
}

const SUBSCRIPT = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/;

/** The value of a `fieldRef` (downward API). `invalid` when the path is not one of the supported. */
export function fieldValue(selector: ObjectFieldSelector, pod: Pod, facts: PodFacts): string {
  const path = selector.fieldPath ?? '';
  const subscript = SUBSCRIPT.exec(path);
  if (subscript !== null) {
    const map = subscript[1] === 'metadata.labels' ? pod.metadata?.labels : pod.metadata?.annotations;
    return map?.[subscript[2]!] ?? '';
  }
  switch (path) {
    case 'metadata.name':
      return pod.metadata?.name ?? '';
    case 'metadata.namespace':
      return pod.metadata?.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata?.uid ?? '';
    case 'metadata.labels':
      return formatMap(pod.metadata?.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata?.annotations);
    case 'spec.nodeName':
      return pod.spec?.nodeName ?? facts.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? '';
    case 'status.hostIP':
    case 'status.hostIPs':
      return facts.hostIp;
    case 'status.podIP':
      return facts.podIps[0] ?? '';
    case 'status.podIPs':
      return facts.podIps.join(',');
    default:
      throw new PlatformError('invalid', `unsupported fieldPath: ${path}`);
  }
}

/** Labels and annotations as a downward API file shows them: sorted `key="value"` lines, values quoted. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/** The value of a `resourceFieldRef`, in units of its divisor, rounded up. */
export function resourceValue(
  selector: ResourceFieldSelector,
  pod: Pod,
  context: { readonly container?: Container; readonly facts: PodFacts },
): string {
  const container =
    selector.containerName === undefined || selector.containerName === ''
      ? context.container
      : allContainersOf(pod).find(({ name }) => name === selector.containerName);
  const resource = selector.resource ?? '';
  if (container === undefined) {
    throw new PlatformError(
      'invalid',
      `resourceFieldRef ${resource}: no container ${selector.containerName ?? ''}`,
    );
  }
  const [kind, name, ...more] = resource.split('.');
  if (name === undefined || more.length > 0 || (kind !== 'limits' && kind !== 'requests')) {
    throw new PlatformError('invalid', `unsupported container resource: ${resource}`);
  }
  const quantity = container.resources?.[kind]?.[name];
  const value = quantity === undefined ? missing(kind, name, context.facts) : parseQuantity(quantity);
  const given = selector.divisor === undefined ? 0 : parseQuantity(selector.divisor);
  return String(Math.ceil(value / (given === 0 ? 1 : given)));
}

function missing(kind: 'limits' | 'requests', name: string, facts: PodFacts): number {
  if (kind === 'requests') return 0;
  if (name === 'cpu') return facts.allocatable.cpu / 1000;
  return name === 'memory' ? facts.allocatable.memoryBytes : 0;
}
