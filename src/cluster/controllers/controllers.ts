import type { Controller } from '../client/contract.ts';
import { createDeploymentController } from './deployment-controller.ts';
import { createEndpointSliceController } from './endpoint-slice-controller.ts';
import { createEndpointsController } from './endpoints-controller.ts';
import type { ControllerEnvironment } from './environment.ts';
import { createGarbageCollector } from './garbage-collector.ts';
import { createNamespaceController } from './namespace-controller.ts';
import { createNodeLifecycleController } from './node-lifecycle-controller.ts';
import { createPodGarbageCollector } from './pod-garbage-collector.ts';
import { createReplicaSetController } from './replica-set-controller.ts';
import { createRootCaPublisher, type RootCaPublisherEnvironment } from './root-ca-publisher.ts';
import { createServiceAccountController } from './service-account-controller.ts';

/** Every controller of this room, on shared informers; none runs before its `run`. */
export function createControllers(environment: RootCaPublisherEnvironment): readonly Controller[] {
  const create: readonly ((environment: ControllerEnvironment) => Controller)[] = [
    createDeploymentController,
    createReplicaSetController,
    createEndpointSliceController,
    createEndpointsController,
    createNamespaceController,
    createServiceAccountController,
    createGarbageCollector,
    createNodeLifecycleController,
    createPodGarbageCollector,
  ];
  return [...create.map((one) => one(environment)), createRootCaPublisher(environment)];
}
