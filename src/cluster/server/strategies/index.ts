/** Strategies by stored resource, as declared; a resource that is not here has nothing special about it. */
import type { Json } from '../object.ts';
import { USERS_METADATA, type Strategy } from '../resource.ts';
import { apiServiceStrategy } from './api-services.ts';
import { autoscalerStrategy } from './autoscalers.ts';
import { signingRequestStrategy } from './certificates.ts';
import { daemonSetStrategy } from './daemon-sets.ts';
import { definitionStrategy } from './definitions.ts';
import { limitRangeStrategy, nodeStrategy, serviceAccountStrategy } from './core.ts';
import { deploymentStrategy } from './deployments.ts';
import { resourceClaimStrategy, resourceSliceStrategy } from './devices.ts';
import { endpointSliceStrategy } from './endpoint-slices.ts';
import { jobStrategy } from './jobs.ts';
import { leaseStrategy } from './leases.ts';
import { namespaceStrategy } from './namespaces.ts';
import { podStrategy } from './pods.ts';
import { priorityClassStrategy } from './priority-classes.ts';
import { templated, type TemplateRules } from './pod-templates.ts';
import type { ServiceRanges } from './service-claims.ts';
import { serviceStrategy } from './services.ts';
import { statefulSetStrategy } from './stateful-sets.ts';
import { csiDriverStrategy, persistentVolumeClaimStrategy, persistentVolumeStrategy } from './storage.ts';

/** Newer kinds keep the status endpoint away from all that users write. */
const STATUS_ALONE: Strategy = { fixedInStatus: USERS_METADATA };

/** The status is the controller's: what a creator says of it does not count. */
function controlled(status: Json = {}, template: TemplateRules = {}): Strategy {
  return {
    ...template,
    prepareForCreate(object) {
      object.status = { ...status };
      template.prepareForCreate?.(object);
    },
  };
}

/** What operators may choose. */
export interface StrategyChoices extends ServiceRanges {
  /** How long events are kept; an hour when absent. */
  readonly eventSeconds?: number | undefined;
}

/** Kinds that nobody changes without saying which state of them. */
const CONDITIONAL = [
  'apiservices',
  'clustertrustbundles',
  'csidrivers',
  'csinodes',
  'csistoragecapacities',
  'customresourcedefinitions',
  'leasecandidates',
  'leases',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
  'mutatingwebhookconfigurations',
  'podcertificaterequests',
  'poddisruptionbudgets',
  'runtimeclasses',
  'storageversionmigrations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'validatingwebhookconfigurations',
  'volumeattachments',
];

/** Kinds that a PUT makes where they are not. */
const CREATED_BY_UPDATE = [
  'clusterrolebindings',
  'clusterroles',
  'endpoints',
  'events',
  'leasecandidates',
  'leases',
  'limitranges',
  'rolebindings',
  'roles',
  'runtimeclasses',
  'services',
];

export function strategies(choices: StrategyChoices): Readonly<Record<string, Strategy>> {
  const all: Record<string, Strategy> = { ...specialStrategies(choices) };
  for (const resource of CONDITIONAL) all[resource] = { ...all[resource], conditional: true };
  for (const resource of CREATED_BY_UPDATE) all[resource] = { ...all[resource], createdByUpdate: true };
  return all;
}

function specialStrategies(choices: StrategyChoices): Readonly<Record<string, Strategy>> {
  return {
    apiservices: apiServiceStrategy,
    certificatesigningrequests: signingRequestStrategy,
    cronjobs: controlled({}, templated('spec', 'jobTemplate', 'spec', 'template')),
    csidrivers: csiDriverStrategy,
    daemonsets: daemonSetStrategy,
    customresourcedefinitions: definitionStrategy,
    deployments: deploymentStrategy,
    endpointslices: endpointSliceStrategy,
    events: { leaseSeconds: choices.eventSeconds ?? 3600 },
    flowschemas: { ...controlled(), ...STATUS_ALONE },
    horizontalpodautoscalers: autoscalerStrategy,
    ingresses: controlled({ loadBalancer: {} }),
    jobs: jobStrategy,
    leases: leaseStrategy,
    limitranges: limitRangeStrategy,
    namespaces: namespaceStrategy,
    nodes: nodeStrategy,
    persistentvolumeclaims: persistentVolumeClaimStrategy,
    persistentvolumes: persistentVolumeStrategy,
    poddisruptionbudgets: controlled({
      currentHealthy: 0,
      desiredHealthy: 0,
      disruptionsAllowed: 0,
      expectedPods: 0,
    }),
    pods: podStrategy,
    podtemplates: templated('template'),
    priorityclasses: priorityClassStrategy,
    prioritylevelconfigurations: { ...controlled(), ...STATUS_ALONE },
    replicasets: controlled({ replicas: 0 }, templated('spec', 'template')),
    replicationcontrollers: {
      ...controlled({ replicas: 0 }, templated('spec', 'template')),
      orphansDependents: true,
    },
    resourceclaims: resourceClaimStrategy,
    resourcequotas: controlled(),
    resourceslices: resourceSliceStrategy,
    serviceaccounts: serviceAccountStrategy,
    servicecidrs: { ...controlled(), ...STATUS_ALONE },
    services: serviceStrategy(choices),
    statefulsets: statefulSetStrategy,
    validatingadmissionpolicies: { ...controlled(), ...STATUS_ALONE },
    volumeattachments: { ...controlled({ attached: false }), ...STATUS_ALONE },
  };
}
