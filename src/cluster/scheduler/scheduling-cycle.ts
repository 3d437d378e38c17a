/** One decision: which node is best for a pod. Reads the cell, changes nothing, waits for nothing. */
import type { Random } from '../../base/random.ts';
import type { FilterPlugin, PodState, Profile, Reasons } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';

/** Below this many feasible nodes none is left out of the comparison. */
const MIN_FEASIBLE = 100;

export interface CycleInput {
  readonly pod: PodInfo;
  readonly state: PodState;
  /** Those to look at. */
  readonly nodes: readonly NodeInfo[];
  /** Where in `nodes` to begin: searches that stop early must not always see the same nodes. */
  readonly start: number;
}

export type CycleResult =
  | {
      readonly kind: 'fits';
      readonly node: NodeInfo;
      /** How many nodes were looked at. */ readonly looked: number;
    }
  | { readonly kind: 'unschedulable'; readonly message: string; readonly rejectedBy: ReadonlySet<string> };

export function chooseNode(profile: Profile, random: Random, input: CycleInput): CycleResult {
  const { pod, state, nodes, start } = input;
  if (nodes.length === 0) {
    const message = 'no nodes available to schedule pods';
    // Any plugin's consent to a node that comes is news.
    return { kind: 'unschedulable', message, rejectedBy: new Set(profile.filters.map(({ name }) => name)) };
  }
  const prepared = prepare(profile, pod, state);
  if (prepared.rejected !== undefined) {
    const { plugin, reasons } = prepared.rejected;
    const message = `0/${nodes.length} nodes are available: ${reasons.join(', ')}.`;
    return { kind: 'unschedulable', message, rejectedBy: new Set([plugin]) };
  }
  const diagnosis = new Diagnosis();
  const feasible: NodeInfo[] = [];
  const wanted = feasibleNodesToFind(nodes.length);
  let looked = 0;
  for (; looked < nodes.length && feasible.length < wanted; looked++) {
    const node = nodes[(start + looked) % nodes.length]!;
    const refusal = refusalOf(prepared, pod, node, state);
    if (refusal === undefined) feasible.push(node);
    else if (feasible.length === 0) diagnosis.add(refusal.plugin, refusal.reasons);
  }
  if (feasible.length === 0) {
    return { kind: 'unschedulable', message: diagnosis.message(nodes.length), rejectedBy: diagnosis.plugins };
  }
  return { kind: 'fits', node: best(profile, random, { pod, state, feasible }), looked };
}

/** True when every filter lets the pod onto the node. */
export function fitsOn(profile: Profile, pod: PodInfo, node: NodeInfo, state: PodState): boolean {
  const prepared = prepare(profile, pod, state);
  return prepared.rejected === undefined && refusalOf(prepared, pod, node, state) === undefined;
}

/** True when a plugin among `names` has nothing (any more) against the node: news, even if another still has. */
export function anyConsents(
  profile: Profile,
  names: ReadonlySet<string>,
  input: { readonly pod: PodInfo; readonly node: NodeInfo; readonly state: PodState },
): boolean {
  const { pod, node, state } = input;
  const { filters, only, rejected } = prepare(profile, pod, state);
  if (rejected !== undefined) return false;
  return profile.filters.some((plugin) => {
    if (!names.has(plugin.name)) return false;
    if (only?.plugin === plugin.name && !only.nodes.has(node.name)) return false;
    return !filters.includes(plugin) || plugin.filter(pod, node, state) === undefined;
  });
}

interface Prepared {
  /** Those that have an opinion about this pod. */
  readonly filters: readonly FilterPlugin[];
  /** The only nodes that can do, and the plugin that says so. */
  readonly only: { readonly plugin: string; readonly nodes: ReadonlySet<string> } | undefined;
  readonly rejected: { readonly plugin: string; readonly reasons: Reasons } | undefined;
}

const PREPARED = { description: 'results of preFilter' } as { description: string; example?: Prepared };

function prepare(profile: Profile, pod: PodInfo, state: PodState): Prepared {
  const kept = state.get(PREPARED);
  if (kept !== undefined) return kept;
  const filters: FilterPlugin[] = [];
  let only: Prepared['only'];
  let rejected: Prepared['rejected'];
  for (const plugin of profile.filters) {
    const result = plugin.preFilter?.(pod, state);
    if (result?.kind !== 'skip') filters.push(plugin);
    if (result?.kind === 'only') {
      const { nodes } = result;
      only = { plugin: plugin.name, nodes: only === undefined ? nodes : nodes.intersection(only.nodes) };
    }
    if (result?.kind === 'reject') rejected ??= { plugin: plugin.name, reasons: result.reasons };
  }
  const prepared = { filters, only, rejected };
  state.set(PREPARED, prepared);
  return prepared;
}

function refusalOf(
  { filters, only }: Prepared,
  pod: PodInfo,
  node: NodeInfo,
  state: PodState,
): { readonly plugin: string; readonly reasons: Reasons } | undefined {
  if (only !== undefined && !only.nodes.has(node.name)) {
    return { plugin: only.plugin, reasons: [`node(s) didn't satisfy plugin(s) [${only.plugin}]`] };
  }
  for (const plugin of filters) {
    const reasons = plugin.filter(pod, node, state);
    if (reasons !== undefined) return { plugin: plugin.name, reasons };
  }
  return undefined;
}

/**
 * All in a small cell; else a share that falls as the cell grows, from 50 % to 5 % (upstream's adaptive
 * percentageOfNodesToScore): a good node found soon beats the best found late.
 */
export function feasibleNodesToFind(nodes: number): number {
  if (nodes < MIN_FEASIBLE) return nodes;
  const percent = Math.max(50 - Math.floor(nodes / 125), 5);
  return Math.max(Math.floor((nodes * percent) / 100), MIN_FEASIBLE);
}

function best(
  profile: Profile,
  random: Random,
  { pod, state, feasible }: { pod: PodInfo; state: PodState; feasible: readonly NodeInfo[] },
): NodeInfo {
  const [first] = feasible;
  if (feasible.length === 1) return first!;
  const totals = new Float64Array(feasible.length);
  for (const { plugin, weight } of profile.scores) {
    if (plugin.preScore?.(pod, feasible, state) === false) continue;
    const scores = feasible.map((node) => plugin.score(pod, node, state));
    plugin.normalize?.(scores);
    for (let i = 0; i < scores.length; i++) totals[i]! += scores[i]! * weight;
  }
  let chosen = 0;
  let ties = 1;
  for (let i = 1; i < totals.length; i++) {
    if (totals[i]! > totals[chosen]!) {
      chosen = i;
      ties = 1;
    } else if (totals[i] === totals[chosen]) {
      // The nth equal node replaces the choice with a chance of 1/n: each is as likely in the end.
      ties++;
      if (random.next() * ties < 1) chosen = i;
    }
  }
  return feasible[chosen]!;
}

/** Counts why nodes refused, for the message that a person sees. */
class Diagnosis {
  readonly plugins = new Set<string>();
  readonly #counts = new Map<string, number>();

  add(plugin: string, reasons: Reasons): void {
    this.plugins.add(plugin);
    for (const reason of reasons) this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  /** Upstream's form: `0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.` */
  message(nodes: number): string {
    const parts = [...this.#counts].map(([reason, count]) => `${count} ${reason}`).toSorted();
    return `0/${nodes} nodes are available: ${parts.join(', ')}.`;
  }
}
