import type { Plugin } from '../framework.ts';

/** The higher priority first, then who has waited longest. */
export const prioritySort: Plugin = {
  name: 'PrioritySort',
  compare: (a, b) => b.priority - a.priority || a.since - b.since,
};
