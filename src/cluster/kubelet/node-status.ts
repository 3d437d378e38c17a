import { freemem, machine, release, totalmem } from 'node:os';
import { readFile, statfs } from 'node:fs/promises';
import { rfc3339 } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { ImageService, RuntimeService } from '../../container/cri/cri.ts';
import type { Node, NodeCondition, NodeStatus, NodeSystemInfo } from '../api/generated/core-v1.ts';

export interface NodeCapacity {
  /** Millicores. */
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly pods: number;
}

/** What is measured of the machine for one heartbeat. */
export interface NodeFacts {
  readonly runtimeReady: { readonly ok: boolean; readonly message: string };
  readonly freeMemoryBytes: number;
  /** Of the file system below the kubelet's folder, 0..1. */
  readonly freeDisk: number;
  readonly systemInfo: NodeSystemInfo;
  readonly images: NonNullable<NodeStatus['images']>;
}

const MIN_FREE_MEMORY = 100 * 1024 * 1024;
/** Nothing is evicted here, so pressure means trouble at the door rather than a policy's margin. */
const MIN_FREE_DISK = 0.02;
const MAX_IMAGES = 50;

/** GOARCH's names, which node labels and node info use. */
export function goArchitecture(machineName: string): string {
  return { x86_64: 'amd64', aarch64: 'arm64' }[machineName] ?? machineName;
}

export async function nodeFacts(
  runtime: RuntimeService,
  images: ImageService,
  rootDir: string,
): Promise<NodeFacts> {
  const disk = await statfs(rootDir).catch(() => undefined);
  return {
    runtimeReady: await runtimeReady(runtime),
    freeMemoryBytes: freemem(),
    freeDisk: disk === undefined || disk.blocks === 0 ? 1 : disk.bavail / disk.blocks,
    systemInfo: await systemInfo(runtime),
    images: await imageList(images),
  };
}

async function runtimeReady(runtime: RuntimeService): Promise<NodeFacts['runtimeReady']> {
  try {
    const { status } = await runtime.status({});
    const broken = (status?.conditions ?? []).filter((condition) => condition.status !== true);
    const message = broken
      .map(({ type, reason, message }) => `${type} not ready: ${reason} ${message}`)
      .join('; ');
    return { ok: broken.length === 0, message };
  } catch (error) {
    return { ok: false, message: `container runtime is down: ${errorMessage(error)}` };
  }
}

async function systemInfo(runtime: RuntimeService): Promise<NodeSystemInfo> {
  const read = async (path: string): Promise<string> => (await readFile(path, 'utf8').catch(() => '')).trim();
  const version = await runtime.version({}).catch(() => undefined);
  const machineId = await read('/etc/machine-id');
  const osRelease = await read('/etc/os-release');
  return {
    machineID: machineId,
    systemUUID: machineId,
    bootID: await read('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    containerRuntimeVersion: `${version?.runtimeName ?? 'unknown'}://${version?.runtimeVersion ?? 'unknown'}`,
    kubeletVersion: 'v1.36.0',
    kubeProxyVersion: '',
    operatingSystem: 'linux',
    architecture: goArchitecture(machine()),
  };
}

async function imageList(images: ImageService): Promise<NonNullable<NodeStatus['images']>> {
  const { images: list = [] } = await images.listImages({}).catch(() => ({ images: [] }));
  return list
    .map(({ repoTags = [], repoDigests = [], size = 0 }) => ({
      names: [...repoDigests, ...repoTags],
      sizeBytes: size,
    }))
    .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
    .slice(0, MAX_IMAGES);
}

/** Labels that every node has. */
export function nodeLabels(nodeName: string): Record<string, string> {
  const arch = goArchitecture(machine());
  return {
    'kubernetes.io/hostname': nodeName,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': arch,
    'beta.kubernetes.io/os': 'linux',
    'beta.kubernetes.io/arch': arch,
  };
}

/** The node's status as of now; transition times are carried over from `previous`. */
export function nodeStatus(
  facts: NodeFacts,
  given: {
    nodeName: string;
    nodeIp: string;
    capacity: NodeCapacity;
    now: number;
    previous: Node | undefined;
  },
): NodeStatus {
  const { capacity, now } = given;
  const resources = {
    cpu: capacity.cpu % 1000 === 0 ? String(capacity.cpu / 1000) : `${capacity.cpu}m`,
    memory: `${Math.floor(capacity.memoryBytes / 1024)}Ki`,
    pods: String(capacity.pods),
  };
  const lowMemory = facts.freeMemoryBytes < Math.min(MIN_FREE_MEMORY, totalmem() / 20);
  const lowDisk = facts.freeDisk < MIN_FREE_DISK;
  const before = given.previous?.status?.conditions ?? [];
  const judge = (type: string, bad: boolean, what: string): NodeCondition =>
    stamp(before, now, {
      type,
      status: bad ? 'True' : 'False',
      reason: `Kubelet${bad ? 'Has' : what === 'Disk' ? 'HasNo' : 'HasSufficient'}${bad || what === 'Disk' ? type : what}`,
      message: `kubelet has ${bad ? 'insufficient' : 'sufficient'} ${what} available`,
    });
  const { ok, message } = facts.runtimeReady;
  return {
    addresses: [
      { type: 'InternalIP', address: given.nodeIp },
      { type: 'Hostname', address: given.nodeName },
    ],
    capacity: resources,
    allocatable: resources,
    nodeInfo: facts.systemInfo,
    images: facts.images,
    conditions: [
      judge('MemoryPressure', lowMemory, 'Memory'),
      judge('DiskPressure', lowDisk, 'Disk'),
      judge('PIDPressure', false, 'PID'),
      stamp(before, now, {
        type: 'Ready',
        status: ok ? 'True' : 'False',
        reason: ok ? 'KubeletReady' : 'KubeletNotReady',
        message: ok ? 'kubelet is posting ready status' : message,
      }),
    ],
  };
}

function stamp(before: readonly NodeCondition[], now: number, condition: NodeCondition): NodeCondition {
  const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
  return {
    ...condition,
    lastHeartbeatTime: rfc3339(now),
    lastTransitionTime: same?.lastTransitionTime ?? rfc3339(now),
  };
}
