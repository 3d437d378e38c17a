import { createHash } from 'node:crypto';
import { PlatformError } from '../../base/errors.ts';
import type {
  ContainerConfig,
  LinuxContainerSecurityContext,
  Mount,
  NamespaceMode,
} from '../../container/cri/generated/types.ts';
import type { Container, Pod, VolumeMount } from '../api/generated/core-v1.ts';
import { expand } from './expansion.ts';
import { containerLogPath, podUid } from './pod-terms.ts';
import { linuxResources } from './resources.ts';
import { ANNOTATIONS, LABELS, processMode } from './sandbox-config.ts';
import { resolveSubPath, type VolumePaths } from './volumes.ts';

export interface ContainerInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly restartCount: number;
  /** The container whose processes it is to see. */
  readonly targetId?: string;
  /** The runtime's name of the image. */
  readonly imageRef: string;
  readonly env: ReadonlyMap<string, string>;
  readonly volumes: VolumePaths;
  /** The file behind the termination message path, and the pod's hosts file. */
  readonly terminationLog: string;
  readonly hostsFile: string;
  readonly nodeMemoryBytes: number;
  /** The user that the image names, for runAsNonRoot: a number, or a name, or nothing (root). */
  readonly imageUser: { readonly uid?: number; readonly name?: string };
}

const TERMINATION_LOG = '/dev/termination-log';
const HOSTS = '/etc/hosts';

/** Identifies what cannot change under a running container: its name and image, as upstream's hash since 1.32. */
export function containerHash(container: Container): string {
  const text = JSON.stringify([container.name, container.image]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** What the runtime is told of one container. `invalid` becomes the waiting reason CreateContainerConfigError. */
export async function containerConfig(input: ContainerInput): Promise<ContainerConfig> {
  const { pod, container, restartCount, env } = input;
  const { name = '', image = '' } = container;
  const lookup = (key: string): string | undefined => env.get(key);
  return {
    metadata: { name, attempt: restartCount },
    image: { image: input.imageRef, userSpecifiedImage: image },
    command: (container.command ?? []).map((word) => expand(word, lookup)),
    args: (container.args ?? []).map((word) => expand(word, lookup)),
    workingDir: container.workingDir ?? '',
    envs: [...env].map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: await mounts(input),
    labels: {
      [LABELS.podName]: pod.metadata?.name ?? '',
      [LABELS.podNamespace]: pod.metadata?.namespace ?? '',
      [LABELS.podUid]: podUid(pod),
      [LABELS.containerName]: name,
    },
    annotations: {
      [ANNOTATIONS.hash]: containerHash(container),
      [ANNOTATIONS.restartCount]: String(restartCount),
      [ANNOTATIONS.messagePath]: container.terminationMessagePath ?? TERMINATION_LOG,
      [ANNOTATIONS.messagePolicy]: container.terminationMessagePolicy ?? 'File',
      [ANNOTATIONS.resources]: JSON.stringify(container.resources ?? {}),
      [ANNOTATIONS.gracePeriod]: String(pod.spec?.terminationGracePeriodSeconds ?? 30),
    },
    logPath: containerLogPath(name, restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: linuxResources(pod, container, input.nodeMemoryBytes),
      securityContext: securityContext(input),
    },
  };
}

async function mounts(input: ContainerInput): Promise<Mount[]> {
  const { container, volumes } = input;
  const result: Mount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const volume = volumes.get(mount.name ?? '');
    if (volume === undefined)
      throw new PlatformError('invalid', `volume "${mount.name ?? ''}" is not mounted`);
    const hostPath = await subPath(mount, volume, input.env);
    result.push({
      containerPath: absolute(mount.mountPath ?? ''),
      hostPath,
      readonly: readOnly(mount, input.pod),
    });
  }
  const taken = (path: string): boolean => result.some(({ containerPath }) => containerPath === path);
  if (!taken(HOSTS)) result.push({ containerPath: HOSTS, hostPath: input.hostsFile, readonly: false });
  const messagePath = container.terminationMessagePath ?? TERMINATION_LOG;
  if (!taken(messagePath)) {
    result.push({ containerPath: messagePath, hostPath: input.terminationLog, readonly: false });
  }
  return result;
}

/** configMap, secret, downwardAPI and projected volumes are always read-only (since Kubernetes 1.9.6). */
function readOnly(mount: VolumeMount, pod: Pod): boolean {
  if (mount.readOnly === true) return true;
  const volume = pod.spec?.volumes?.find(({ name }) => name === mount.name);
  return (volume?.configMap ?? volume?.secret ?? volume?.downwardAPI ?? volume?.projected) !== undefined;
}

async function subPath(
  mount: VolumeMount,
  volume: string,
  env: ReadonlyMap<string, string>,
): Promise<string> {
  const expression = mount.subPathExpr ?? '';
  if (expression === '')
    return (mount.subPath ?? '') === '' ? volume : resolveSubPath(volume, mount.subPath!);
  const expanded = expand(expression, (name) => {
    const value = env.get(name);
    if (value === undefined)
      throw new PlatformError('invalid', `subPathExpr "${expression}": missing value for "${name}"`);
    return value;
  });
  return resolveSubPath(volume, expanded);
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

function securityContext(input: ContainerInput): LinuxContainerSecurityContext {
  const { pod, container } = input;
  const own = container.securityContext;
  const ofPod = pod.spec?.securityContext;
  const runAsUser = own?.runAsUser ?? ofPod?.runAsUser;
  const runAsGroup = own?.runAsGroup ?? ofPod?.runAsGroup;
  if (own?.runAsNonRoot ?? ofPod?.runAsNonRoot) refuseRoot(runAsUser, input);
  const privileged = own?.privileged ?? false;
  const mode = (host: boolean | undefined): NamespaceMode => (host === true ? 'NODE' : 'POD');
  return {
    privileged,
    readonlyRootfs: own?.readOnlyRootFilesystem ?? false,
    // Only an explicit false sets the kernel's no_new_privs (KEP-213).
    noNewPrivs: own?.allowPrivilegeEscalation === false,
    capabilities: {
      addCapabilities: [...(own?.capabilities?.add ?? [])],
      dropCapabilities: [...(own?.capabilities?.drop ?? [])],
    },
    namespaceOptions: {
      network: mode(pod.spec?.hostNetwork),
      ...(input.targetId === undefined
        ? { pid: pod.spec?.hostPID === true ? 'NODE' : processMode(pod) }
        : { pid: 'TARGET', targetId: input.targetId }),
      ipc: mode(pod.spec?.hostIPC),
    },
    ...(runAsUser === undefined ? {} : { runAsUser: { value: runAsUser } }),
    ...(runAsGroup === undefined ? {} : { runAsGroup: { value: runAsGroup } }),
    supplementalGroups: [
      ...(ofPod?.supplementalGroups ?? []),
      ...(ofPod?.fsGroup === undefined ? [] : [ofPod.fsGroup]),
    ],
  };
}

function refuseRoot(runAsUser: number | undefined, { container, imageUser }: ContainerInput): void {
  const name = container.name ?? '';
  if (runAsUser === 0) {
    throw new PlatformError('invalid', `container's runAsUser breaks non-root policy (container: ${name})`);
  }
  if (runAsUser !== undefined) return;
  if (imageUser.name !== undefined && imageUser.name !== '') {
    throw new PlatformError(
      'invalid',
      `container has runAsNonRoot and image has non-numeric user (${imageUser.name}), cannot verify user is non-root (container: ${name})`,
    );
  }
  if ((imageUser.uid ?? 0) === 0) {
    throw new PlatformError(
      'invalid',
      `container has runAsNonRoot and image will run as root (container: ${name})`,
    );
  }
}
