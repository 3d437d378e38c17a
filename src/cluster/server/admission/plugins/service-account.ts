import { isMirrorPod } from '../../../api/validate/pod-annotations.ts';
import { nameSuffix } from '../../../../base/random.ts';
import { getPath, isJsonObject, objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { pathSegment } from '../../../api/validate/names.ts';
import type { KubeObject } from '../../object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { isFor, objectNamed, refused } from '../lookup.ts';

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const VOLUME = 'kube-api-access';
/** Seven seconds more than an hour tell these tokens from those that somebody has asked for. */
const TOKEN_SECONDS = 3607;

/** Pods run as an account that exists, and with `mountTokens` they get its token, as a volume that the kubelet renews. */
export function serviceAccount(options: { readonly mountTokens: boolean }): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    handles: (request) => request.operation === 'CREATE' && isFor(request, '', 'pods'),
    mutate(request) {
      const { object, server } = request;
      if (object === undefined || isMirrorPod(object)) return;
      const spec = (object.spec ??= {});
      if (stringAt(spec, 'serviceAccountName') === '') spec['serviceAccountName'] = 'default';
      spec['serviceAccount'] = spec['serviceAccountName'];
      const account = accountOf(request);
      if (options.mountTokens && automounts(account, spec)) {
        mountToken(spec, () => `${VOLUME}-${nameSuffix(server.random)}`);
      }
      const secrets = objectsAt(account, 'imagePullSecrets');
      if (objectsAt(spec, 'imagePullSecrets').length === 0 && secrets.length > 0) {
        spec['imagePullSecrets'] = structuredClone([...secrets]);
      }
    },
    validate(request) {
      const { object } = request;
      if (object === undefined) return;
      if (isMirrorPod(object)) return checkMirror(request, object);
      const account = accountOf(request);
      if (account.metadata.annotations?.['kubernetes.io/enforce-mountable-secrets'] === 'true') {
        checkSecrets(request, object, account);
      }
    },
  };
}

function accountOf(request: AdmissionRequest): KubeObject {
  const { object, namespace, server } = request;
  const name = stringAt(object, 'spec', 'serviceAccountName');
  if (name === '') {
    throw refused(request, `no service account specified for pod ${namespace}/${request.name}`);
  }
  const found = objectNamed(server, ['', 'v1', 'serviceaccounts'], { namespace, name });
  if (found !== undefined) return found;
  const [wrong] = pathSegment(name);
  const why =
    wrong === undefined
      ? `serviceaccount ${JSON.stringify(name)} not found`
      : `invalid resource name ${JSON.stringify(name)}: [${wrong}]`;
  throw refused(request, `error looking up service account ${namespace}/${name}: ${why}`);
}

/** The pod has the last word. */
function automounts(account: KubeObject, spec: JsonObject): boolean {
  const own = spec['automountServiceAccountToken'];
  if (typeof own === 'boolean') return own;
  return account['automountServiceAccountToken'] !== false;
}

function mountToken(spec: JsonObject, newName: () => string): void {
  const volumes = objectsAt(spec, 'volumes');
  const present = volumes
    .map((volume) => stringAt(volume, 'name'))
    .find((name) => name.startsWith(`${VOLUME}-`));
  const name = present ?? newName();
  let mounted = false;
  for (const list of ['initContainers', 'containers']) {
    for (const container of objectsAt(spec, list)) {
      const mounts = objectsAt(container, 'volumeMounts');
      if (mounts.some((mount) => mount['mountPath'] === MOUNT_PATH)) continue;
      container['volumeMounts'] = [...mounts, { name, readOnly: true, mountPath: MOUNT_PATH }];
      mounted = true;
    }
  }
  if (mounted && present === undefined) spec['volumes'] = [...volumes, tokenVolume(name)];
}

function tokenVolume(name: string): JsonObject {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
}

function checkMirror(request: AdmissionRequest, pod: KubeObject): void {
  if (stringAt(pod, 'spec', 'serviceAccountName') !== '') {
    throw refused(request, 'a mirror pod may not reference service accounts');
  }
  if (secretNames(pod).length > 0) throw refused(request, 'a mirror pod may not reference secrets');
  const projected = objectsAt(pod, 'spec', 'volumes').some((volume) =>
    objectsAt(volume, 'projected', 'sources').some((source) => isJsonObject(source['serviceAccountToken'])),
  );
  if (projected) throw refused(request, 'a mirror pod may not use ServiceAccountToken volume projections');
}

interface SecretUse {
  readonly name: string;
  /** Where, in upstream's words; absent where an account has no say. */
  readonly what?: string;
}

/** Every secret that a pod names outside imagePullSecrets. */
export function secretNames(pod: KubeObject): readonly SecretUse[] {
  const uses: SecretUse[] = [];
  for (const volume of objectsAt(pod, 'spec', 'volumes')) {
    const name = stringAt(volume, 'secret', 'secretName');
    const what = `volume with secret.secretName=${JSON.stringify(name)}`;
    if (getPath(volume, 'secret') !== undefined) uses.push({ name, what });
    for (const source of objectsAt(volume, 'projected', 'sources')) {
      const projected = stringAt(source, 'secret', 'name');
      if (projected !== '') uses.push({ name: projected });
    }
  }
  for (const list of ['initContainers', 'containers', 'ephemeralContainers']) {
    for (const container of objectsAt(pod, 'spec', list)) uses.push(...ofContainer(container, list));
  }
  return uses;
}

function ofContainer(container: JsonObject, list: string): SecretUse[] {
  const kind =
    list === 'containers'
      ? 'container'
      : list === 'initContainers'
        ? 'init container'
        : 'ephemeral container';
  const owner = `${kind} ${stringAt(container, 'name')}`;
  const single = objectsAt(container, 'env').flatMap((variable) => {
    const name = stringAt(variable, 'valueFrom', 'secretKeyRef', 'name');
    if (name === '') return [];
    const from = `envVar ${stringAt(variable, 'name')} referencing secret.secretName="${name}"`;
    return [{ name, what: `${owner} with ${from}` }];
  });
  const whole = objectsAt(container, 'envFrom').flatMap((source) => {
    const name = stringAt(source, 'secretRef', 'name');
    return name === ''
      ? []
      : [{ name, what: `${owner} with envFrom referencing secret.secretName="${name}"` }];
  });
  return [...single, ...whole];
}

/** Accounts that say so let their pods mount only the secrets that they list. */
function checkSecrets(request: AdmissionRequest, pod: KubeObject, account: KubeObject): void {
  const allowed = new Set(objectsAt(account, 'secrets').map((secret) => stringAt(secret, 'name')));
  const name = account.metadata.name ?? '';
  for (const use of secretNames(pod)) {
    if (use.what === undefined || allowed.has(use.name)) continue;
    throw refused(
      request,
      `${use.what} is not allowed because service account ${name} does not reference that secret`,
    );
  }
  const pull = new Set(objectsAt(account, 'imagePullSecrets').map((secret) => stringAt(secret, 'name')));
  objectsAt(objectAt(pod, 'spec'), 'imagePullSecrets').forEach((secret, index) => {
    const wanted = stringAt(secret, 'name');
    if (pull.has(wanted)) return;
    throw refused(
      request,
      `imagePullSecrets[${index}].name=${JSON.stringify(wanted)} is not allowed because service account ${name} does not reference that imagePullSecret`,
    );
  });
}
