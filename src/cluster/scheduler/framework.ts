/**
 * The extension points of a scheduling cycle, in the order they are called: queueSort, preFilter, filter, score (with
 * preScore before and normalize after), reserve, bind. Modelled on the scheduling framework (KEP-624).
 */
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';

/** Why a node cannot take a pod, as a person reads it: `Insufficient cpu`. */
export type Reasons = readonly string[];

/** Scores are whole numbers from 0 to this, after `normalize`. */
export const MAX_SCORE = 100;

/** Names a value in a PodState; only its identity counts. */
export interface StateKey<T> {
  readonly description: string;
  /** Only carries T. */
  readonly example?: T;
}

/** What plugins worked out from one pod; lives until the pod's spec or labels change. */
export class PodState {
  readonly #values = new Map<StateKey<unknown>, unknown>();

  set<T>(key: StateKey<T>, value: T): void {
    this.#values.set(key, value);
  }

  get<T>(key: StateKey<T>): T | undefined {
    return this.#values.get(key) as T | undefined;
  }
}

export interface Plugin {
  readonly name: string;
}

export interface QueueSortPlugin extends Plugin {
  /** Negative when `a` goes first; 0 leaves it to who came first. */
  compare(a: PodInfo, b: PodInfo): number;
}

export type PreFilterResult =
  /** The plugin has nothing against any node; its filter is not asked. */
  | { readonly kind: 'skip' }
  /** No other node can do. */
  | { readonly kind: 'only'; readonly nodes: ReadonlySet<string> }
  /** No node can do. */
  | { readonly kind: 'reject'; readonly reasons: Reasons };

export interface FilterPlugin extends Plugin {
  /** Looks at the pod alone, so that the result holds until the pod changes. */
  preFilter?(pod: PodInfo, state: PodState): PreFilterResult | undefined;
  /** Undefined when the node will do. Looks at this node alone: an event about it is then enough to ask again. */
  filter(pod: PodInfo, node: NodeInfo, state: PodState): Reasons | undefined;
}

export interface ScorePlugin extends Plugin {
  /** False when all nodes are the same to the plugin. */
  preScore?(pod: PodInfo, nodes: readonly NodeInfo[], state: PodState): boolean;
  score(pod: PodInfo, node: NodeInfo, state: PodState): number;
  /** Brings the scores, one a node, to 0..MAX_SCORE in place. */
  normalize?(scores: number[]): void;
}

export interface ReservePlugin extends Plugin {
  /** Sets something aside for the pod before it is bound. Reasons when it cannot. */
  reserve(pod: PodInfo, nodeName: string, state: PodState): Reasons | undefined;
  /** Undoes; called in reverse order, also when `reserve` of this or a later plugin refused. Must not throw. */
  unreserve(pod: PodInfo, nodeName: string, state: PodState): void;
}

export interface BindPlugin extends Plugin {
  bind(pod: PodInfo, nodeName: string): Promise<void>;
}

/** The plugins of one scheduler. */
export interface Profile {
  readonly queueSort: QueueSortPlugin;
  /** The first that refuses a node names the reason. */
  readonly filters: readonly FilterPlugin[];
  readonly scores: readonly { readonly plugin: ScorePlugin; readonly weight: number }[];
  readonly reserves: readonly ReservePlugin[];
  readonly bind: BindPlugin;
}
