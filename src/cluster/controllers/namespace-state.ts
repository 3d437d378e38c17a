import type { Namespace } from '../api/generated/core-v1.ts';

/** There, and not being emptied: the API takes new objects in it. */
export function isNamespaceActive(namespace: Namespace | undefined): boolean {
  return (
    namespace !== undefined &&
    namespace.metadata?.deletionTimestamp === undefined &&
    namespace.status?.phase !== 'Terminating'
  );
}
