import { isJsonObject, stringAt, type JsonObject } from '../../api/json.ts';
import type { Strategy } from '../resource.ts';

export const persistentVolumeStrategy: Strategy = {
  prepareForCreate(volume) {
    const { creationTimestamp } = volume.metadata;
    volume.status = {
      phase: 'Pending',
      ...(creationTimestamp !== undefined && { lastPhaseTransitionTime: creationTimestamp }),
    };
  },
};

export const persistentVolumeClaimStrategy: Strategy = {
  prepareForCreate(claim) {
    claim.status = { phase: 'Pending' };
    unifySources((claim.spec ??= {}));
  },
};

/** A claim's two ways to name what it is filled from say the same, where the older one can. */
function unifySources(spec: JsonObject): void {
  const { dataSource, dataSourceRef } = spec;
  if (isJsonObject(dataSource) && dataSourceRef === undefined) spec['dataSourceRef'] = { ...dataSource };
  else if (isJsonObject(dataSourceRef) && dataSource === undefined) {
    if (stringAt(dataSourceRef, 'namespace') === '') spec['dataSource'] = { ...dataSourceRef };
  }
}
