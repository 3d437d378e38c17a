import { isJsonObject, objectAt, stringAt, type JsonObject } from '../json.ts';
import { ensureObject, fill, fillEmpty, isEmpty, roundUp } from './fill.ts';

/** Sources of persistent volumes with the defaults of members that an empty text leaves open too. */
const SOURCES: Readonly<Record<string, JsonObject>> = {
  iscsi: { iscsiInterface: 'default' },
  rbd: { pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' },
  scaleIO: { storageMode: 'ThinProvisioned', fsType: 'xfs' },
};

const POINTERS: Readonly<Record<string, JsonObject>> = {
  hostPath: { type: '' },
  azureDisk: { cachingMode: 'ReadWrite', fsType: 'ext4', kind: 'Shared', readOnly: false },
};

export function persistentVolumeDefaults(volume: JsonObject): void {
  const spec = ensureObject(volume, 'spec');
  roundUp(spec, 'capacity');
  if (isEmpty(spec['persistentVolumeReclaimPolicy'])) spec['persistentVolumeReclaimPolicy'] = 'Retain';
  fill(spec, { volumeMode: 'Filesystem' });
  volumeSpecDefaults(spec);
  pending(volume);
}

function volumeSpecDefaults(spec: JsonObject): void {
  for (const [name, defaults] of Object.entries(POINTERS)) {
    const source = spec[name];
    if (isJsonObject(source)) fill(source, defaults);
  }
  for (const [name, defaults] of Object.entries(SOURCES)) {
    const source = spec[name];
    if (isJsonObject(source)) fillEmpty(source, defaults);
  }
}

/** A claim, on its own or as a template of a stateful set. */
export function claimDefaults(claim: JsonObject): void {
  const spec = ensureObject(claim, 'spec');
  fill(spec, { volumeMode: 'Filesystem' });
  roundUp(objectAt(spec, 'resources'), 'limits', 'requests');
  pending(claim);
  roundUp(objectAt(claim, 'status'), 'capacity', 'allocatedResources');
}

function pending(object: JsonObject): void {
  const status = ensureObject(object, 'status');
  if (stringAt(status, 'phase') === '') status['phase'] = 'Pending';
}

export function storageClassDefaults(storageClass: JsonObject): void {
  fill(storageClass, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' });
}

export function volumeAttachmentDefaults(attachment: JsonObject): void {
  const source = objectAt(attachment, 'spec', 'source');
  if (isJsonObject(source['inlineVolumeSpec'])) volumeSpecDefaults(source['inlineVolumeSpec']);
  // Not a pointer upstream: it is always written.
  fill(ensureObject(attachment, 'status'), { attached: false });
}

export function csiDriverDefaults(driver: JsonObject): void {
  const spec = ensureObject(driver, 'spec');
  fill(spec, {
    attachRequired: true,
    podInfoOnMount: false,
    storageCapacity: false,
    fsGroupPolicy: 'ReadWriteOnceWithFSType',
    requiresRepublish: false,
    seLinuxMount: false,
  });
  if (!Array.isArray(spec['volumeLifecycleModes']) || spec['volumeLifecycleModes'].length === 0) {
    spec['volumeLifecycleModes'] = ['Persistent'];
  }
}
