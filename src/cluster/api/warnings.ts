/** What Kubernetes takes and warns of: old ways of saying things, and things that are seldom meant. */
import { append } from '../../base/append.ts';
import { goQuote } from './field-error.ts';
import {
  getPath,
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from './json.ts';
import { dns1123Label } from './validate/names.ts';
import { keyPairProblem } from './warnings/key-pair.ts';
import { addressWarnings } from './warnings/addresses.ts';
import { definitionWarnings } from './warnings/definitions.ts';
import { endpointSliceWarnings, ingressWarnings, networkPolicyWarnings } from './warnings/network.ts';
import { claimSpecWarnings, nodeTermWarnings, oldLabel, podWarnings } from './warnings/pod.ts';

type Warner = (object: JsonObject, old: JsonObject | undefined) => readonly string[];

/** By `group/Kind`. */
const WARNERS: Readonly<Record<string, Warner>> = {
  // Only of new ones: programs change pods, and people do not.
  '/Pod': (pod, old) =>
    old === undefined ? [...nameWarnings(pod, "the Pod's hostname"), ...podWarnings(pod, '')] : [],
  '/PodTemplate': (template) => podWarnings(objectAt(template, 'template'), 'template'),
  // Written so upstream: of a changed one it is what was there that is looked at.
  '/ReplicationController': (controller, old) =>
    templated('spec.template')(old ?? controller, old && controller),
  'apps/Deployment': templated('spec.template'),
  'apps/ReplicaSet': templated('spec.template'),
  'apps/DaemonSet': templated('spec.template', { named: false }),
  'apps/StatefulSet': templated('spec.template', { named: false }, (set) => [
    ...objectsAt(set, 'spec', 'volumeClaimTemplates').flatMap((claim, index) =>
      claimSpecWarnings(objectAt(claim, 'spec'), `spec.volumeClaimTemplates[${index}]`),
    ),
    ...((numberAt(set, 'spec', 'revisionHistoryLimit') ?? 0) < 0
      ? [
          'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
        ]
      : []),
  ]),
  'batch/Job': templated('spec.template', {}, (job) => jobWarnings(objectAt(job, 'spec'), 'spec')),
  'batch/CronJob': (cronJob, old) => [
    ...templated('spec.jobTemplate.spec.template', {}, () =>
      jobWarnings(objectAt(cronJob, 'spec', 'jobTemplate', 'spec'), 'spec.jobTemplate.spec'),
    )(cronJob, old),
    // Written so upstream.
    ...(old !== undefined && stringAt(cronJob, 'spec', 'schedule').includes('TZ')
      ? [
          'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details',
        ]
      : []),
  ],
  'apiextensions.k8s.io/CustomResourceDefinition': definitionWarnings,
  'resource.k8s.io/ResourceSlice': (slice) => {
    const driver = stringAt(slice, 'spec', 'driver');
    return driver === driver.toLowerCase()
      ? []
      : [`spec.driver: driver names should be lowercase; ${goQuote(driver)} contains uppercase characters`];
  },
  '/Service': (service) => serviceWarnings(service),
  '/PersistentVolume': (volume) => volumeWarnings(volume),
  '/PersistentVolumeClaim': (claim) => [
    ...oldClass(claim),
    ...claimSpecWarnings(objectAt(claim, 'spec'), 'spec'),
  ],
  '/Node': (node) => [
    ...(getPath(node, 'spec', 'configSource') === undefined
      ? []
      : [
          'spec.configSource: the spec.configSource field is deprecated since v1.22, support was removed in v1.24',
        ]),
    ...(getPath(node, 'spec', 'externalID') === undefined
      ? []
      : ['spec.externalID: this field is deprecated, and is unused by Kubernetes']),
  ],
  '/Secret': (secret) => {
    if (secret['type'] !== 'kubernetes.io/tls') return [];
    const [certificate = '', key = ''] = ['tls.crt', 'tls.key'].map((name) =>
      Buffer.from(stringAt(objectAt(secret, 'data'), name), 'base64').toString('latin1'),
    );
    const problem = keyPairProblem(certificate, key);
    return problem === undefined ? [] : [problem];
  },
  '/ServiceAccount': (account, old) => {
    const key = 'kubernetes.io/enforce-mountable-secrets';
    const has = (one: JsonObject | undefined): boolean =>
      objectAt(one, 'metadata', 'annotations')[key] !== undefined;
    return has(account) && !has(old)
      ? [
          `metadata.annotations[${key}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`,
        ]
      : [];
  },
  'discovery.k8s.io/EndpointSlice': endpointSliceWarnings,
  'networking.k8s.io/Ingress': ingressWarnings,
  'networking.k8s.io/NetworkPolicy': networkPolicyWarnings,
  'node.k8s.io/RuntimeClass': (runtimeClass) =>
    Object.keys(objectAt(runtimeClass, 'scheduling', 'nodeSelector')).flatMap((key) => {
      const old = oldLabel(key);
      return old === undefined ? [] : [`scheduling.nodeSelector: ${old}`];
    }),
  'storage.k8s.io/CSIDriver': tokenWarnings,
  'storage.k8s.io/StorageClass': (storageClass) =>
    objectsAt(storageClass, 'allowedTopologies').flatMap((term, index) =>
      objectsAt(term, 'matchLabelExpressions').flatMap((item, position) => {
        const key = stringAt(item, 'key');
        const old = oldLabel(key);
        const at = `allowedTopologies[${index}].matchLabelExpressions[${position}].key`;
        return old === undefined ? [] : [`${at}: ${key} is ${old}`];
      }),
    ),
};

/** What the answer to a write warns of; `old` where there was an object already. */
export function warningsOf(kind: string, object: JsonObject, old?: JsonObject): readonly string[] {
  return WARNERS[kind]?.(object, old) ?? [];
}

function nameWarnings(object: JsonObject, use: string): string[] {
  const wrong = dns1123Label(stringAt(object, 'metadata', 'name'));
  if (wrong.length === 0) return [];
  return [
    `metadata.name: this is used in ${use}, which can result in surprising behavior; a DNS label is recommended: [${wrong.join(' ')}]`,
  ];
}

/** Kinds with a template: changes are looked at where they are changes of what is wanted. */
function templated(
  path: string,
  options: { readonly named?: boolean } = {},
  more: (object: JsonObject) => string[] = () => [],
): Warner {
  return (object, old) => {
    const created = old === undefined;
    if (!created && jsonEqual(object['spec'], old['spec'])) return [];
    return [
      ...(created && options.named !== false ? nameWarnings(object, 'Pod names and hostnames') : []),
      ...more(object),
      ...podWarnings(objectAt(object, ...path.split('.')), path),
    ];
  };
}

const MANY_COMPLETIONS = 100_000;
const MANY_AT_ONCE = 10_000;

function jobWarnings(spec: JsonObject, at: string): string[] {
  const many =
    spec['completionMode'] === 'Indexed' &&
    (numberAt(spec, 'completions') ?? 0) > MANY_COMPLETIONS &&
    (numberAt(spec, 'parallelism') ?? 0) > MANY_AT_ONCE;
  return many
    ? [
        `${at}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail`,
      ]
    : [];
}

function serviceWarnings(service: JsonObject): string[] {
  const spec = objectAt(service, 'spec');
  const hints = 'service.kubernetes.io/topology-aware-hints';
  const type = stringAt(spec, 'type');
  const external = listAt(spec, 'externalIPs').map((address) => textOf(address));
  const headless = type === 'ClusterIP' && spec['clusterIP'] === 'None';
  const warnings: string[] = [];
  if (objectAt(service, 'metadata', 'annotations')[hints] !== undefined) {
    warnings.push(
      `annotation ${hints} is deprecated, please use service.kubernetes.io/topology-mode instead`,
    );
  }
  for (const [index, address] of listAt(spec, 'clusterIPs').entries()) {
    append(warnings, addressWarnings(textOf(address), `spec.clusterIPs[${index}]`));
  }
  if (headless) {
    const ignored = 'is ignored for headless services';
    if (stringAt(spec, 'loadBalancerIP') !== '') warnings.push(`spec.loadBalancerIP ${ignored}`);
    if (external.length > 0) warnings.push(`spec.externalIPs ${ignored}`);
    if (spec['sessionAffinity'] !== 'None') warnings.push(`spec.SessionAffinity ${ignored}`);
  }
  for (const [index, address] of external.entries()) {
    append(warnings, addressWarnings(address, `spec.externalIPs[${index}]`));
  }
  if (external.length > 0 && !headless && type !== 'ExternalName') {
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters');
  }
  append(warnings, addressWarnings(stringAt(spec, 'loadBalancerIP'), 'spec.loadBalancerIP'));
  if (type === 'ExternalName' && external.length > 0) {
    warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  }
  if (type !== 'ExternalName' && stringAt(spec, 'externalName') !== '') {
    warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  }
  if (spec['trafficDistribution'] === 'PreferClose') {
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"');
  }
  return warnings;
}

function oldClass(object: JsonObject): string[] {
  const key = 'volume.beta.kubernetes.io/storage-class';
  return objectAt(object, 'metadata', 'annotations')[key] === undefined
    ? []
    : [`metadata.annotations[${key}]: deprecated since v1.8; use "storageClassName" attribute instead`];
}

/** Kinds of volume that nothing serves any more, in upstream's order and with its names for them. */
const OLD_SOURCES: readonly (readonly [string, string, string])[] = [
  ['cephfs', 'cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['photonPersistentDisk', 'photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['scaleIO', 'scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['storageos', 'storageOS', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['rbd', 'rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];

const OLD_MOUNT_OPTIONS = 'volume.beta.kubernetes.io/mount-options';

function volumeWarnings(volume: JsonObject): string[] {
  const spec = objectAt(volume, 'spec');
  const terms = objectsAt(spec, 'nodeAffinity', 'required', 'nodeSelectorTerms');
  return [
    ...oldClass(volume),
    ...(objectAt(volume, 'metadata', 'annotations')[OLD_MOUNT_OPTIONS] === undefined
      ? []
      : [
          `metadata.annotations[${OLD_MOUNT_OPTIONS}]: deprecated since v1.31; use "mountOptions" attribute instead`,
        ]),
    ...(spec['persistentVolumeReclaimPolicy'] === 'Recycle'
      ? [
          'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
        ]
      : []),
    ...terms.flatMap((term, index) =>
      nodeTermWarnings(term, `spec.nodeAffinity.required.nodeSelectorTerms[${index}]`, false),
    ),
    ...OLD_SOURCES.flatMap(([member, shown, why]) =>
      spec[member] === undefined ? [] : [`spec.${shown}: ${why}`],
    ),
  ];
}

function tokenWarnings(driver: JsonObject, old: JsonObject | undefined): string[] {
  const spec = objectAt(driver, 'spec');
  const { tokenRequests } = spec;
  const isNew = old === undefined || !jsonEqual(getPath(old, 'spec', 'tokenRequests'), tokenRequests);
  const open = listAt(spec, 'tokenRequests').length > 0 && spec['serviceAccountTokenInSecrets'] === undefined;
  return isNew && open
    ? [
        'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes',
      ]
    : [];
}

/** Finalizers without a path may be anybody's (metadata of definitions' own objects). */
export function finalizerWarnings(object: JsonObject, old?: JsonObject): string[] {
  const known = new Set(listAt(old, 'metadata', 'finalizers'));
  const standard = new Set(['orphan', 'foregroundDeletion']);
  return [...new Set(listAt(object, 'metadata', 'finalizers'))]
    .filter((item) => !known.has(item))
    .map((item) => textOf(item))
    .toSorted()
    .filter((name) => !name.includes('/') && !standard.has(name))
    .map((name) => {
      const path = name.includes('.') ? ' including a path (/)' : '';
      return `metadata.finalizers: ${goQuote(name)}: prefer a domain-qualified finalizer name${path} to avoid accidental conflicts with other finalizer writers`;
    });
}
