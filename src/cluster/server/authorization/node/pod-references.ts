/** What a pod makes its node read: everything that it names, as upstream's visitors of pods and volumes find it. */
import { isMirrorPod } from '../../../api/validate/pod-annotations.ts';
import { objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import type { KubeObject } from '../../object.ts';

/** In the pod's namespace. */
export interface PodReferences {
  readonly serviceAccount: string;
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
  readonly resourceClaims: ReadonlySet<string>;
}

const NOTHING: ReadonlySet<string> = new Set();

export function podReferences(pod: KubeObject): PodReferences {
  // A node makes its mirror pods itself: they must not let it read anything.
  if (isMirrorPod(pod)) {
    return {
      serviceAccount: '',
      secrets: NOTHING,
      configMaps: NOTHING,
      claims: NOTHING,
      resourceClaims: NOTHING,
    };
  }
  const secrets = new Set(objectsAt(pod, 'spec', 'imagePullSecrets').map((one) => stringAt(one, 'name')));
  const configMaps = new Set<string>();
  const claims = new Set<string>();
  for (const list of ['initContainers', 'containers', 'ephemeralContainers']) {
    for (const container of objectsAt(pod, 'spec', list)) {
      for (const source of objectsAt(container, 'envFrom')) {
        secrets.add(stringAt(source, 'secretRef', 'name'));
        configMaps.add(stringAt(source, 'configMapRef', 'name'));
      }
      for (const { valueFrom } of objectsAt(container, 'env')) {
        secrets.add(stringAt(valueFrom, 'secretKeyRef', 'name'));
        configMaps.add(stringAt(valueFrom, 'configMapKeyRef', 'name'));
      }
    }
  }
  for (const volume of objectsAt(pod, 'spec', 'volumes')) {
    secrets.add(stringAt(volume, 'secret', 'secretName'));
    for (const secret of volumeSecrets(volume)) secrets.add(secret.name);
    configMaps.add(stringAt(volume, 'configMap', 'name'));
    for (const source of objectsAt(volume, 'projected', 'sources')) {
      secrets.add(stringAt(source, 'secret', 'name'));
      configMaps.add(stringAt(source, 'configMap', 'name'));
    }
    claims.add(stringAt(volume, 'persistentVolumeClaim', 'claimName'));
    if (volume['ephemeral'] !== undefined) claims.add(`${pod.metadata.name}-${stringAt(volume, 'name')}`);
  }
  for (const found of [secrets, configMaps, claims]) found.delete('');
  return {
    serviceAccount: stringAt(pod, 'spec', 'serviceAccountName'),
    secrets,
    configMaps,
    claims,
    resourceClaims: resourceClaims(pod),
  };
}

/** Named by the pod itself, or made for it: then its status says how they are called. */
function resourceClaims(pod: KubeObject): ReadonlySet<string> {
  const made = new Map(
    objectsAt(pod, 'status', 'resourceClaimStatuses').map((one) => [
      stringAt(one, 'name'),
      stringAt(one, 'resourceClaimName'),
    ]),
  );
  const names = objectsAt(pod, 'spec', 'resourceClaims').map(
    (claim) => stringAt(claim, 'resourceClaimName') || (made.get(stringAt(claim, 'name')) ?? ''),
  );
  names.push(stringAt(pod, 'status', 'extendedResourceClaimStatus', 'resourceClaimName'));
  return new Set(names.filter((name) => name !== ''));
}

interface SecretReference {
  readonly namespace: string;
  readonly name: string;
}

/** Kinds of volumes whose `secretRef` the kubelet reads. */
const WITH_SECRET = ['cephfs', 'cinder', 'flexVolume', 'rbd', 'scaleIO', 'iscsi', 'storageos'];
/** Those of the secrets of a CSI volume that nodes read; the others are the controller's. */
const CSI_OF_NODES = ['nodePublishSecretRef', 'nodeStageSecretRef', 'nodeExpandSecretRef'];

function volumeSecrets(of: JsonObject): readonly SecretReference[] {
  const azure = objectAt(of, 'azureFile');
  const references = [
    ...WITH_SECRET.map((kind) => objectAt(of, kind, 'secretRef')),
    ...CSI_OF_NODES.map((field) => objectAt(of, 'csi', field)),
  ];
  return [
    { namespace: stringAt(azure, 'secretNamespace'), name: stringAt(azure, 'secretName') },
    ...references.map((one) => ({ namespace: stringAt(one, 'namespace'), name: stringAt(one, 'name') })),
  ].filter(({ name }) => name !== '');
}

/** The secrets that a node needs to mount a persistent volume; those without a namespace are in its claim's. */
export function volumeSecretKeys(volume: KubeObject): readonly string[] {
  const claimed = stringAt(volume, 'spec', 'claimRef', 'namespace');
  if (claimed === '') return [];
  return volumeSecrets(objectAt(volume, 'spec')).map(
    ({ namespace, name }) => `${namespace || claimed}/${name}`,
  );
}
