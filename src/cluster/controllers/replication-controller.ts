import type { ReplicationController } from '../api/generated/core-v1.ts';
import type { ReplicaSet } from '../api/generated/apps-v1.ts';
import type { Controller } from '../client/contract.ts';
import { replicationControllers } from '../client/kinds.ts';
import type { ControllerEnvironment } from './environment.ts';
import { createReplicaController } from './replica-set-controller.ts';

/** Keeps as many pods as each replication controller asks for: a replica set with a plainer selector. */
export function createReplicationController(environment: ControllerEnvironment): Controller {
  return createReplicaController(environment, {
    name: 'replication-controller',
    type: replicationControllers,
    toSet: asReplicaSet,
    withStatus: (controller, { terminatingReplicas: _newer, ...status }) => ({ ...controller, status }),
  });
}

function asReplicaSet(controller: ReplicationController): ReplicaSet {
  const { selector, ...spec } = controller.spec ?? {};
  return { ...controller, spec: { ...spec, selector: { matchLabels: selector } } };
}
