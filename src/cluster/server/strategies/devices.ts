/** Device slices and claims: what is not switched on is not stored, and what is given up is not spoken of. */
import { isJsonObject, objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import { USERS_METADATA, type Strategy } from '../resource.ts';

/** Lists as attributes (KEP-5491) and resources of the node itself (KEP-5517) are alpha in this version. */
function dropAlpha(slice: KubeObject): void {
  for (const device of objectsAt(slice, 'spec', 'devices')) {
    delete device['nodeAllocatableResourceMappings'];
    for (const attribute of Object.values(objectAt(device, 'attributes'))) {
      if (!isJsonObject(attribute)) continue;
      for (const key of ['bools', 'ints', 'strings', 'versions']) delete attribute[key];
    }
  }
}

export const resourceSliceStrategy: Strategy = {
  prepareForCreate: dropAlpha,
  prepareForUpdate: dropAlpha,
};

function nameOf(device: JsonObject): string {
  return ['driver', 'pool', 'device', 'shareID'].map((key) => stringAt(device, key)).join('\n');
}

function allocated(claim: KubeObject): ReadonlySet<string> {
  return new Set(objectsAt(claim, 'status', 'allocation', 'devices', 'results').map(nameOf));
}

export const resourceClaimStrategy: Strategy = {
  fixedInStatus: USERS_METADATA,
  prepareForCreate(claim) {
    claim.status = {};
  },
  /** Clients that know nothing of devices' status free devices all the same. */
  prepareForStatus(claim, old) {
    const [now, before] = [allocated(claim), allocated(old)];
    const { status } = claim;
    if (status === undefined || !Array.isArray(status['devices'])) return;
    const kept = objectsAt(status, 'devices').filter((device) => {
      const name = nameOf(device);
      return now.has(name) || !before.has(name);
    });
    if (kept.length === 0) delete status['devices'];
    else status['devices'] = kept;
  },
};
