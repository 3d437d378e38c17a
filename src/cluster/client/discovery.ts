/** Aggregated discovery (KEP-3352) as a list of resources. */
import type { Discovered, ServedType } from './contract.ts';

export const DISCOVERY_ACCEPT = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** apidiscovery.k8s.io/v2, what is read of it. */
export interface GroupDiscoveryList {
  readonly items?: readonly GroupDiscovery[];
}

interface GroupDiscovery {
  readonly metadata?: { readonly name?: string };
  readonly versions?: readonly VersionDiscovery[];
}

interface VersionDiscovery {
  readonly version?: string;
  readonly freshness?: string;
  readonly resources?: readonly ResourceDiscovery[];
}

interface ResourceDiscovery {
  readonly resource?: string;
  readonly responseKind?: { readonly group?: string; readonly version?: string; readonly kind?: string };
  readonly scope?: string;
  readonly verbs?: readonly string[];
}

/** Each resource once, in the first version that has it: versions come in the order of preference. */
export function discoveredOf(groups: readonly GroupDiscovery[]): Discovered {
  const types = new Map<string, ServedType>();
  const unavailable: string[] = [];
  for (const { metadata, versions = [] } of groups) {
    const group = metadata?.name ?? '';
    for (const { version = '', freshness, resources = [] } of versions) {
      if (freshness === 'Stale') unavailable.push(group === '' ? version : `${group}/${version}`);
      for (const { resource = '', responseKind, scope, verbs = [] } of resources) {
        const id = `${resource}.${group}`;
        if (types.has(id)) continue;
        const kind = responseKind?.kind ?? '';
        types.set(id, { group, version, resource, kind, namespaced: scope === 'Namespaced', verbs });
      }
    }
  }
  return { types: [...types.values()], unavailable };
}
