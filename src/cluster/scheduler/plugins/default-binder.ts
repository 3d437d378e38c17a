import type { Client } from '../../client/contract.ts';
import { pods, type Binding } from '../../client/kinds.ts';
import type { BindPlugin } from '../framework.ts';

/** Writes the choice as a Binding; the API server puts the node's name into the pod's spec. */
export function defaultBinder(client: Client): BindPlugin {
  return {
    name: 'DefaultBinder',
    async bind({ pod }, nodeName) {
      const { name = '', namespace = '', uid } = pod.metadata ?? {};
      const binding: Binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        // The uid keeps a pod of the same name that came after from being bound in its place.
        metadata: { name, namespace, uid },
        target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
      };
      await client.post(pods, { name, namespace }, 'binding', binding);
    },
  };
}
