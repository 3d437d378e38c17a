import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../api/generated/core-v1.ts';
import type { Controller } from '../client/contract.ts';
import { persistentVolumeClaims, persistentVolumes, pods, volumeAttributesClasses } from '../client/kinds.ts';
import { someListed } from '../client/pages.ts';
import type { ControllerEnvironment } from './environment.ts';
import { createProtectionController } from './protection-controller.ts';
import { enqueues, keyOf } from './queue-controller.ts';

/** Claims stay while a pod that has a node uses them: its kubelet may have them mounted. */
export function createClaimProtection(environment: ControllerEnvironment): Controller {
  const { client, informers } = environment;
  const podCache = informers.informer(pods, { indexes: claimIndex });
  return createProtectionController(environment, {
    name: 'pvc-protection',
    type: persistentVolumeClaims,
    finalizer: 'kubernetes.io/pvc-protection',
    users: [enqueues(podCache, claimKeys)],
    isUsed: (claim) => podCache.byIndex('claim', keyOf(claim)).some(isScheduled),
    isUsedIndeed: (claim) =>
      someListed(
        client,
        pods,
        { namespace: claim.metadata?.namespace ?? '' },
        (pod) => isScheduled(pod) && claimKeys(pod).includes(keyOf(claim)),
      ),
  });
}

/** Volumes stay while they are bound to a claim. */
export function createVolumeProtection(environment: ControllerEnvironment): Controller {
  return createProtectionController(environment, {
    name: 'pv-protection',
    type: persistentVolumes,
    finalizer: 'kubernetes.io/pv-protection',
    users: [],
    isUsed: (volume) => volume.status?.phase === 'Bound',
  });
}

/** Classes of volume attributes stay while a volume has one, or a claim has it or is to have it. */
export function createAttributesClassProtection(environment: ControllerEnvironment): Controller {
  const { client, informers } = environment;
  const claims = informers.informer(persistentVolumeClaims, { indexes: claimClassIndex });
  const volumes = informers.informer(persistentVolumes, { indexes: volumeClassIndex });
  return createProtectionController(environment, {
    name: 'volume-attributes-class-protection',
    type: volumeAttributesClasses,
    finalizer: 'kubernetes.io/vac-protection',
    users: [enqueues(claims, classesOfClaim), enqueues(volumes, classesOfVolume)],
    isUsed: ({ metadata }) =>
      claims.byIndex('class', metadata?.name ?? '').length > 0 ||
      volumes.byIndex('class', metadata?.name ?? '').length > 0,
    async isUsedIndeed({ metadata }) {
      const name = metadata?.name ?? '';
      return (
        (await someListed(client, persistentVolumeClaims, {}, (claim) =>
          classesOfClaim(claim).includes(name),
        )) ||
        (await someListed(client, persistentVolumes, {}, (volume) => classesOfVolume(volume).includes(name)))
      );
    },
  });
}

/** Claims that the pod's volumes name, and those that are made for its ephemeral volumes. */
function claimKeys({ metadata, spec }: Pod): readonly string[] {
  const namespace = metadata?.namespace ?? '';
  if (spec?.volumes === undefined) return [];
  return spec.volumes.flatMap((volume) => {
    const named = volume.persistentVolumeClaim?.claimName;
    if (named !== undefined) return [`${namespace}/${named}`];
    return volume.ephemeral === undefined
      ? []
      : [`${namespace}/${metadata?.name ?? ''}-${volume.name ?? ''}`];
  });
}

const claimIndex = { claim: claimKeys };

function isScheduled({ spec }: Pod): boolean {
  return (spec?.nodeName ?? '') !== '';
}

function classesOfClaim({ spec, status }: PersistentVolumeClaim): readonly string[] {
  return [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ]
    .filter((name) => name !== undefined)
    .filter((name) => name !== '');
}

function classesOfVolume({ spec }: PersistentVolume): readonly string[] {
  const name = spec?.volumeAttributesClassName ?? '';
  return name === '' ? [] : [name];
}

const claimClassIndex = { class: classesOfClaim };
const volumeClassIndex = { class: classesOfVolume };
