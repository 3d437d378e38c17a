import type { Random } from '../../base/random.ts';
import type { CycleState, Plugin } from './framework.ts';
import type { NodeInfo, PodInfo } from './node-info.ts';

export interface SelectInput {
  readonly pod: PodInfo;
  readonly nodes: readonly NodeInfo[];
  readonly plugins: readonly Plugin[];
  readonly random: Random;
  /** Where in `nodes` to begin, so that every node gets its turn when not all are looked at. */
  readonly start: number;
}

export type Selection =
  | { readonly node: string; readonly state: CycleState; readonly examined: number }
  | {
      readonly node: undefined;
      /** What people read: `0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.` */
      readonly message: string;
      /** Plugins that rejected the pod somewhere. */
      readonly rejectedBy: ReadonlySet<string>;
      readonly examined: number;
    };

/** The best node for a pod, or why there is none. */
export function selectNode(input: SelectInput): Selection {
  const { pod, nodes, plugins } = input;
  if (nodes.length === 0) {
    const rejectedBy = new Set(
      plugins.filter((plugin) => plugin.wakesOn !== undefined).map(({ name }) => name),
    );
    return { node: undefined, message: 'no nodes available to schedule pods', rejectedBy, examined: 0 };
  }
  const state: CycleState = new Map();
  for (const plugin of plugins) {
    const reason = plugin.preFilter?.(pod, state);
    if (reason !== undefined) {
      const message = `0/${nodes.length} nodes are available: ${nodes.length} ${reason}.`;
      return { node: undefined, message, rejectedBy: new Set([plugin.name]), examined: 0 };
    }
  }
  const { feasible, reasons, rejectedBy, examined } = filterNodes(input, state);
  if (feasible.length === 0) {
    return { node: undefined, message: describe(nodes.length, reasons), rejectedBy, examined };
  }
  return { node: best(input, feasible, state).name, state, examined };
}

/** In a large cell a good node among enough is as good as the best of all, and much faster found. */
export function enoughNodes(all: number): number {
  if (all < 100) return all;
  const percent = Math.max(5, 50 - Math.floor(all / 125));
  return Math.max(100, Math.floor((all * percent) / 100));
}

function filterNodes(
  { pod, nodes, plugins, start }: SelectInput,
  state: CycleState,
): {
  readonly feasible: readonly NodeInfo[];
  readonly reasons: ReadonlyMap<string, number>;
  readonly rejectedBy: ReadonlySet<string>;
  readonly examined: number;
} {
  const filters = plugins.filter((plugin) => plugin.filter !== undefined);
  const enough = enoughNodes(nodes.length);
  const feasible: NodeInfo[] = [];
  const reasons = new Map<string, number>();
  const rejectedBy = new Set<string>();
  let examined = 0;
  while (examined < nodes.length && feasible.length < enough) {
    const node = nodes[(start + examined++) % nodes.length]!;
    let fits = true;
    for (const plugin of filters) {
      const rejected = plugin.filter!(pod, node, state);
      if (rejected === undefined) continue;
      fits = false;
      rejectedBy.add(plugin.name);
      for (const reason of rejected) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      break;
    }
    if (fits) feasible.push(node);
  }
  return { feasible, reasons, rejectedBy, examined };
}

function describe(all: number, reasons: ReadonlyMap<string, number>): string {
  const counted = [...reasons].map(([reason, count]) => `${count} ${reason}`).toSorted();
  return `0/${all} nodes are available: ${counted.join(', ')}.`;
}

function best(
  { pod, plugins, random }: SelectInput,
  feasible: readonly NodeInfo[],
  state: CycleState,
): NodeInfo {
  if (feasible.length === 1) return feasible[0]!;
  const totals = new Float64Array(feasible.length);
  for (const plugin of plugins) {
    if (plugin.score === undefined) continue;
    const scores = Float64Array.from(feasible, (node) => plugin.score!(pod, node, state));
    plugin.normalize?.(scores);
    // Whole points, as people see them elsewhere; the rest is chance.
    for (let i = 0; i < scores.length; i++) totals[i]! += Math.floor(scores[i]!) * (plugin.weight ?? 1);
  }
  let winner = 0;
  let ties = 1;
  for (let i = 1; i < totals.length; i++) {
    if (totals[i]! > totals[winner]!) {
      winner = i;
      ties = 1;
    } else if (totals[i] === totals[winner] && random.next() < 1 / ++ties) {
      winner = i;
    }
  }
  return feasible[winner]!;
}
