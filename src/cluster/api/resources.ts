/** Everything that is served, as data: the API server makes its routes, discovery and tables from this. */
import type { ResourceDeclaration } from './resource-declaration.ts';
import { apiMachineryResources } from './resources/api-machinery.ts';
import { clusterResources } from './resources/cluster.ts';
import { coreResources } from './resources/core.ts';
import { workloadResources } from './resources/workloads.ts';

export type * from './resource-declaration.ts';
export { tableRows } from './table.ts';

export const resources: readonly ResourceDeclaration[] = [
  ...coreResources,
  ...workloadResources,
  ...clusterResources,
  ...apiMachineryResources,
];

/** The declaration of a resource by its plural, undefined when it is not served. */
export function findResource(
  group: string,
  version: string,
  resource: string,
): ResourceDeclaration | undefined {
  return resources.find(
    (item) => item.group === group && item.version === version && item.resource === resource,
  );
}
