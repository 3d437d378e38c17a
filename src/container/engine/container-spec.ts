import { hostname as hostHostname } from 'node:os';
import { isAbsolute } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import type * as v1 from '../cri/generated/types.ts';
import type { BindMount, ContainerSpec, ProcessSpec, Resources } from '../runtime/runtime.ts';
import type { ImageConfig } from '../spec/image.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import type { SandboxRecord } from './records.ts';

/** On every runtime container of an engine, with its kind as value. */
export const KIND_LABEL = 'sampan.io/kind';

export interface ContainerSpecInput {
  readonly id: string;
  readonly sandbox: SandboxRecord;
  /** Host pid of the sandbox's infra process. */
  readonly sandboxPid: number;
  readonly config: v1.ContainerConfig;
  /** The PID namespace of the container that `namespaceOptions.targetId` names. */
  readonly targetPid?: { readonly path: string; readonly inode: number };
  readonly image: ImageConfig;
  readonly root: Snapshot;
  readonly logPath: string;
  /** /etc files of the sandbox, by destination. */
  readonly etcFiles: readonly BindMount[];
}

/** A sandbox is a container without a process: its init holds the namespaces that the pod's containers join. */
export function sandboxSpec(sandbox: SandboxRecord): ContainerSpec {
  const resources = runtimeResources(sandbox.config.linux?.overhead);
  return {
    id: sandbox.id,
    // A sandbox has no files of its own.
    root: { key: sandbox.id, lowerDirs: [], upperDir: '', workDir: '' },
    hostname: sandboxHostname(sandbox.config),
    cgroup: `${podCgroup(sandbox)}/sandbox-${sandbox.id.slice(0, 12)}`,
    hostNetwork: usesHostNetwork(sandbox.config),
    ...(resources === undefined ? {} : { resources }),
    stdio: { type: 'inherit' },
    labels: { [KIND_LABEL]: 'sandbox' },
  };
}

/** Merges what the image says with what CRI asks for; CRI wins. Throws `invalid` naming the field. */
export function containerSpec(input: ContainerSpecInput): ContainerSpec {
  const { id, sandbox, config } = input;
  const security = config.linux?.securityContext ?? {};
  const resources = runtimeResources(config.linux?.resources);
  const hostNetwork = usesHostNetwork(sandbox.config);
  return {
    id,
    root: input.root,
    readonlyRoot: security.readonlyRootfs === true,
    hostname: sandboxHostname(sandbox.config),
    process: processSpec(input),
    mounts: mountsOf(input),
    join: joinOf(input),
    hostNetwork,
    cgroup: `${podCgroup(sandbox)}/${id}`,
    ...(resources === undefined ? {} : { resources }),
    privileged: security.privileged === true,
    capabilities: {
      add: security.capabilities?.addCapabilities ?? [],
      drop: security.capabilities?.dropCapabilities ?? [],
    },
    noNewPrivileges: security.noNewPrivs === true,
    stdio: {
      type: 'cri-log',
      path: input.logPath === '' ? '/dev/null' : input.logPath,
      ...(config.tty === true && { terminal: true }),
      ...(config.stdin === true && { input: config.stdinOnce === true ? 'once' : 'keep' }),
    },
    labels: { [KIND_LABEL]: 'container' },
  };
}

export function usesHostNetwork(config: v1.PodSandboxConfig): boolean {
  return config.linux?.securityContext?.namespaceOptions?.network === 'NODE';
}

export function sandboxHostname(config: v1.PodSandboxConfig): string {
  const asked = config.hostname ?? '';
  return asked === '' || usesHostNetwork(config) ? hostHostname() : asked;
}

/** All of a pod lies below one cgroup, so that a pod can be limited and measured as a whole. */
function podCgroup(sandbox: SandboxRecord): string {
  const uid = sandbox.config.metadata?.uid ?? '';
  return /^[\w-]+$/.test(uid) ? `pod${uid}` : `pod${sandbox.id}`;
}

function processSpec({ config, image, sandbox }: ContainerSpecInput): ProcessSpec {
  const defaults = image.config ?? {};
  const command = config.command ?? [];
  const args = config.args ?? [];
  // As Docker and Kubernetes: a new command makes the image's arguments meaningless.
  const entrypoint = command.length > 0 ? command : (defaults.Entrypoint ?? []);
  const rest = args.length > 0 || command.length > 0 ? args : (defaults.Cmd ?? []);
  const all = [...entrypoint, ...rest];
  if (all.length === 0)
    throw new PlatformError('invalid', 'no command: neither the container nor its image has one');
  const cwd = [config.workingDir, defaults.WorkingDir].find((dir) => dir !== undefined && dir !== '') ?? '/';
  const security = config.linux?.securityContext ?? {};
  const oomScoreAdj = config.linux?.resources?.oomScoreAdj;
  return {
    args: all,
    env: environment(
      [...(config.tty === true ? ['TERM=xterm'] : []), ...(defaults.Env ?? [])],
      config.envs ?? [],
      sandboxHostname(sandbox.config),
    ),
    cwd,
    user: userOf(security, defaults.User ?? ''),
    additionalGids: security.supplementalGroups ?? [],
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
  };
}

/** Later values win; each name keeps the place where it was first given. */
function environment(image: readonly string[], asked: readonly v1.KeyValue[], hostname: string): string[] {
  const env = new Map<string, string>([['HOSTNAME', hostname]]);
  for (const entry of image) {
    const equals = entry.indexOf('=');
    if (equals > 0) env.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  for (const { key = '', value } of asked) env.set(key, Buffer.from(value ?? []).toString('utf8'));
  return [...env].map(([name, value]) => `${name}=${value}`);
}

function userOf(security: v1.LinuxContainerSecurityContext, imageUser: string): string {
  const [name = '', imageGroup = ''] = imageUser.split(':');
  const asked =
    security.runAsUser === undefined ? (security.runAsUsername ?? '') : String(security.runAsUser.value ?? 0);
  const group = security.runAsGroup === undefined ? undefined : String(security.runAsGroup.value ?? 0);
  if (asked !== '') return group === undefined ? asked : `${asked}:${group}`;
  if (group !== undefined) return `${name === '' ? '0' : name}:${group}`;
  return imageGroup === '' ? name : `${name}:${imageGroup}`;
}

function mountsOf({ config, etcFiles }: ContainerSpecInput): BindMount[] {
  const asked = (config.mounts ?? []).map((mount): BindMount => {
    const { containerPath = '', hostPath = '' } = mount;
    if (mount.image !== undefined)
      throw new PlatformError('unsupported', `mounts: an image at ${containerPath}`);
    for (const [field, path] of [
      ['containerPath', containerPath],
      ['hostPath', hostPath],
    ] as const) {
      if (!isAbsolute(path))
        throw new PlatformError('invalid', `mounts.${field} "${path}": want an absolute path`);
    }
    return { source: hostPath, destination: containerPath, readonly: mount.readonly === true };
  });
  const taken = new Set(asked.map(({ destination }) => destination));
  return [...etcFiles.filter(({ destination }) => !taken.has(destination)), ...asked];
}

type Joins = NonNullable<ContainerSpec['join']>;

function joinOf({ sandbox, sandboxPid, config, targetPid }: ContainerSpecInput): Joins {
  const options = config.linux?.securityContext?.namespaceOptions ?? {};
  const ofSandbox = (kind: string): { path: string; inode: number } => {
    const inode = sandbox.namespaces[kind];
    if (inode === undefined)
      throw new PlatformError('internal', `sandbox ${sandbox.id} has no ${kind} namespace on record`);
    return { path: `/proc/${sandboxPid}/ns/${kind}`, inode };
  };
  // proto3: what is not said is the first value.
  const pid = options.pid ?? 'POD';
  if (pid === 'NODE') {
    throw new PlatformError('unsupported', `namespaceOptions.pid: ${pid} is not supported by this runtime`);
  }
  if (options.ipc === 'NODE') {
    throw new PlatformError('unsupported', 'namespaceOptions.ipc: NODE is not supported by this runtime');
  }
  return {
    ...(usesHostNetwork(sandbox.config) ? {} : { net: ofSandbox('net') }),
    ipc: ofSandbox('ipc'),
    uts: ofSandbox('uts'),
    ...(pid === 'POD' ? { pid: ofSandbox('pid') } : {}),
    ...(pid === 'TARGET' && targetPid !== undefined ? { pid: targetPid } : {}),
  };
}

export function runtimeResources(resources: v1.LinuxContainerResources | undefined): Resources | undefined {
  if (resources === undefined) return undefined;
  const { cpuPeriod = 0, cpuQuota = 0, cpuShares = 0, memoryLimitInBytes = 0 } = resources;
  return {
    ...(cpuQuota > 0 ? { cpuQuota, cpuPeriod: cpuPeriod > 0 ? cpuPeriod : 100_000 } : {}),
    ...(cpuShares > 0 ? { cpuShares } : {}),
    ...(memoryLimitInBytes > 0 ? { memoryLimit: memoryLimitInBytes } : {}),
  };
}
