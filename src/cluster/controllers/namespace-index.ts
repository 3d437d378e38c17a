import type { ApiObject } from '../client/contract.ts';

/** Objects by their namespace: what an event of one of its pods may concern. */
export const namespaceIndex = {
  namespace: (object: ApiObject): readonly string[] => [object.metadata?.namespace ?? ''],
};
