import type { NamespaceMode, PodSandboxConfig, Protocol } from '../../container/cri/generated/types.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { podLinuxResources } from './resources.ts';
import { allContainersOf, podLogDirectory, podUid } from './pod-terms.ts';

export const LABELS = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;

export const ANNOTATIONS = {
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  messagePath: 'io.kubernetes.container.terminationMessagePath',
  messagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  gracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
  /** Ours: the container's `resources` as JSON, so that a kubelet that starts knows what was granted. */
  resources: 'sampan.io/container.resources',
} as const;

export interface SandboxInput {
  readonly pod: Pod;
  readonly attempt: number;
  readonly podLogsDir: string;
  readonly nodeName: string;
  readonly clusterDns?: readonly string[];
  readonly clusterDomain: string;
}

export function sandboxConfig(input: SandboxInput): PodSandboxConfig {
  const { pod } = input;
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const spec = pod.spec ?? {};
  const context = spec.securityContext;
  const mode = (host: boolean | undefined): NamespaceMode => (host === true ? 'NODE' : 'POD');
  const dns = dnsConfig(input);
  return {
    metadata: { name, namespace, uid: podUid(pod), attempt: input.attempt },
    hostname: spec.hostNetwork === true ? input.nodeName : podHostname(pod),
    logDirectory: podLogDirectory(input.podLogsDir, pod),
    ...(dns === undefined ? {} : { dnsConfig: dns }),
    portMappings: allContainersOf(pod).flatMap(({ ports = [] }) =>
      ports
        .filter(({ hostPort = 0 }) => hostPort > 0)
        .map((port) => ({
          protocol: (port.protocol ?? 'TCP') as Protocol,
          containerPort: port.containerPort ?? 0,
          hostPort: port.hostPort ?? 0,
          hostIp: port.hostIP ?? '',
        })),
    ),
    labels: {
      ...pod.metadata?.labels,
      [LABELS.podName]: name,
      [LABELS.podNamespace]: namespace,
      [LABELS.podUid]: podUid(pod),
    },
    annotations: { ...pod.metadata?.annotations },
    linux: {
      cgroupParent: `pod${podUid(pod)}`,
      resources: podLinuxResources(pod),
      sysctls: Object.fromEntries((context?.sysctls ?? []).map((one) => [one.name ?? '', one.value ?? ''])),
      securityContext: {
        privileged: allContainersOf(pod).some((container) => container.securityContext?.privileged === true),
        namespaceOptions: {
          network: mode(spec.hostNetwork),
          pid: spec.hostPID === true ? 'NODE' : processMode(pod),
          ipc: mode(spec.hostIPC),
        },
        ...(context?.runAsUser === undefined ? {} : { runAsUser: { value: context.runAsUser } }),
        ...(context?.runAsGroup === undefined ? {} : { runAsGroup: { value: context.runAsGroup } }),
        supplementalGroups: [...(context?.supplementalGroups ?? [])],
      },
    },
  };
}

/** A pod's name in its own eyes: `spec.hostname`, or the object's name, cut to the kernel's 63 characters. */
export function podHostname(pod: Pod): string {
  const name = pod.spec?.hostname ?? '';
  const chosen = name === '' ? (pod.metadata?.name ?? '') : name;
  return chosen.slice(0, 63).replace(/[-.]+$/, '');
}

/** The full name that a pod with a subdomain has inside the cluster. */
export function podFullName(pod: Pod, clusterDomain: string): string | undefined {
  const subdomain = pod.spec?.subdomain ?? '';
  if (subdomain === '') return undefined;
  return `${podHostname(pod)}.${subdomain}.${pod.metadata?.namespace ?? ''}.svc.${clusterDomain}`;
}

function dnsConfig(input: SandboxInput): PodSandboxConfig['dnsConfig'] {
  const { pod, clusterDns = [], clusterDomain } = input;
  const own = pod.spec?.dnsConfig;
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst';
  const cluster =
    clusterDns.length > 0 &&
    (policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && pod.spec?.hostNetwork !== true));
  // Without a name service of the cluster's own, the node's resolver is the best there is.
  if (!cluster && policy !== 'None' && own === undefined) return undefined;
  const namespace = pod.metadata?.namespace ?? '';
  const searches = [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  const options = (own?.options ?? []).map(({ name = '', value }) =>
    value === undefined ? name : `${name}:${value}`,
  );
  return {
    servers: [...(cluster ? clusterDns : []), ...(own?.nameservers ?? [])],
    searches: [...(cluster ? searches : []), ...(own?.searches ?? [])],
    options: [...(cluster ? ['ndots:5'] : []), ...options],
  };
}

export function processMode(pod: Pod): NamespaceMode {
  return pod.spec?.shareProcessNamespace === true ? 'POD' : 'CONTAINER';
}
