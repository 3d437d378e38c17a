/** What a node may write: itself, and what runs on it (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction). */
import { isMirrorPod, MIRROR } from '../../../api/validate/pod-annotations.ts';
import { jsonEqual, objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { nodeOf } from '../../authorization/node/node-identity.ts';
import { notFound } from '../../failure.ts';
import type { KubeObject, Meta } from '../../object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { objectNamed, refused } from '../lookup.ts';
import { checkAudience } from './node-audience.ts';
import { secretNames } from './service-account.ts';

export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  handles: ({ user, operation }) => operation !== 'CONNECT' && nodeOf(user) !== undefined,
  // Before anyone changes what the node itself has sent.
  mutate(request) {
    const { user, resource } = request;
    const node = nodeOf(user) ?? '';
    if (node === '')
      throw refused(request, `could not determine node from user ${JSON.stringify(user.name)}`);
    return RULES[`${resource.group}/${resource.resource}`]?.(request, node);
  },
};

const RULES: Readonly<Record<string, (request: AdmissionRequest, node: string) => void | Promise<void>>> = {
  '/pods': pod,
  '/nodes': ownNode,
  '/persistentvolumeclaims': claim,
  '/serviceaccounts': token,
  'coordination.k8s.io/leases': lease,
  'storage.k8s.io/csinodes': csiNode,
  'resource.k8s.io/resourceslices': resourceSlice,
};

function pod(request: AdmissionRequest, node: string): void {
  const { subresource, operation, old } = request;
  const quoted = JSON.stringify(node);
  const here = (of: KubeObject | undefined): boolean => stringAt(of, 'spec', 'nodeName') === node;
  if (subresource === '') {
    if (operation === 'CREATE') mirrorPod(request, node);
    else if (operation !== 'DELETE') {
      throw refused(
        request,
        `unexpected operation "${operation}", node ${quoted} can only create and delete mirror pods`,
      );
    } else if (!here(old)) {
      throw refused(request, `node ${quoted} can only delete pods with spec.nodeName set to itself`);
    }
  } else if (subresource === 'status') podStatus(request, node);
  else if (subresource === 'eviction') {
    const { server, namespace, name } = request;
    if (here(objectNamed(server, ['', 'v1', 'pods'], { namespace, name }))) return;
    throw refused(request, `node ${node} can only evict pods with spec.nodeName set to itself`);
  } else {
    throw refused(
      request,
      `unexpected pod subresource "${subresource}", only 'status' and 'eviction' are allowed`,
    );
  }
}

function podStatus(request: AdmissionRequest, node: string): void {
  const { object, old } = request;
  const quoted = JSON.stringify(node);
  if (stringAt(old, 'spec', 'nodeName') !== node) {
    throw refused(
      request,
      `node ${quoted} can only update pod status for pods with spec.nodeName set to itself`,
    );
  }
  if (!jsonEqual(object?.metadata.labels ?? {}, old?.metadata.labels ?? {})) {
    throw refused(request, `node ${quoted} cannot update labels through pod status`);
  }
  const claims = (of: KubeObject | undefined): JsonObject[] => [
    ...objectsAt(of, 'status', 'resourceClaimStatuses'),
  ];
  if (!jsonEqual(claims(object), claims(old))) {
    throw refused(request, `node ${quoted} cannot update resource claim statues`);
  }
  const extended = (of: KubeObject | undefined): JsonObject =>
    objectAt(of, 'status', 'extendedResourceClaimStatus');
  if (!jsonEqual(extended(object), extended(old))) {
    throw refused(request, `node ${quoted} cannot update extended resource claim status`);
  }
}

function mirrorPod(request: AdmissionRequest, node: string): void {
  const { object, server } = request;
  if (object === undefined) return;
  const quoted = JSON.stringify(node);
  const only = (what: string): Error => refused(request, `node ${quoted} can only create pods with ${what}`);
  const not = (what: string): Error =>
    refused(request, `node ${quoted} can not create pods that reference ${what}`);
  if (!isMirrorPod(object)) {
    throw refused(
      request,
      `pod does not have "${MIRROR}" annotation, node ${quoted} can only create mirror pods`,
    );
  }
  if (stringAt(object, 'spec', 'nodeName') !== node) throw only('spec.nodeName set to itself');
  const [owner, ...more] = object.metadata.ownerReferences ?? [];
  if (more.length > 0) throw only('a single owner reference set to itself');
  if (owner === undefined || owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
    throw only('an owner reference set to itself');
  }
  if (owner['controller'] !== true) throw only('a controller owner reference set to itself');
  if (owner['blockOwnerDeletion'] === true) {
    throw refused(request, `node ${quoted} must not set blockOwnerDeletion on an owner reference`);
  }
  const found = objectNamed(server, ['', 'v1', 'nodes'], { name: node });
  if (found === undefined) throw notFound({ group: '', resource: 'nodes' }, node);
  const uid = found.metadata.uid ?? '';
  if (owner.uid !== uid) {
    throw refused(request, `node ${node} UID mismatch: expected ${owner.uid} got ${uid}`);
  }
  if (stringAt(object, 'spec', 'serviceAccountName') !== '') throw not('a service account');
  if (secretNames(object).length > 0) throw not('secrets');
  if (namesConfigMaps(object)) throw not('configmaps');
  const volumes = objectsAt(object, 'spec', 'volumes');
  const bundles = volumes.some((volume) =>
    objectsAt(volume, 'projected', 'sources').some((source) => source['clusterTrustBundle'] !== undefined),
  );
  if (bundles) throw not('clustertrustbundles');
  if (volumes.some((volume) => volume['persistentVolumeClaim'] !== undefined)) {
    throw not('persistentvolumeclaims');
  }
}

function namesConfigMaps(of: KubeObject): boolean {
  const inVolumes = objectsAt(of, 'spec', 'volumes').some(
    (volume) =>
      volume['configMap'] !== undefined ||
      objectsAt(volume, 'projected', 'sources').some((source) => source['configMap'] !== undefined),
  );
  const lists = ['initContainers', 'containers', 'ephemeralContainers'];
  return (
    inVolumes ||
    lists.some((list) =>
      objectsAt(of, 'spec', list).some(
        (container) =>
          objectsAt(container, 'envFrom').some((source) => source['configMapRef'] !== undefined) ||
          objectsAt(container, 'env').some(
            (variable) => stringAt(variable, 'valueFrom', 'configMapKeyRef', 'name') !== '',
          ),
      ),
    )
  );
}

function ownNode(request: AdmissionRequest, node: string): void {
  const { name, object, old, operation } = request;
  const quoted = JSON.stringify(node);
  if (name !== node)
    throw refused(request, `node ${quoted} is not allowed to modify node ${JSON.stringify(name)}`);
  if (object === undefined) return;
  const source = object.spec?.['configSource'];
  const bad = modified(object.metadata, old?.metadata)
    .filter((key) => isRestricted(key))
    .toSorted();
  if (operation === 'CREATE') {
    if (source !== undefined) {
      throw refused(request, `node ${quoted} is not allowed to create pods with a non-nil configSource`);
    }
    if (bad.length > 0) {
      throw refused(request, `node ${quoted} is not allowed to set the following labels: ${bad.join(', ')}`);
    }
    return;
  }
  if (source !== undefined && !jsonEqual(source, old?.spec?.['configSource'])) {
    throw refused(
      request,
      `node ${quoted} is not allowed to update configSource to a new non-nil configSource`,
    );
  }
  if (!jsonEqual([...objectsAt(object, 'spec', 'taints')], [...objectsAt(old, 'spec', 'taints')])) {
    throw refused(request, `node ${quoted} is not allowed to modify taints`);
  }
  if (bad.length > 0) throw refused(request, `is not allowed to modify labels: ${bad.join(', ')}`);
}

function modified(now: Meta, before: Meta | undefined): string[] {
  const [a, b] = [now.labels ?? {}, before?.labels ?? {}];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => a[key] !== b[key]);
}

const KUBELET_LABELS: ReadonlySet<string> = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'node.kubernetes.io/windows-build',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.kubernetes.io/zone',
  'failure-domain.kubernetes.io/region',
]);
const KUBELET_NAMESPACES = ['kubelet.kubernetes.io', 'node.kubernetes.io'];
const within = (namespace: string, domain: string): boolean =>
  namespace === domain || namespace.endsWith(`.${domain}`);

/** Labels that would let a node draw pods to itself. */
function isRestricted(key: string): boolean {
  const namespace = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
  if (within(namespace, 'node-restriction.kubernetes.io')) return true;
  if (!within(namespace, 'kubernetes.io') && !within(namespace, 'k8s.io')) return false;
  return !KUBELET_LABELS.has(key) && !KUBELET_NAMESPACES.some((domain) => within(namespace, domain));
}

function claim(request: AdmissionRequest, node: string): void {
  const { subresource, object, old } = request;
  if (subresource !== 'status') throw refused(request, 'may only update PVC status');
  const rest = (of: KubeObject | undefined): JsonObject => {
    const { resourceVersion: _version, managedFields: _fields, ...metadata } = of?.metadata ?? {};
    const {
      capacity: _a,
      conditions: _b,
      allocatedResources: _c,
      allocatedResourceStatuses: _d,
      ...status
    } = objectAt(of, 'status');
    return { ...of, metadata, status };
  };
  if (jsonEqual(rest(object), rest(old))) return;
  throw refused(
    request,
    `node ${JSON.stringify(node)} is not allowed to update fields other than status.capacity and status.conditions`,
  );
}

async function token(request: AdmissionRequest, node: string): Promise<void> {
  const { operation, subresource, object, namespace, server } = request;
  if (operation !== 'CREATE' || subresource !== 'token') return;
  const reference = objectAt(object, 'spec', 'boundObjectRef');
  const [name, uid] = [stringAt(reference, 'name'), stringAt(reference, 'uid')];
  if (reference['apiVersion'] !== 'v1' || reference['kind'] !== 'Pod' || name === '') {
    throw refused(request, 'node requested token not bound to a pod');
  }
  if (uid === '') throw refused(request, 'node requested token with a pod binding without a uid');
  const found = objectNamed(server, ['', 'v1', 'pods'], { namespace, name });
  if (found === undefined) throw notFound({ group: '', resource: 'pods' }, name);
  if (found.metadata.uid !== uid) {
    throw refused(
      request,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  if (stringAt(found, 'spec', 'nodeName') !== node) {
    throw refused(request, 'node requested token bound to a pod scheduled on a different node');
  }
  await checkAudience(request, found);
}

const LEASES = 'kube-node-lease';

function lease(request: AdmissionRequest, node: string): void {
  if (request.namespace !== LEASES) {
    throw refused(request, `can only access leases in the "${LEASES}" system namespace`);
  }
  if (request.name === node) return;
  throw refused(request, 'can only access node lease with the same name as the requesting node');
}

function csiNode(request: AdmissionRequest, node: string): void {
  if (request.name === node) return;
  throw refused(request, 'can only access CSINode with the same name as the requesting node');
}

function resourceSlice(request: AdmissionRequest, node: string): void {
  const { operation, object, old } = request;
  const subject = operation === 'DELETE' ? old : object;
  if (stringAt(subject, 'spec', 'nodeName') === node) return;
  const verb = operation === 'DELETE' ? 'delete' : 'create';
  throw refused(request, `can only ${verb} ResourceSlice with the same NodeName as the requesting node`);
}
