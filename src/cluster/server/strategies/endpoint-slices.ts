/** This version has `nodeName` and `zone`; the free topology of an older one is read and no longer written (KEP-752). */
import { jsonEqual, listAt, objectAt, objectsAt } from '../../api/json.ts';
import { dns1123Subdomain } from '../../api/validate/names.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';

const HOSTNAME = 'kubernetes.io/hostname';
const TOPOLOGY = 'deprecatedTopology';

export const endpointSliceStrategy: Strategy = {
  prepareForCreate: (slice) => dropTopology(slice, new Set()),
  prepareForUpdate(slice, old) {
    // Labels say whose endpoints these are: they count as what is wanted.
    if (!jsonEqual(slice.metadata.labels ?? {}, old.metadata.labels ?? {})) {
      slice.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
    if (jsonEqual(listAt(slice, 'endpoints'), listAt(old, 'endpoints'))) return;
    // Upstream counts what was asked, before it drops a part of that.
    slice.metadata.generation = (old.metadata.generation ?? 0) + 1;
    dropTopology(
      slice,
      new Set(objectsAt(old, 'endpoints').map((endpoint) => objectAt(endpoint, TOPOLOGY)[HOSTNAME])),
    );
  },
};

/** A node that was named by the topology before keeps its endpoint. */
function dropTopology(slice: KubeObject, nodes: ReadonlySet<unknown>): void {
  for (const endpoint of objectsAt(slice, 'endpoints')) {
    const topology = endpoint[TOPOLOGY];
    if (topology === undefined) continue;
    const node = objectAt(endpoint, TOPOLOGY)[HOSTNAME];
    if (
      endpoint['nodeName'] === undefined &&
      typeof node === 'string' &&
      nodes.has(node) &&
      dns1123Subdomain(node).length === 0
    ) {
      endpoint['nodeName'] = node;
    }
    delete endpoint[TOPOLOGY];
  }
}
