import { getPath, isJsonObject, objectAt, objectsAt } from '../../../api/json.ts';
import type { AdmissionPlugin } from '../admission.ts';
import { isFor } from '../lookup.ts';

/** Pods that ask for a device may go to nodes that are set aside for it. Not on by default. */
export const extendedResourceToleration: AdmissionPlugin = {
  name: 'ExtendedResourceToleration',
  handles: (request) =>
    isFor(request, '', 'pods') && (request.operation === 'CREATE' || request.operation === 'UPDATE'),
  mutate({ object }) {
    const names = new Set<string>();
    for (const list of ['containers', 'initContainers']) {
      for (const container of objectsAt(object, 'spec', list)) {
        const requests = getPath(container, 'resources', 'requests');
        for (const name of isJsonObject(requests) ? Object.keys(requests) : []) {
          if (isExtended(name)) names.add(name);
        }
      }
    }
    if (object === undefined || names.size === 0) return;
    const tolerations = objectsAt(object, 'spec', 'tolerations');
    const missing = [...names]
      .toSorted()
      .filter((key) => !tolerations.some((one) => one['key'] === key && one['operator'] === 'Exists'));
    if (missing.length === 0) return;
    object.spec = {
      ...objectAt(object, 'spec'),
      tolerations: [...tolerations, ...missing.map((key) => ({ key, operator: 'Exists' }))],
    };
  },
};

function isExtended(name: string): boolean {
  const domain = name.includes('/') ? name.slice(0, name.indexOf('/')) : '';
  return domain !== '' && domain !== 'kubernetes.io' && !domain.endsWith('.kubernetes.io');
}
