import type { QueueSortPlugin } from '../framework.ts';

/** Higher `spec.priority` first. */
export const prioritySort: QueueSortPlugin = {
  name: 'PrioritySort',
  compare: (a, b) => b.priority - a.priority,
};
