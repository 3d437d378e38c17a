import { isJsonObject, jsonEqual, objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { Strategy } from '../resource.ts';

const SINCE = 'lastPhaseTransitionTime';

export const persistentVolumeStrategy: Strategy = {
  prepareForCreate(volume) {
    const { creationTimestamp } = volume.metadata;
    volume.status = {
      phase: 'Pending',
      ...(creationTimestamp !== undefined && { lastPhaseTransitionTime: creationTimestamp }),
    };
  },
  // KEP-3762: who changes the phase need not say when.
  prepareForStatus(volume, old, { now }) {
    const { status = {} } = volume;
    const [since, was] = [status[SINCE], old.status?.[SINCE]];
    const isSame = (status['phase'] ?? '') === (old.status?.['phase'] ?? '');
    const next = isSame ? (since ?? was) : since === undefined || since === was ? now : since;
    if (next !== undefined && next !== since) volume.status = { ...status, [SINCE]: next };
  },
};

export const persistentVolumeClaimStrategy: Strategy = {
  prepareForCreate(claim) {
    claim.status = { phase: 'Pending' };
    settleSources((claim.spec ??= {}), {});
  },
  prepareForUpdate(claim, old) {
    settleSources((claim.spec ??= {}), old.spec ?? {});
  },
};

/** A scheduler does not look at this yet (VolumeLimitScaling). */
export const csiDriverStrategy: Strategy = {
  prepareForCreate(driver) {
    delete driver.spec?.['preventPodSchedulingIfMissing'];
  },
  prepareForUpdate(driver, old) {
    if (old.spec?.['preventPodSchedulingIfMissing'] === undefined) {
      delete driver.spec?.['preventPodSchedulingIfMissing'];
    }
    // It starts without one.
    if (!jsonEqual(driver.spec ?? {}, old.spec ?? {})) {
      driver.metadata.generation = (old.metadata.generation ?? 0) + 1;
    }
  },
};

/** What cannot be meant goes, as long as the claim had none (KEP-1495), and what is left is said in both ways. */
function settleSources(spec: JsonObject, old: JsonObject): void {
  // Claims of other namespaces are not filled from (CrossNamespaceVolumeDataSource).
  const foreign = stringAt(spec, 'dataSourceRef', 'namespace') !== '';
  if (foreign && old['dataSourceRef'] === undefined) delete spec['dataSourceRef'];
  const hadSource = old['dataSource'] !== undefined || old['dataSourceRef'] !== undefined;
  if (!hadSource && spec['dataSourceRef'] === undefined && !isOldSource(objectAt(spec, 'dataSource'))) {
    delete spec['dataSource'];
  }
  unifySources(spec);
}

/** Of the kinds that the older way of saying it knows. */
function isOldSource(source: JsonObject): boolean {
  const [group, kind] = [stringAt(source, 'apiGroup'), stringAt(source, 'kind')];
  return (
    (group === '' && kind === 'PersistentVolumeClaim') ||
    (group === 'snapshot.storage.k8s.io' && kind === 'VolumeSnapshot')
  );
}

/** A claim's two ways to name what it is filled from say the same, where the older one can. */
function unifySources(spec: JsonObject): void {
  const { dataSource, dataSourceRef } = spec;
  if (isJsonObject(dataSource) && dataSourceRef === undefined) spec['dataSourceRef'] = { ...dataSource };
  else if (isJsonObject(dataSourceRef) && dataSource === undefined) {
    const { namespace = '', ...local } = dataSourceRef;
    if (namespace === '') spec['dataSource'] = local;
  }
}
