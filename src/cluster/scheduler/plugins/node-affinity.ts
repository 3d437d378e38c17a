import type { NodeSelectorTerm, PodSpec } from '../../api/generated/core-v1.ts';
import type { FilterPlugin, PreFilterResult, ScorePlugin, StateKey } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { labelOf, matcherOf } from './node-selector.ts';
import { normalizeScores } from './normalize.ts';

const REASONS = ["node(s) didn't match Pod's node affinity/selector"];
const CONFLICT = ['pod affinity terms conflict'];

interface Preference {
  readonly weight: number;
  readonly matches: (node: NodeInfo) => boolean;
}

const REQUIRED: StateKey<(node: NodeInfo) => boolean> = { description: 'required nodes' };
const PREFERRED: StateKey<readonly Preference[]> = { description: 'preferred nodes' };

/** `nodeSelector` and node affinity (https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/). */
export const nodeAffinity: FilterPlugin & ScorePlugin = {
  name: 'NodeAffinity',
  preFilter({ pod }, state): PreFilterResult | undefined {
    const { spec } = pod;
    const labels = Object.entries(spec?.nodeSelector ?? {});
    const terms = requiredTerms(spec);
    if (labels.length === 0 && terms === undefined) return { kind: 'skip' };
    const matchers = terms?.map(matcherOf);
    state.set(
      REQUIRED,
      (node) =>
        labels.every(([key, value]) => labelOf(node, key) === value) &&
        (matchers === undefined || matchers.some((matches) => matches(node))),
    );
    const nodes = terms === undefined ? undefined : namedNodes(terms);
    if (nodes === undefined) return undefined;
    return nodes.size === 0 ? { kind: 'reject', reasons: CONFLICT } : { kind: 'only', nodes };
  },
  filter: (_pod, node, state) => (state.get(REQUIRED)?.(node) === false ? REASONS : undefined),
  preScore({ pod }, _nodes, state) {
    if (state.get(PREFERRED) === undefined) {
      const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      state.set(
        PREFERRED,
        terms
          .filter(({ weight = 0 }) => weight !== 0)
          .map(({ weight = 0, preference = {} }) => ({ weight, matches: preferenceOf(preference) })),
      );
    }
    return (state.get(PREFERRED) ?? []).length > 0;
  },
  score(_pod, node, state) {
    let sum = 0;
    for (const { weight, matches } of state.get(PREFERRED) ?? []) if (matches(node)) sum += weight;
    return sum;
  },
  normalize: (scores) => normalizeScores(scores, { reverse: false }),
};

/** Unlike a required term, an empty preference is one for every node. */
function preferenceOf(term: NodeSelectorTerm): (node: NodeInfo) => boolean {
  const empty = (term.matchExpressions ?? []).length === 0 && (term.matchFields ?? []).length === 0;
  return empty ? () => true : matcherOf(term);
}

function requiredTerms(spec: PodSpec | undefined): readonly NodeSelectorTerm[] | undefined {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined ? undefined : (required.nodeSelectorTerms ?? []);
}

/** The nodes that the terms name, undefined when one of them leaves the name open. A daemon's pods name one each. */
function namedNodes(terms: readonly NodeSelectorTerm[]): ReadonlySet<string> | undefined {
  if (terms.length === 0) return undefined;
  const all = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const sets = matchFields
      .filter(({ key, operator }) => key === 'metadata.name' && operator === 'In')
      .map(({ values = [] }) => new Set(values));
    const [first, ...others] = sets;
    if (first === undefined) return undefined;
    for (const name of first) if (others.every((set) => set.has(name))) all.add(name);
  }
  return all;
}
