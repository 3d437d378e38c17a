/** What is there from the start: the first namespaces and the API's own service. */
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { ServerParts } from './context.ts';
import type { KubeObject } from './object.ts';
import { authored } from './authorship.ts';
import { open, prepareCreate } from './writing.ts';

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export async function bootstrap(parts: ServerParts, kubernetesAddress: string): Promise<void> {
  for (const name of NAMESPACES)
    await ensure(parts, 'namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await ensure(parts, 'services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kubernetes',
      namespace: 'default',
      labels: { component: 'apiserver', provider: 'kubernetes' },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: kubernetesAddress,
      clusterIPs: [kubernetesAddress],
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: 6443 }],
    },
  });
}

/** How often what must be there is looked for: someone may have deleted it. */
const RECONCILE_MS = 10_000;

/** Brings back what someone deletes. */
export function keepBootstrapped(parts: ServerParts, repair: () => Promise<void>): Disposable {
  let timer: Disposable;
  const again = (): void => {
    repair().catch((error: unknown) =>
      parts.log.warn('cannot repair the first objects', { error: errorMessage(error) }),
    );
    timer = parts.clock.after(RECONCILE_MS, again);
  };
  timer = parts.clock.after(RECONCILE_MS, again);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

export interface Advertised {
  /** An address that pods can reach, not a loopback one. */
  readonly address: string;
  readonly port: number;
}

/** Makes `default/kubernetes` point at this server, in both forms of endpoints. */
export async function advertise(parts: ServerParts, { address, port }: Advertised): Promise<void> {
  const metadata = { name: 'kubernetes', namespace: 'default' };
  const ports = [{ name: 'https', port, protocol: 'TCP' }];
  await put(parts, ['', 'endpoints'], {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...metadata, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: address }], ports }],
  });
  await put(parts, ['discovery.k8s.io', 'endpointslices'], {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports,
  });
}

async function ensure(parts: ServerParts, name: string, object: KubeObject): Promise<boolean> {
  return await create(parts, ['', name], object);
}

async function create(
  parts: ServerParts,
  [group, name]: readonly [string, string],
  object: KubeObject,
): Promise<boolean> {
  const resource = parts.resources.get(group, 'v1', name);
  const { namespace = '', name: own = '' } = object.metadata;
  if ((await parts.registry.find(resource, { namespace, name: own })) !== undefined) return false;
  try {
    await parts.registry.create(
      resource,
      await prepareCreate(resource, object, {
        namespace,
        gate: open,
        ...parts,
        author: authored(resource, { manager: 'sampan', subresource: '', clock: parts.clock }),
      }),
    );
    return true;
  } catch (error) {
    if (isPlatformError(error, 'already-exists')) return false;
    throw error;
  }
}

async function put(parts: ServerParts, path: readonly [string, string], object: KubeObject): Promise<void> {
  if (await create(parts, path, structuredClone(object))) return;
  const [group, name] = path;
  const { metadata: _metadata, ...content } = object;
  await parts.registry.modify(
    parts.resources.get(group, 'v1', name),
    { namespace: 'default', name: 'kubernetes' },
    {
      change: (old) => ({ type: 'put', object: { ...old, ...content, metadata: old.metadata } }),
    },
  );
}
