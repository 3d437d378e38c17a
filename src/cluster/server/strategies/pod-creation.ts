/** What the server itself writes into a new pod. */
import {
  isJsonObject,
  jsonEqual,
  listAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../../api/json.ts';
import type { KubeObject } from '../object.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

/** Makes expressions of keys whose values the pod's own labels give (KEP-3633, KEP-3243). */
export function resolveLabelKeys(pod: KubeObject): void {
  const labels = objectAt(pod, 'metadata', 'labels');
  const affinity = objectAt(pod, 'spec', 'affinity');
  const terms = ['podAffinity', 'podAntiAffinity'].flatMap((key) => [
    ...objectsAt(affinity, key, PREFERRED).map((term) => objectAt(term, 'podAffinityTerm')),
    ...objectsAt(affinity, key, REQUIRED),
  ]);
  for (const term of [...terms, ...objectsAt(pod, 'spec', 'topologySpreadConstraints')]) {
    const { labelSelector } = term;
    if (!isJsonObject(labelSelector)) continue;
    const found = [
      ...expressions(labels, term, ['matchLabelKeys', 'In']),
      ...expressions(labels, term, ['mismatchLabelKeys', 'NotIn']),
    ];
    if (found.length === 0) continue;
    labelSelector['matchExpressions'] = [...listAt(labelSelector, 'matchExpressions'), ...found];
  }
}

function expressions(
  labels: JsonObject,
  term: JsonObject,
  [list, operator]: readonly [string, string],
): JsonObject[] {
  return listAt(term, list)
    .map((key) => textOf(key))
    .filter((key) => labels[key] !== undefined)
    .map((key) => ({ key, operator, values: [labels[key]!] }));
}

const APPARMOR = 'container.apparmor.security.beta.kubernetes.io/';
/** Not longer than a path can be. */
const MAX_PROFILE_NAME = 4095;

/** Makes fields of the annotations that AppArmor's profiles once were; returns what to say about it. */
export function takeOverProfiles(pod: KubeObject): string[] {
  const annotations = objectAt(pod, 'metadata', 'annotations');
  if (stringAt(pod, 'spec', 'os', 'name') === 'windows') return [];
  const ofPod = objectAt(pod, 'spec', 'securityContext')['appArmorProfile'];
  return ['initContainers', 'containers', 'ephemeralContainers'].flatMap((list) =>
    objectsAt(pod, 'spec', list).flatMap((container) => {
      const key = `${APPARMOR}${stringAt(container, 'name')}`;
      const annotation = annotations[key];
      const context = objectAt(container, 'securityContext');
      if (typeof annotation !== 'string' || context['appArmorProfile'] !== undefined) return [];
      const profile = profileOf(annotation);
      if (profile !== undefined && jsonEqual(profile, ofPod)) return [];
      if (profile !== undefined) container['securityContext'] = { ...context, appArmorProfile: profile };
      return [
        `metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`,
      ];
    }),
  );
}

function profileOf(annotation: string): JsonObject | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' };
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' };
  if (!annotation.startsWith('localhost/')) return undefined;
  const name = annotation.slice('localhost/'.length);
  const fits = name !== '' && name.trim() === name && Buffer.byteLength(name) <= MAX_PROFILE_NAME;
  return fits ? { type: 'Localhost', localhostProfile: name } : undefined;
}
