/** A group's version and what is served of it. */
import type { ForeignVersion } from './aggregation/foreign-discovery.ts';
import type { Priority } from './aggregation/priorities.ts';
import type { Resource } from './resource.ts';

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly priority: Priority;
  /** None when another server has them. */
  readonly resources: readonly Resource[];
  readonly foreign?: ForeignVersion;
}

/** `/api/v1`, `/apis/apps/v1`. */
export function pathOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
}

/** By group and version, and in each as paths are installed upstream, which is by name. */
export function byGroupVersion(resources: readonly Resource[]): Map<string, Resource[]> {
  const sorted = resources.toSorted((a, b) =>
    a.resource === b.resource ? 0 : a.resource < b.resource ? -1 : 1,
  );
  return Map.groupBy(sorted, (resource) => pathOf(resource));
}
