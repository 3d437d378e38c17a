/** Claims and ingresses that do not name a class get the one that is marked as default. */
import { getPath, objectAt } from '../../../api/json.ts';
import type { KubeObject } from '../../object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { isFor, listOf, type Path } from '../lookup.ts';

interface Facts {
  readonly plugin: string;
  readonly group: string;
  readonly resource: string;
  readonly classes: Path;
  /** Marks a class as default. */
  readonly marks: readonly string[];
  /** Below spec. */
  readonly field: string;
  /** Says the class in its old way. */
  readonly annotation: string;
}

function plugin(facts: Facts): AdmissionPlugin {
  return {
    name: facts.plugin,
    handles: (request) => request.operation === 'CREATE' && isFor(request, facts.group, facts.resource),
    mutate({ object, server }: AdmissionRequest) {
      if (object === undefined || getPath(object, 'spec', facts.field) !== undefined) return;
      if (object.metadata.annotations?.[facts.annotation] !== undefined) return;
      const chosen = newest(
        listOf(server, facts.classes).filter(({ metadata }) =>
          facts.marks.some((mark) => metadata.annotations?.[mark] === 'true'),
        ),
      );
      if (chosen === undefined) return;
      object.spec = { ...objectAt(object, 'spec'), [facts.field]: chosen.metadata.name ?? '' };
    },
  };
}

/** The one that was made last; of several, the first by name. */
function newest(classes: readonly KubeObject[]): KubeObject | undefined {
  const text = (value: string | undefined): string => value ?? '';
  return classes.toSorted(
    ({ metadata: a }, { metadata: b }) =>
      text(b.creationTimestamp).localeCompare(text(a.creationTimestamp)) ||
      text(a.name).localeCompare(text(b.name)),
  )[0];
}

export const defaultStorageClass: AdmissionPlugin = plugin({
  plugin: 'DefaultStorageClass',
  group: '',
  resource: 'persistentvolumeclaims',
  classes: ['storage.k8s.io', 'v1', 'storageclasses'],
  marks: ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'],
  field: 'storageClassName',
  annotation: 'volume.beta.kubernetes.io/storage-class',
});

export const defaultIngressClass: AdmissionPlugin = plugin({
  plugin: 'DefaultIngressClass',
  group: 'networking.k8s.io',
  resource: 'ingresses',
  classes: ['networking.k8s.io', 'v1', 'ingressclasses'],
  marks: ['ingressclass.kubernetes.io/is-default-class'],
  field: 'ingressClassName',
  annotation: 'kubernetes.io/ingress.class',
});
