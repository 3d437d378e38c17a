import type * as v1 from '../cri/generated/types.ts';
import type { ImageRecord } from '../image/image-store.ts';
import type { ContainerUsage } from '../runtime/runtime.ts';
import type { ContainerRecord, SandboxRecord } from './records.ts';

/** Records in the words of CRI. Its times are nanoseconds, of which a number keeps the first sixteen digits. */
const NANOSECONDS = 1_000_000;

const CONTAINER_STATES: Readonly<Record<ContainerRecord['phase'], v1.ContainerState>> = {
  creating: 'CONTAINER_UNKNOWN',
  created: 'CONTAINER_CREATED',
  running: 'CONTAINER_RUNNING',
  exited: 'CONTAINER_EXITED',
  removing: 'CONTAINER_EXITED',
};

export function sandboxState(record: SandboxRecord): v1.PodSandboxState {
  return record.phase === 'ready' ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY';
}

export function sandboxItem(record: SandboxRecord): v1.PodSandbox {
  const { metadata, labels = {}, annotations = {} } = record.config;
  return {
    id: record.id,
    metadata,
    state: sandboxState(record),
    createdAt: record.createdAt * NANOSECONDS,
    labels,
    annotations,
    runtimeHandler: record.runtimeHandler,
  };
}

export function sandboxStatus(record: SandboxRecord): v1.PodSandboxStatus {
  const [ip = '', ...others] = record.ips;
  const options = record.config.linux?.securityContext?.namespaceOptions;
  return {
    ...sandboxItem(record),
    network: { ip, additionalIps: others.map((address) => ({ ip: address })) },
    linux: { namespaces: { options: options ?? {} } },
  };
}

export function containerState(record: ContainerRecord): v1.ContainerState {
  return CONTAINER_STATES[record.phase];
}

export function containerItem(record: ContainerRecord): v1.Container {
  const { metadata, image, labels = {}, annotations = {} } = record.config;
  return {
    id: record.id,
    podSandboxId: record.sandboxId,
    metadata,
    image: { ...image },
    imageRef: imageRefOf(record.image),
    imageId: record.image.id,
    state: containerState(record),
    createdAt: record.createdAt * NANOSECONDS,
    labels,
    annotations,
  };
}

export function containerStatus(record: ContainerRecord): v1.ContainerStatus {
  const { config } = record;
  const { podSandboxId: _sandbox, image: _image, ...item } = containerItem(record);
  const resources = config.linux?.resources;
  return {
    ...item,
    image: { ...config.image, image: record.image.reference },
    startedAt: record.startedAt * NANOSECONDS,
    finishedAt: record.finishedAt * NANOSECONDS,
    exitCode: record.exitCode,
    reason: record.reason,
    message: record.message,
    mounts: config.mounts ?? [],
    logPath: record.logPath,
    ...(resources === undefined ? {} : { resources: { linux: resources } }),
  };
}

/** @param now milliseconds since the epoch */
export function containerStats(
  record: ContainerRecord,
  usage: ContainerUsage,
  now: number,
): v1.ContainerStats {
  const { metadata, labels = {}, annotations = {} } = record.config;
  const timestamp = now * NANOSECONDS;
  return {
    attributes: { id: record.id, metadata, labels, annotations },
    cpu: { timestamp, usageCoreNanoSeconds: { value: usage.cpuNanos } },
    memory: {
      timestamp,
      workingSetBytes: { value: usage.workingSetBytes },
      usageBytes: { value: usage.memoryBytes },
    },
  };
}

export function imageItem(records: readonly ImageRecord[]): v1.Image {
  const [first] = records;
  const [user = ''] = (first!.config.config?.User ?? '').split(':');
  const isNumber = /^\d+$/.test(user);
  return {
    id: first!.configDigest,
    repoTags: records
      .map(({ reference }) => reference)
      .filter((reference) => !reference.startsWith('sha256:')),
    repoDigests: [...new Set(records.map(({ reference, digest }) => imageRefOf({ reference, digest })))],
    size: first!.size,
    ...(isNumber ? { uid: { value: Number(user) } } : { username: user }),
    spec: { image: first!.reference },
  };
}

/** `repository@digest`: the name that stays true when the tag moves on. */
export function imageRefOf({
  reference,
  digest,
}: {
  readonly reference: string;
  readonly digest: string;
}): string {
  if (reference.startsWith('sha256:')) return reference;
  return `${reference.slice(0, reference.lastIndexOf(':'))}@${digest}`;
}
