import type { Client } from '../../client/contract.ts';
import { pods, type Binding } from '../../client/kinds.ts';
import type { Plugin } from '../framework.ts';

/** Binds by posting a Binding; the uid makes sure that it is this pod and not a namesake. */
export function defaultBinder(client: Client): Plugin {
  return {
    name: 'DefaultBinder',
    async bind({ pod }, node) {
      const { name = '', namespace = '', uid } = pod.metadata ?? {};
      const binding: Binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, uid },
        target: { kind: 'Node', name: node },
      };
      await client.post(pods, { name, namespace }, 'binding', binding);
    },
  };
}
