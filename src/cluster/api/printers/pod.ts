import { isJsonObject, listAt, numberAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { humanDuration, timeToMs } from '../time.ts';
import { ageColumn, nameColumn, orNone } from './columns.ts';

interface PodSummary {
  readonly ready: string;
  readonly status: string;
  readonly restarts: string;
}

export const podColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Ready', type: 'string', cell: (pod, now) => summarize(pod, now).ready },
  { name: 'Status', type: 'string', cell: (pod, now) => summarize(pod, now).status },
  { name: 'Restarts', type: 'string', cell: (pod, now) => summarize(pod, now).restarts },
  ageColumn,
  { name: 'IP', type: 'string', priority: 1, cell: (pod) => orNone(podIp(pod)) },
  { name: 'Node', type: 'string', priority: 1, cell: (pod) => orNone(stringAt(pod, 'spec', 'nodeName')) },
  {
    name: 'Nominated Node',
    type: 'string',
    priority: 1,
    cell: (pod) => orNone(stringAt(pod, 'status', 'nominatedNodeName')),
  },
  { name: 'Readiness Gates', type: 'string', priority: 1, cell: readinessGates },
];

function podIp(pod: JsonObject): string {
  return stringAt(objectsAt(pod, 'status', 'podIPs')[0], 'ip') || stringAt(pod, 'status', 'podIP');
}

function readinessGates(pod: JsonObject): string {
  const gates = objectsAt(pod, 'spec', 'readinessGates');
  if (gates.length === 0) return '<none>';
  const conditions = objectsAt(pod, 'status', 'conditions');
  const met = gates.filter((gate) =>
    conditions.some(
      (condition) => condition['type'] === gate['conditionType'] && condition['status'] === 'True',
    ),
  );
  return `${met.length}/${gates.length}`;
}

/** READY, STATUS and RESTARTS follow from each other: initialization hides what the main containers do. */
function summarize(pod: JsonObject, now: number): PodSummary {
  const init = objectsAt(pod, 'status', 'initContainerStatuses');
  const main = objectsAt(pod, 'status', 'containerStatuses');
  const sidecars = new Set(
    objectsAt(pod, 'spec', 'initContainers')
      .filter((container) => container['restartPolicy'] === 'Always')
      .map((container) => stringAt(container, 'name')),
  );
  const isSidecar = (status: JsonObject): boolean => sidecars.has(stringAt(status, 'name'));
  const total = listAt(pod, 'spec', 'containers').length + sidecars.size;
  let reason = stringAt(pod, 'status', 'reason') || stringAt(pod, 'status', 'phase');
  if (
    objectsAt(pod, 'status', 'conditions').some(
      (item) => item['type'] === 'PodScheduled' && item['reason'] === 'SchedulingGated',
    )
  ) {
    reason = 'SchedulingGated';
  }
  const begun = initializing(pod, init, isSidecar);
  if (begun.reason !== undefined) reason = begun.reason;
  let ready = begun.ready;
  let counted = begun.seen;
  // A node that comes back may initialize again what has already been initialized.
  if (begun.reason === undefined || hasCondition(pod, 'Initialized')) {
    const outcome = mainReason(main, reason);
    ready += main.filter((status) => status['ready'] === true && isJsonObject(running(status))).length;
    counted = [...begun.seen.filter(isSidecar), ...main];
    reason = outcome.reason;
    if (reason === 'Completed' && outcome.anyRunning) {
      reason = hasCondition(pod, 'Ready') ? 'Running' : 'NotReady';
    }
  }
  return {
    ready: `${ready}/${total}`,
    status: deletionReason(pod) ?? reason,
    restarts: restartsText(counted, now),
  };
}

function running(status: JsonObject): unknown {
  return objectAt(status, 'state')['running'];
}

interface Initialization {
  /** `Init:1/3` and the like; absent when every init container has done its part. */
  readonly reason?: string;
  /** So many sidecars are ready. */
  readonly ready: number;
  /** The init containers up to the first that has not done its part. */
  readonly seen: readonly JsonObject[];
}

function initializing(
  pod: JsonObject,
  statuses: readonly JsonObject[],
  isSidecar: (status: JsonObject) => boolean,
): Initialization {
  let ready = 0;
  for (const [index, status] of statuses.entries()) {
    const state = objectAt(status, 'state');
    const terminated = state['terminated'];
    if (isJsonObject(terminated) && (terminated['exitCode'] ?? 0) === 0) continue;
    if (isSidecar(status) && status['started'] === true) {
      if (status['ready'] === true) ready++;
      continue;
    }
    const seen = statuses.slice(0, index + 1);
    if (isJsonObject(terminated)) return { reason: `Init:${terminationReason(terminated)}`, ready, seen };
    const waiting = stringAt(state, 'waiting', 'reason');
    if (waiting !== '' && waiting !== 'PodInitializing') return { reason: `Init:${waiting}`, ready, seen };
    return { reason: `Init:${index}/${listAt(pod, 'spec', 'initContainers').length}`, ready, seen };
  }
  return { ready, seen: statuses };
}

function terminationReason(terminated: JsonObject): string {
  const reason = stringAt(terminated, 'reason');
  if (reason !== '') return reason;
  const signal = numberAt(terminated, 'signal') ?? 0;
  return signal === 0 ? `ExitCode:${numberAt(terminated, 'exitCode') ?? 0}` : `Signal:${signal}`;
}

/** The first container that has something to say decides, so this looks from the last to the first. */
function mainReason(
  statuses: readonly JsonObject[],
  phase: string,
): { readonly reason: string; readonly anyRunning: boolean } {
  let reason = phase;
  let anyRunning = false;
  for (const status of statuses.toReversed()) {
    const state = objectAt(status, 'state');
    const waiting = stringAt(state, 'waiting', 'reason');
    const terminated = state['terminated'];
    if (waiting !== '') reason = waiting;
    else if (isJsonObject(terminated)) reason = terminationReason(terminated);
    else if (status['ready'] === true && isJsonObject(state['running'])) anyRunning = true;
  }
  return { reason, anyRunning };
}

function hasCondition(pod: JsonObject, type: string): boolean {
  return objectsAt(pod, 'status', 'conditions').some(
    (condition) => condition['type'] === type && condition['status'] === 'True',
  );
}

function deletionReason(pod: JsonObject): string | undefined {
  if (stringAt(pod, 'metadata', 'deletionTimestamp') === '') return undefined;
  if (stringAt(pod, 'status', 'reason') === 'NodeLost') return 'Unknown';
  const phase = stringAt(pod, 'status', 'phase');
  return phase === 'Succeeded' || phase === 'Failed' ? undefined : 'Terminating';
}

/** `3 (5m ago)`: the sum, and when the last container to restart had ended. */
function restartsText(statuses: readonly JsonObject[], now: number): string {
  let restarts = 0;
  let last: number | undefined;
  for (const status of statuses) {
    restarts += numberAt(status, 'restartCount') ?? 0;
    const ended = timeToMs(stringAt(status, 'lastState', 'terminated', 'finishedAt'));
    if (ended !== undefined) last = Math.max(last ?? ended, ended);
  }
  return restarts === 0 || last === undefined
    ? String(restarts)
    : `${restarts} (${humanDuration(now - last)} ago)`;
}

/** What rows of pods say beside their cells: that a pod has ended, and how. */
export function podRowConditions(pod: JsonObject): JsonObject[] | undefined {
  const reason = stringAt(pod, 'status', 'phase');
  if (reason !== 'Succeeded' && reason !== 'Failed') return undefined;
  const message = reason === 'Succeeded' ? 'The pod has completed successfully.' : 'The pod failed.';
  return [{ type: 'Completed', status: 'True', reason, message }];
}
