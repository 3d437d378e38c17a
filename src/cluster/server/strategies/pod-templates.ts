/** What pods and all that makes pods have in common: fields that Kubernetes has and does not serve by default. */
import { isJsonObject, objectAt, objectsAt, type JsonObject } from '../../api/json.ts';

const LISTS = ['initContainers', 'containers', 'ephemeralContainers'];
/** Sources of projected volumes. */
const SOURCES = ['clusterTrustBundle', 'podCertificate'];

/** Takes out of a pod's spec, in place, what belongs to features that are off; `old` may go on using them. */
export function dropDisabledFields(spec: JsonObject, old: JsonObject = {}): void {
  if (old['schedulingGroup'] === undefined) delete spec['schedulingGroup'];
  const containers = LISTS.flatMap((list) => objectsAt(spec, list));
  const had = LISTS.flatMap((list) => objectsAt(old, list));
  if (!had.some((container) => objectAt(container, 'lifecycle')['stopSignal'] !== undefined)) {
    for (const container of containers) dropStopSignal(container);
  }
  for (const source of SOURCES) {
    if (projections(old).some((projection) => projection[source] !== undefined)) continue;
    for (const projection of projections(spec)) delete projection[source];
  }
}

function dropStopSignal(container: JsonObject): void {
  const { lifecycle } = container;
  if (!isJsonObject(lifecycle) || lifecycle['stopSignal'] === undefined) return;
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
