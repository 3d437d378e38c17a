/** Decisions about nodes that fall silent (https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller). */
import { rfc3339 } from '../../base/clock.ts';
import type { Node, NodeCondition, Pod, Taint, Toleration } from '../api/generated/core-v1.ts';

/** A node whose lease is older than this is not believed any more. */
export const GRACE_MS = 40_000;
/** A new node has this long until it must have said anything. */
export const STARTUP_GRACE_MS = 60_000;
/** How long a pod that does not say stays on a node that is away. */
export const AWAY_SECONDS = 300;

export const NOT_READY = 'node.kubernetes.io/not-ready';
export const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';

/** Conditions only the kubelet knows: all of them are doubtful once it is silent. */
const REPORTED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** Conditions that keep new pods away while they are true. */
const PRESSURE: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};

export function readyCondition(node: Node): NodeCondition | undefined {
  return node.status?.conditions?.find((condition) => condition.type === 'Ready');
}

/** Milliseconds that this node may be silent. */
export function graceOf(node: Node): number {
  return readyCondition(node) === undefined ? STARTUP_GRACE_MS : GRACE_MS;
}

/** The conditions to write for a node that has been silent for too long; empty when they are written already. */
export function planSilence(node: Node, now: number): readonly NodeCondition[] {
  const present = node.status?.conditions ?? [];
  return REPORTED.flatMap((type) => {
    const known = present.find((condition) => condition.type === type);
    if (known?.status === 'Unknown') return [];
    return {
      type,
      status: 'Unknown',
      reason: known === undefined ? 'NodeStatusNeverUpdated' : 'NodeStatusUnknown',
      message: known === undefined ? 'the kubelet has never reported' : 'the kubelet has stopped reporting',
      lastHeartbeatTime: known?.lastHeartbeatTime ?? node.metadata?.creationTimestamp ?? rfc3339(now),
      lastTransitionTime: rfc3339(now),
    };
  });
}

/** All taints the node should have; undefined when it has them. Those that are not ours to set are kept. */
export function planTaints(node: Node, now: number): readonly Taint[] | undefined {
  const present = node.spec?.taints ?? [];
  const wanted = wantedTaints(node);
  const ours = new Set([NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(PRESSURE)]);
  // Before the first report nothing is known, and what somebody has set for that time stays.
  if (readyCondition(node) === undefined) [NOT_READY, UNREACHABLE].forEach((key) => ours.delete(key));
  const kept = present.filter(
    (taint) => !ours.has(taint.key ?? '') || wanted.some((other) => sameTaint(taint, other)),
  );
  const missing = wanted.filter((taint) => !present.some((other) => sameTaint(taint, other)));
  if (missing.length === 0 && kept.length === present.length) return undefined;
  return [...kept, ...missing.map((taint) => ({ ...taint, timeAdded: rfc3339(now) }))];
}

function wantedTaints(node: Node): readonly Taint[] {
  const wanted: Taint[] = [];
  const ready = readyCondition(node)?.status;
  const away =
    ready === undefined || ready === 'True' ? undefined : ready === 'False' ? NOT_READY : UNREACHABLE;
  if (away !== undefined) {
    wanted.push({ key: away, effect: 'NoSchedule' }, { key: away, effect: 'NoExecute' });
  }
  if (node.spec?.unschedulable === true) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
  for (const { type = '', status } of node.status?.conditions ?? []) {
    const key = PRESSURE[type];
    if (key !== undefined && status === 'True') wanted.push({ key, effect: 'NoSchedule' });
  }
  return wanted;
}

function sameTaint(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect;
}

export function evictingTaints(node: Node): readonly Taint[] {
  return (node.spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute');
}

/**
 * When the pod has to leave because of these taints, in milliseconds since the epoch; undefined when it may stay.
 * `since` says when a taint came.
 */
export function evictionTime(
  pod: Pod,
  taints: readonly Taint[],
  since: (taint: Taint) => number,
): number | undefined {
  const times = taints.map((taint) => {
    const seconds = toleratedSeconds(pod.spec?.tolerations ?? [], taint);
    return seconds === undefined ? Infinity : since(taint) + seconds * 1000;
  });
  const first = Math.min(...times);
  return first === Infinity ? undefined : first;
}

/** Undefined: for ever. The shortest of the tolerations that match decides. */
function toleratedSeconds(tolerations: readonly Toleration[], taint: Taint): number | undefined {
  const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
  if (matching.length === 0) {
    return taint.key === NOT_READY || taint.key === UNREACHABLE ? AWAY_SECONDS : 0;
  }
  const limits = matching
    .map((toleration) => toleration.tolerationSeconds)
    .filter((seconds) => seconds !== undefined);
  return limits.length === 0 ? undefined : Math.max(0, Math.min(...limits));
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key = '', operator = 'Equal', value = '', effect = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return operator === 'Equal' && key !== '' && value === (taint.value ?? '');
}
