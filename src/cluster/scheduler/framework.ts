/**
 * The extension points of the scheduling framework (KEP-624), as far as our plugins use them. A plugin implements any
 * of them; all but bind decide from the cell's state alone and never wait.
 */
import type { NodeInfo, PodInfo } from './node-info.ts';

/** What may make a pod schedulable that was not. */
export type CellEvent = 'node-added' | 'node-allocatable' | 'node-labels' | 'node-taints' | 'pod-removed';

/** Facts that a plugin works out once per pod and cycle, by plugin name. */
export type CycleState = Map<string, unknown>;

export interface Plugin {
  readonly name: string;
  /** Orders waiting pods: negative when `a` goes first. */
  compare?(a: QueuedPod, b: QueuedPod): number;
  /** Works out what filter and score need; a reason rejects the pod on every node. */
  preFilter?(pod: PodInfo, state: CycleState): string | undefined;
  /** Why the pod cannot run there, in words that people see; nothing when it can. */
  filter?(pod: PodInfo, node: NodeInfo, state: CycleState): readonly string[] | undefined;
  /** How good the node is for the pod; larger is better. */
  score?(pod: PodInfo, node: NodeInfo, state: CycleState): number;
  /** Brings the scores of all nodes into 0…100; absent when `score` already is. */
  normalize?(scores: Float64Array): void;
  readonly weight?: number;
  /** Takes what the pod needs beyond the cell's state; a reason rejects. `unreserve` gives it back. */
  reserve?(pod: PodInfo, node: string, state: CycleState): string | undefined;
  unreserve?(pod: PodInfo, node: string, state: CycleState): void;
  /** Makes it so in the API. The first plugin that has it binds. */
  bind?(pod: PodInfo, node: string): Promise<void>;
  /** After which events a pod that this plugin rejected is worth another try. */
  readonly wakesOn?: readonly CellEvent[];
}

/** A pod that waits, and since when. */
export interface QueuedPod {
  readonly info: PodInfo;
  readonly priority: number;
  /** When it came into the active queue, in milliseconds of the monotonic clock. */
  readonly since: number;
  readonly attempts: number;
}

/** 0…100 from any scores ≥ 0; `reverse` makes the smallest the best. */
export function normalizeByMax(scores: Float64Array, reverse: boolean): void {
  let max = 0;
  for (const score of scores) max = Math.max(max, score);
  for (let i = 0; i < scores.length; i++) {
    const share = max === 0 ? 0 : (scores[i]! / max) * 100;
    scores[i] = reverse ? 100 - share : share;
  }
}
