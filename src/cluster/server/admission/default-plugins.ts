/** Which plugins there are, in the order in which they have their say: upstream's. */
import type { AdmissionPlugin } from './admission.ts';
import { podSecurity } from './pod-security/pod-security.ts';
import {
  certificateApproval,
  certificateSigning,
  certificateSubjectRestriction,
  clusterTrustBundleAttest,
} from './plugins/certificates.ts';
import { defaultIngressClass, defaultStorageClass } from './plugins/default-class.ts';
import { defaultTolerationSeconds } from './plugins/default-toleration-seconds.ts';
import { extendedResourceToleration } from './plugins/extended-resource-toleration.ts';
import { limitRanger } from './plugins/limit-ranger.ts';
import { namespaceLifecycle } from './plugins/namespace-lifecycle.ts';
import { nodeRestriction } from './plugins/node-restriction.ts';
import { nodeDeclaredFeatures, podResize } from './plugins/pod-resize.ts';
import { podTopologyLabels } from './plugins/pod-topology-labels.ts';
import { priority } from './plugins/priority.ts';
import { resourceQuota } from './plugins/resource-quota.ts';
import { runtimeClass } from './plugins/runtime-class.ts';
import { serviceAccount } from './plugins/service-account.ts';
import { persistentVolumeClaimResize, storageObjectInUseProtection } from './plugins/storage.ts';
import { taintNodesByCondition } from './plugins/taint-nodes.ts';
import { mutatingPolicies, validatingPolicies } from './policy/plugins.ts';
import { mutatingWebhooks } from './webhook/mutating.ts';
import { validatingWebhooks } from './webhook/validating.ts';

export interface AdmissionOptions {
  /** Beside those that are on by default, by name. */
  readonly enabled?: readonly string[];
  readonly disabled?: readonly string[];
  /** Pods get a volume with their account's token; only for nodes whose kubelet can mount it. */
  readonly mountTokens?: boolean;
}

const OFF_BY_DEFAULT: ReadonlySet<string> = new Set(['ExtendedResourceToleration']);

export function defaultAdmissionPlugins(options: AdmissionOptions = {}): readonly AdmissionPlugin[] {
  const { enabled = [], disabled = [], mountTokens = false } = options;
  return all(mountTokens).filter(
    ({ name }) => !disabled.includes(name) && (!OFF_BY_DEFAULT.has(name) || enabled.includes(name)),
  );
}

function all(mountTokens: boolean): readonly AdmissionPlugin[] {
  return [
    namespaceLifecycle,
    limitRanger,
    serviceAccount({ mountTokens }),
    nodeRestriction,
    taintNodesByCondition,
    podSecurity,
    priority,
    defaultTolerationSeconds,
    extendedResourceToleration,
    defaultStorageClass,
    storageObjectInUseProtection,
    persistentVolumeClaimResize,
    runtimeClass,
    certificateApproval,
    certificateSigning,
    clusterTrustBundleAttest,
    certificateSubjectRestriction,
    defaultIngressClass,
    podTopologyLabels,
    nodeDeclaredFeatures,
    podResize,
    mutatingPolicies(),
    mutatingWebhooks(),
    validatingPolicies(),
    validatingWebhooks(),
    resourceQuota,
  ];
}
