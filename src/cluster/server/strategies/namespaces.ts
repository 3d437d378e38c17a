import { listAt, stringAt } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';

/** Held in spec.finalizers until the namespace controller has emptied the namespace. */
const FINALIZER = 'kubernetes';

export const namespaceStrategy: Strategy = {
  prepareForCreate(namespace) {
    const given = listAt(namespace, 'spec', 'finalizers');
    const finalizers = given.includes(FINALIZER) ? given : [...given, FINALIZER];
    namespace.spec = { ...namespace.spec, finalizers };
    namespace.status = { phase: 'Active' };
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      'kubernetes.io/metadata.name': namespace.metadata.name ?? '',
    };
  },
  prepareForUpdate(namespace, old, { finalizes }) {
    const finalizers = (finalizes === true ? namespace : old).spec?.['finalizers'];
    const { finalizers: _sent, ...spec } = namespace.spec ?? {};
    const isEmpty = !Array.isArray(finalizers) || finalizers.length === 0;
    namespace.spec = isEmpty ? spec : { ...spec, finalizers };
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      'kubernetes.io/metadata.name': namespace.metadata.name ?? '',
    };
  },
  emptiedFirst: true,
  isHeldBack(namespace) {
    const finalizers = namespace.spec?.['finalizers'];
    return Array.isArray(finalizers) && finalizers.length > 0;
  },
  markDeleted(namespace) {
    namespace.status = { ...namespace.status, phase: 'Terminating' };
  },
};

export function isTerminating(namespace: KubeObject): boolean {
  return (
    namespace.metadata.deletionTimestamp !== undefined ||
    stringAt(namespace, 'status', 'phase') === 'Terminating'
  );
}
