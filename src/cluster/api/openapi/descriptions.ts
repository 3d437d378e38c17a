/**
 * What `kubectl explain` says of kinds and their fields. In our words, except that the first words of some are what
 * conformance suites look for.
 */

import { cluster, storage } from './descriptions/cluster.ts';
import { coordination, definitions, meta, rbac } from './descriptions/machinery.ts';
import { networking, services } from './descriptions/network.ts';
import { pods } from './descriptions/pods.ts';
import type { Texts } from './descriptions/texts.ts';
import { apps, autoscaling, batch, policy } from './descriptions/workloads.ts';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

const MESSAGES: Readonly<Record<string, Texts>> = {
  [`${META}.ObjectMeta`]: {
    '': 'What every stored object has: its name, its marks, its life, and who has written which of its fields.',
    name: 'Name is unique among objects of this kind in one namespace, or in the cluster for kinds without one. It is part of the path, and never changes.',
    generateName:
      'GenerateName is what the server makes a name of, by adding characters by chance, when there is none.',
    namespace:
      'Namespace is where the name counts. Absent for kinds that belong to the whole cluster. It never changes.',
    uid: 'UID tells objects of the same name apart that have lived one after the other. Given by the server.',
    resourceVersion:
      'ResourceVersion changes with every write: an update that names an older one is refused, and watches start from it. Compare it for equality only.',
    generation: 'Generation counts the changes of what is wanted; those of the status do not count.',
    creationTimestamp:
      'CreationTimestamp is a timestamp of the server, from when the object was made; RFC 3339, in UTC.',
    deletionTimestamp:
      'DeletionTimestamp is when the object is to be gone. Set when someone deletes what cannot go at once; nothing takes it back.',
    deletionGracePeriodSeconds:
      'DeletionGracePeriodSeconds is how many seconds the object has from the delete on. It can only be made shorter.',
    labels:
      'Labels are keys and values to select by: controllers, services and queries find objects with them.',
    annotations: 'Annotations are keys and values for tools: of any content, and never selected by.',
    ownerReferences:
      'OwnerReferences name the objects that this one is for. When all of them are gone, the garbage collector deletes it. One at most is its controller.',
    finalizers:
      'Finalizers name who has something to do before the object goes. It stays, marked as deleted, until the last has taken its name off.',
    managedFields:
      'ManagedFields say which manager has set which fields, for server-side apply. Only of interest to tools.',
    selfLink: 'SelfLink is not filled in any more.',
  },
  [`${META}.ListMeta`]: {
    '': 'What a list has besides its items.',
    resourceVersion: 'ResourceVersion is the state that the list shows; a watch from here misses nothing.',
    continue:
      'Continue is what to ask for the next part of a long list with. It expires, and then the answer is 410 Gone.',
    remainingItemCount: 'RemainingItemCount is how many items follow this part, where that is known.',
    selfLink: 'SelfLink is not filled in any more.',
  },
  [`${META}.OwnerReference`]: {
    '': 'An object in the same namespace, or one of the whole cluster, that another is for.',
    apiVersion: 'Group and version of the owner.',
    kind: 'Kind of the owner.',
    name: 'Name of the owner.',
    uid: 'UID of the owner: one of the same name that came later is another.',
    controller: 'True for the one owner that looks after the object.',
    blockOwnerDeletion:
      'When true, an owner that is deleted in the foreground waits for this object to be gone. Whoever sets it must be allowed to delete the owner.',
  },
};

/** Of fields that mean the same wherever they are beside a kind. */
const OF_KINDS: Texts = {
  apiVersion:
    'APIVersion defines in which group and version this object is written. The server reads what it knows in any of them, and refuses what it does not.',
  kind: 'Kind is what this object is, in CamelCase. Where the path says it, it may be left out; it never changes.',
  metadata: "Standard object's metadata: name, namespace, labels, owners and more.",
  items: 'The objects of the list.',
  spec: 'What is wanted. Controllers work towards it.',
  status: 'What is there, as controllers last saw it. Written by them alone.',
};

/** Messages by what stands before their names in OpenAPI. */
const GROUPS: Readonly<Record<string, Readonly<Record<string, Texts>>>> = {
  [META]: meta,
  'io.k8s.api.core.v1': { ...cluster, ...pods, ...services },
  'io.k8s.api.apps.v1': apps,
  'io.k8s.api.autoscaling.v2': autoscaling,
  'io.k8s.api.batch.v1': batch,
  'io.k8s.api.coordination.v1': coordination,
  'io.k8s.api.networking.v1': networking,
  'io.k8s.api.policy.v1': policy,
  'io.k8s.api.rbac.v1': rbac,
  'io.k8s.api.storage.v1': storage,
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1': definitions,
};

/** Everything that is described, as `message field`. */
export function describedFields(): string[] {
  return Object.entries(GROUPS).flatMap(([group, messages]) =>
    Object.entries(messages).flatMap(([message, texts]) =>
      Object.keys(texts).map((field) => `${group}.${message} ${field}`),
    ),
  );
}

/** Of a message itself, when `field` is absent. */
export function description(message: string, field = ''): string | undefined {
  const dot = message.lastIndexOf('.');
  const texts = MESSAGES[message] ?? GROUPS[message.slice(0, dot)]?.[message.slice(dot + 1)];
  return texts?.[field];
}

/** Of a field of something that has a kind. */
export function descriptionInKind(message: string, field: string): string | undefined {
  return description(message, field) ?? OF_KINDS[field];
}
