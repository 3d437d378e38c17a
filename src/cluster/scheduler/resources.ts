/**
 * What pods ask for and nodes have (https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/,
 * KEP-753 for sidecars, KEP-688 for overhead, KEP-2837 for requests of the whole pod).
 */
import type { Container, Pod, ResourceRequirements } from '../api/generated/core-v1.ts';
import { quantityMilli, quantityValue } from '../api/quantity.ts';

export interface Resources {
  /** Thousandths of a core. */
  milliCpu: number;
  /** Bytes. */
  memory: number;
  /** Bytes. */
  ephemeralStorage: number;
  /** Everything else by name, in whole units: huge pages, devices. */
  readonly others: Map<string, number>;
}

/** By resource name; cpu in thousandths, all else in whole units. */
type Amounts = Map<string, number>;

/**
 * What a container without requests counts when nodes are compared (never when they are filtered): otherwise all
 * such pods would go to one node. The amounts are upstream's.
 */
const ASSUMED_MILLI_CPU = 100;
const ASSUMED_MEMORY = 200 * 1024 * 1024;

export function noResources(): Resources {
  return { milliCpu: 0, memory: 0, ephemeralStorage: 0, others: new Map() };
}

/** A node's allocatable, without its number of pods. */
export function resourcesOf(list: Readonly<Record<string, string>> | undefined): Resources {
  return toResources(amountsOf(list));
}

export function addResources(sum: Resources, other: Resources): void {
  combine(sum, other, 1);
}

export function subtractResources(sum: Resources, other: Resources): void {
  combine(sum, other, -1);
}

/** What a node has to have free for the pod. */
export function podRequests(pod: Pod): Resources {
  return toResources(requestsOf(pod, amountsOf));
}

/** The requests by which nodes are compared: with an assumed amount where a container names none. */
export function podRequestsForScore(pod: Pod): { readonly milliCpu: number; readonly memory: number } {
  const amounts = requestsOf(pod, (requests) => {
    const given = amountsOf(requests);
    if (!given.has('cpu')) given.set('cpu', ASSUMED_MILLI_CPU);
    if (!given.has('memory')) given.set('memory', ASSUMED_MEMORY);
    return given;
  });
  return { milliCpu: amounts.get('cpu') ?? 0, memory: amounts.get('memory') ?? 0 };
}

/**
 * The most that the pod uses at any time: all containers and sidecars together, or the hungriest init container with
 * the sidecars started before it; requests of the pod as a whole win over that, overhead comes on top.
 */
function requestsOf(pod: Pod, read: (requests: ResourceRequirements['requests']) => Amounts): Amounts {
  const { spec } = pod;
  const total: Amounts = new Map();
  for (const container of spec?.containers ?? []) addAmounts(total, withResize(pod, container, read));
  const sidecars: Amounts = new Map();
  const starting: Amounts = new Map();
  for (const container of spec?.initContainers ?? []) {
    const own = isSidecar(container) ? withResize(pod, container, read) : read(container.resources?.requests);
    if (isSidecar(container)) {
      addAmounts(total, own);
      addAmounts(sidecars, own);
      raiseAmounts(starting, sidecars);
    } else {
      addAmounts(own, sidecars);
      raiseAmounts(starting, own);
    }
  }
  raiseAmounts(total, starting);
  for (const [name, amount] of amountsOf(spec?.resources?.requests)) total.set(name, amount);
  addAmounts(total, amountsOf(spec?.overhead));
  return total;
}

/**
 * While a pod is resized its container counts with the most of what is asked for, granted and in force (KEP-1287); what
 * its node can never grant does not count.
 */
function withResize(
  pod: Pod,
  container: Container,
  read: (requests: ResourceRequirements['requests']) => Amounts,
): Amounts {
  const { containerStatuses = [], initContainerStatuses = [], conditions = [] } = pod.status ?? {};
  const asked = container.resources?.requests;
  const status = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container.name);
  if (status?.resources === undefined) return read(asked);
  const granted = status.allocatedResources;
  const infeasible = conditions.some(
    ({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible',
  );
  const own = read(infeasible ? granted : asked);
  raiseAmounts(own, amountsOf(granted));
  raiseAmounts(own, amountsOf(status.resources.requests));
  return own;
}

function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

function amountsOf(list: Readonly<Record<string, string>> | undefined): Amounts {
  const amounts: Amounts = new Map();
  for (const [name, text] of Object.entries(list ?? {})) {
    amounts.set(name, name === 'cpu' ? quantityMilli(text) : quantityValue(text));
  }
  return amounts;
}

function addAmounts(sum: Amounts, other: Amounts): void {
  for (const [name, amount] of other) sum.set(name, (sum.get(name) ?? 0) + amount);
}

function raiseAmounts(least: Amounts, other: Amounts): void {
  for (const [name, amount] of other) least.set(name, Math.max(least.get(name) ?? 0, amount));
}

/** Of the many pods that ask for nothing special; never added to. */
const NO_OTHERS: Map<string, number> = new Map();

function toResources(amounts: Amounts): Resources {
  const resources: Resources = { milliCpu: 0, memory: 0, ephemeralStorage: 0, others: NO_OTHERS };
  const others = new Map<string, number>();
  for (const [name, amount] of amounts) {
    if (name === 'cpu') resources.milliCpu = amount;
    else if (name === 'memory') resources.memory = amount;
    else if (name === 'ephemeral-storage') resources.ephemeralStorage = amount;
    else if (name !== 'pods') others.set(name, amount);
  }
  return others.size === 0 ? resources : { ...resources, others };
}

function combine(sum: Resources, other: Resources, sign: 1 | -1): void {
  sum.milliCpu += sign * other.milliCpu;
  sum.memory += sign * other.memory;
  sum.ephemeralStorage += sign * other.ephemeralStorage;
  for (const [name, amount] of other.others) {
    const left = (sum.others.get(name) ?? 0) + sign * amount;
    if (left === 0) sum.others.delete(name);
    else sum.others.set(name, left);
  }
}
