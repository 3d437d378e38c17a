import type { Controller } from '../client/contract.ts';
import { createClusterRoleAggregationController } from './cluster-role-aggregation-controller.ts';
import { createCronJobController } from './cron-job-controller.ts';
import { createDeploymentController } from './deployment-controller.ts';
import { createDisruptionController } from './disruption-controller.ts';
import { createEndpointSliceController } from './endpoint-slice-controller.ts';
import { createEndpointsController } from './endpoints-controller.ts';
import type { ControllerEnvironment, EventSink } from './environment.ts';
import { createGarbageCollector } from './garbage-collector.ts';
import { createJobController } from './job-controller.ts';
import { createNamespaceController } from './namespace-controller.ts';
import { createNodeLifecycleController } from './node-lifecycle-controller.ts';
import { createPodGarbageCollector } from './pod-garbage-collector.ts';
import { createResourceCatalog } from './resource-catalog.ts';
import { createReplicaSetController } from './replica-set-controller.ts';
import { createReplicationController } from './replication-controller.ts';
import { createResourceQuotaController } from './resource-quota-controller.ts';
import { createRootCaPublisher } from './root-ca-publisher.ts';
import { createSecretTokenController, type SecretTokenEnvironment } from './secret-token-controller.ts';
import { createServiceAccountController } from './service-account-controller.ts';
import {
  createAttributesClassProtection,
  createClaimProtection,
  createVolumeProtection,
} from './storage-protection.ts';
import { createTtlAfterFinishedController } from './ttl-after-finished-controller.ts';

export interface ControllersEnvironment extends SecretTokenEnvironment {
  /** Where events go that come from the controller of this name. */
  eventsFor(component: string): EventSink;
}

/** Every controller of this room, on shared informers; none runs before its `run`. */
export function createControllers(environment: ControllersEnvironment): readonly Controller[] {
  const create: readonly ((environment: ControllerEnvironment) => Controller)[] = [
    createEndpointSliceController,
    createEndpointsController,
    createServiceAccountController,
    createPodGarbageCollector,
    createTtlAfterFinishedController,
    createClusterRoleAggregationController,
    createClaimProtection,
    createVolumeProtection,
    createAttributesClassProtection,
  ];
  const from = (component: string): ControllerEnvironment => ({
    ...environment,
    events: environment.eventsFor(component),
  });
  const catalog = createResourceCatalog(environment);
  const informed = { ...environment, catalog };
  return [
    catalog.controller,
    createNamespaceController(informed),
    createGarbageCollector(informed),
    createResourceQuotaController(informed),
    createDeploymentController(from('deployment-controller')),
    createReplicaSetController(from('replicaset-controller')),
    createReplicationController(from('replication-controller')),
    createJobController(from('job-controller')),
    createCronJobController(from('cronjob-controller')),
    createNodeLifecycleController(from('node-controller')),
    createDisruptionController(from('controllermanager')),
    ...create.map((one) => one(environment)),
    createRootCaPublisher(environment),
    createSecretTokenController(environment),
  ];
}
