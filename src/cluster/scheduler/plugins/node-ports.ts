import type { FilterPlugin } from '../framework.ts';

const REASONS = ["node(s) didn't have free ports for the requested pod ports"];

/** Two pods of one node cannot have the same host port on the same address. */
export const nodePorts: FilterPlugin = {
  name: 'NodePorts',
  preFilter: ({ hostPorts }) => (hostPorts.length === 0 ? { kind: 'skip' } : undefined),
  filter: ({ hostPorts }, node) => (hostPorts.some((port) => node.portTaken(port)) ? REASONS : undefined),
};
