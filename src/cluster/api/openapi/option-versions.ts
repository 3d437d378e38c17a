/** In which group versions upstream registers DeleteOptions and WatchEvent, which documents show. */
import { publishedGroupVersions } from '../schema.ts';
import type { GroupVersion } from './schemas.ts';

/** Groups whose objects are never asked for under a path. */
const NEVER_ASKED = new Set(['apidiscovery.k8s.io', 'audit.k8s.io', 'meta', 'metrics.k8s.io']);
/** Groups whose types are no part of client-go. */
const SERVER_ONLY = new Set([
  'admission.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'imagepolicy.k8s.io',
]);
/** Versions that a server still knows and nobody publishes any more. */
const RETIRED: readonly GroupVersion[] = [
  { group: 'apiextensions.k8s.io', version: 'v1beta1' },
  { group: 'apiregistration.k8s.io', version: 'v1beta1' },
];

/** Of a document of one group version. Users' definitions are described with what client-go knows. */
export function optionVersions(of: GroupVersion, custom: boolean): GroupVersion[] {
  if (custom) return serverOptionVersions().filter(({ group }) => !SERVER_ONLY.has(group));
  return of.group === '' ? [of] : [{ group: '', version: 'v1' }, of];
}

/** Of the document of everything. */
export function serverOptionVersions(): GroupVersion[] {
  const known = publishedGroupVersions().filter(({ group }) => !NEVER_ASKED.has(group));
  const key = ({ group, version }: GroupVersion): string => `${group}/${version}`;
  return [...known, ...RETIRED].toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}
