/** Of what pods live on and by: namespaces, nodes, settings, storage. */
import type { Texts } from './texts.ts';

const BY_CAPACITY = 'How much there is of what.';
const ACCESS = 'In which ways it may be mounted.';
const MODE = 'Whether it is a file system or a block device.';

export const cluster: Readonly<Record<string, Texts>> = {
  Namespace: { '': 'A room for names: most objects are in one, and go with it.' },
  NamespaceSpec: { finalizers: 'Who has something to do before the namespace goes.' },
  NamespaceStatus: { phase: 'Whether it is in use or on its way out.', conditions: 'What holds its end up.' },
  Node: { '': 'A machine that runs pods.' },
  NodeSpec: {
    podCIDR: 'The range that its pods have their addresses from.',
    podCIDRs: 'The ranges, one of each family.',
    providerID: 'What the provider calls the machine.',
    unschedulable: 'Whether no more pods are put here. kubectl cordon sets it.',
    taints: 'What keeps pods away that do not tolerate it.',
  },
  NodeStatus: {
    capacity: 'How much the machine has of what.',
    allocatable: 'How much of it pods may have.',
    phase: 'Not in use any more.',
    conditions: 'Whether the node is ready, and short of what.',
    addresses: 'Names and addresses of the node.',
    daemonEndpoints: 'Where the kubelet listens.',
    nodeInfo: 'Versions and identities.',
    images: 'Images that are there already.',
    volumesInUse: 'Volumes that are mounted.',
    volumesAttached: 'Volumes that are attached.',
  },
  Taint: {
    key: 'Key of the taint.',
    value: 'Value of the taint.',
    effect:
      'What happens to pods that do not tolerate it: kept away, if possible or always, or sent away too.',
    timeAdded: 'When it was put on.',
  },
  ServiceAccount: {
    '': 'Who programs in pods are to the API.',
    secrets: 'Secrets that its pods may use. Tokens do not need to be here.',
    imagePullSecrets: 'Secrets for pulling images that its pods get.',
    automountServiceAccountToken: 'Whether its pods get a token; they may say otherwise.',
  },
  ConfigMap: {
    '': 'Settings for pods to read.',
    data: 'Texts, by key.',
    binaryData: 'Bytes in base64, by key.',
    immutable: 'Whether it can never change any more.',
  },
  Secret: {
    '': 'Passwords, keys and the like. Encrypted only if the server is told to.',
    data: 'Values in base64, by key.',
    stringData: 'Values as they are, by key; only for writing, they go to data.',
    type: 'What it is for, which says which keys it must have. Opaque when not given.',
    immutable: 'Whether it can never change any more.',
  },
  Event: {
    '': 'Something that happened to an object. Gone after an hour.',
    involvedObject: 'What it happened to.',
    reason: 'Why, in one word.',
    message: 'What happened, for people.',
    source: 'Who says so, in events of the older form.',
    firstTimestamp: 'When it first happened.',
    lastTimestamp: 'When it last happened.',
    count: 'How often it happened.',
    type: 'Normal or Warning.',
    eventTime: 'When it first happened, in events of the newer form.',
    series: 'How often it happened since, in events of the newer form.',
    action: 'What was done, or tried.',
    related: 'Another object that it is about.',
    reportingComponent: 'Who says so.',
    reportingInstance: 'Which of them.',
  },
  PersistentVolume: { '': 'Storage that outlives pods.' },
  PersistentVolumeSpec: {
    capacity: BY_CAPACITY,
    accessModes: ACCESS,
    claimRef: 'The claim that it is bound to.',
    persistentVolumeReclaimPolicy: 'What becomes of it when its claim is deleted.',
    storageClassName: 'The class that it belongs to.',
    mountOptions: 'Options for mounting it.',
    volumeMode: MODE,
    nodeAffinity: 'The nodes on which it can be reached.',
    csi: 'A volume of a driver.',
    hostPath: 'A folder of the node: for trying things out, on one node.',
    local: 'A disk or folder of one node.',
    nfs: 'A folder of an NFS server.',
  },
  PersistentVolumeStatus: {
    phase: 'Whether it is free, bound, released or failed.',
    message: 'Why, for people.',
    reason: 'Why, in one word.',
    lastPhaseTransitionTime: 'When the phase last changed.',
  },
  PersistentVolumeClaim: { '': 'A wish for storage, which pods of the namespace mount.' },
  PersistentVolumeClaimSpec: {
    accessModes: ACCESS,
    resources: 'How much storage it wants. Can be made larger later, if the class allows.',
    storageClassName:
      'The class that the volume is made by. The default one when not given; none when empty.',
    volumeName: 'The volume that it is bound to.',
    volumeMode: MODE,
    selector: 'Labels of volumes that fit.',
    dataSource: 'A snapshot or a claim that the volume starts as a copy of.',
    dataSourceRef: 'The same, of any kind.',
    volumeAttributesClassName: 'The class of the attributes that the volume is to have.',
  },
  PersistentVolumeClaimStatus: {
    phase: 'Whether it has got a volume, waits for one or has lost it.',
    accessModes: 'In which ways its volume may be mounted.',
    capacity: 'How much its volume has.',
    conditions: 'Whether the volume is being made larger.',
  },
};

export const storage: Readonly<Record<string, Texts>> = {
  StorageClass: {
    '': 'How volumes are made for claims.',
    provisioner: 'Who makes them.',
    parameters: 'Settings for the provisioner.',
    reclaimPolicy: 'What becomes of them when their claims are deleted. Delete when not given.',
    mountOptions: 'Options for mounting them.',
    allowVolumeExpansion: 'Whether they can be made larger.',
    volumeBindingMode: 'Whether they are made at once, or when a pod needs them. Immediate when not given.',
    allowedTopologies: 'Where they may be.',
  },
};
