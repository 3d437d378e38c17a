import type { NodeSelectorRequirement, NodeSelectorTerm } from '../../api/generated/core-v1.ts';
import type { NodeInfo } from '../node-info.ts';

type Test = (value: string | undefined) => boolean;

/** A node selector term as one function; all its requirements must hold, and an empty term matches no node. */
export function matcherOf(term: NodeSelectorTerm): (node: NodeInfo) => boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return () => false;
  const labels = matchExpressions.map((one) => ({ key: one.key ?? '', test: testOf(one) }));
  const fields = matchFields.map((one) => ({ key: one.key ?? '', test: testOf(one) }));
  return (node) =>
    labels.every(({ key, test }) => test(labelOf(node, key))) &&
    fields.every(({ key, test }) => key === 'metadata.name' && test(node.name));
}

export function labelOf(node: NodeInfo, key: string): string | undefined {
  const { labels } = node;
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** An operator this does not know, or one without the values it needs, matches nothing. */
function testOf({ operator, values = [] }: NodeSelectorRequirement): Test {
  const set = new Set(values);
  const limit = integerOf(values.length === 1 ? values[0] : undefined);
  switch (operator) {
    case 'In':
      return (value) => value !== undefined && set.has(value);
    case 'NotIn':
      return (value) => value === undefined || !set.has(value);
    case 'Exists':
      return (value) => value !== undefined;
    case 'DoesNotExist':
      return (value) => value === undefined;
    case 'Gt':
    case 'Lt': {
      if (limit === undefined) return () => false;
      return (value) => {
        const number = integerOf(value);
        return number !== undefined && (operator === 'Gt' ? number > limit : number < limit);
      };
    }
    default:
      return () => false;
  }
}

function integerOf(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[+-]?\d+$/.test(text) ? BigInt(text.replace('+', '')) : undefined;
}
