import type { Client } from '../../client/contract.ts';
import type { Plugin } from '../framework.ts';
import { balancedAllocation } from './balanced-allocation.ts';
import { defaultBinder } from './default-binder.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeName, nodePorts, nodeUnschedulable } from './node-constraints.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { prioritySort } from './priority-sort.ts';
import { taintToleration } from './taint-toleration.ts';

/** The default profile. Filters run in this order and stop at the first that rejects: cheap ones come first. */
export function defaultPlugins(client: Client): readonly Plugin[] {
  return [
    prioritySort,
    nodeUnschedulable,
    nodeName,
    taintToleration,
    nodeAffinity,
    nodePorts,
    nodeResourcesFit,
    balancedAllocation,
    defaultBinder(client),
  ];
}
