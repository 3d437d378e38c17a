/** What pods and all that makes pods have in common: fields that Kubernetes has and does not serve by default. */
import { isJsonObject, objectAt, objectsAt, type JsonObject } from '../../api/json.ts';

const LISTS = ['initContainers', 'containers', 'ephemeralContainers'];
/** Sources of projected volumes. */
const SOURCES = ['clusterTrustBundle', 'podCertificate'];

/** Takes out of a pod's spec, in place, what belongs to features that are off; `old` may go on using them. */
export function dropDisabledFields(spec: JsonObject, old: JsonObject = {}): void {
  if (spec['schedulingGroup'] !== undefined && old['schedulingGroup'] === undefined)
    delete spec['schedulingGroup'];
  const stopped = withStopSignal(spec);
  if (stopped.length > 0 && withStopSignal(old).length === 0) for (const one of stopped) dropStopSignal(one);
  const projected = projections(spec);
  if (projected.length === 0) return;
  const before = projections(old);
  for (const source of SOURCES) {
    if (before.some((projection) => projection[source] !== undefined)) continue;
    for (const projection of projected) delete projection[source];
  }
}

function withStopSignal(spec: JsonObject): JsonObject[] {
  const found: JsonObject[] = [];
  for (const list of LISTS) {
    for (const container of objectsAt(spec, list)) {
      const { lifecycle } = container;
      if (isJsonObject(lifecycle) && lifecycle['stopSignal'] !== undefined) found.push(container);
    }
  }
  return found;
}

function dropStopSignal(container: JsonObject): void {
  const lifecycle = objectAt(container, 'lifecycle');
  delete lifecycle['stopSignal'];
  if (Object.keys(lifecycle).length === 0) delete container['lifecycle'];
}

function projections(spec: JsonObject): JsonObject[] {
  return objectsAt(spec, 'volumes').flatMap((volume) => objectsAt(volume, 'projected', 'sources'));
}

export interface TemplateRules {
  prepareForCreate?(object: JsonObject): void;
  prepareForUpdate?(object: JsonObject, old: JsonObject): void;
}

/** The rules of a kind whose objects have a pod template at a path. */
export function templated(...path: readonly string[]): TemplateRules {
  return {
    prepareForCreate: (object) => dropDisabledFields(objectAt(object, ...path, 'spec')),
    prepareForUpdate: (object, old) =>
      dropDisabledFields(objectAt(object, ...path, 'spec'), objectAt(old, ...path, 'spec')),
  };
}
