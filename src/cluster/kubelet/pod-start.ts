/** Making sandboxes and containers from a pod. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorMessage } from '../../base/errors.ts';
import type { Container, Pod } from '../api/generated/core-v1.ts';
import { containerConfig } from './container-config.ts';
import { containerEnvironment } from './container-env.ts';
import type { Waiting } from './container-status.ts';
import type { KubeletContext } from './context.ts';
import { runHook } from './hooks.ts';
import type { PodFacts } from './field-ref.ts';
import { hostsFile } from './hosts-file.ts';
import { configError, ImageWaiting } from './images.ts';
import { currentSandbox, newest, type ObservedContainer, type ObservedPod } from './observed.ts';
import { ignoreGone } from './pod-stop.ts';
import { containerLogPath, podKey, podLogDirectory, podUid, ephemeralContainersOf } from './pod-terms.ts';
import { sandboxConfig } from './sandbox-config.ts';
import { serviceEnvironment } from './service-env.ts';
import { prepareVolumes, type VolumePaths } from './volumes.ts';

/** How a start went: done, or why the container waits and when to try again (milliseconds). */
export type StartResult = 'started' | { readonly waiting: Waiting; readonly retryMs: number };

export function podFacts(context: KubeletContext, pod: Pod, observed: ObservedPod): PodFacts {
  const ips = pod.spec?.hostNetwork === true ? [context.nodeIp] : (observed.sandboxes[0]?.ips ?? []);
  const { nodeName, nodeIp: hostIp, allocatable } = context;
  return { nodeName, hostIp, podIps: ips, allocatable };
}

export async function preparePod(
  context: KubeletContext,
  pod: Pod,
  observed: ObservedPod,
): Promise<VolumePaths> {
  const references = context.references(pod.metadata?.namespace ?? '');
  await mkdir(podLogDirectory(context.podLogsDir, pod), { recursive: true, mode: 0o755 });
  return prepareVolumes(context.folders, {
    pod,
    facts: podFacts(context, pod, observed),
    references,
    token: (wish) => context.tokens.get(pod, wish),
  });
}

export async function createSandbox(context: KubeletContext, pod: Pod, attempt: number): Promise<void> {
  const config = sandboxConfig({ ...context, pod, attempt });
  await context.runtime.runPodSandbox({ config, runtimeHandler: '' });
}

export function terminationLogPath(
  context: KubeletContext,
  uid: string,
  container: { name: string; restartCount: number },
): string {
  return join(
    context.folders.podsDir,
    uid,
    'containers',
    container.name,
    `${container.restartCount}.termination`,
  );
}

export async function startContainer(
  context: KubeletContext,
  start: {
    readonly pod: Pod;
    readonly container: Container;
    readonly observed: ObservedPod;
    readonly volumes: VolumePaths;
  },
): Promise<StartResult> {
  const { pod, container, observed } = start;
  const before = newest(observed, container.name ?? '');
  const delayed = before === undefined ? undefined : backOff(context, { pod, container, before });
  if (delayed !== undefined) return delayed;
  const restartCount = nextRestartCount(pod, container, before);
  const key = crashKey(pod, container);
  try {
    const imageRef = await context.images.ensure(pod, container);
    if (before !== undefined) context.crashes.next(key, endOf(before));
    const id = await create(context, { ...start, imageRef, restartCount });
    context.event(pod, 'Normal', 'Created', `Created container: ${container.name ?? ''}`);
    await run(context, id);
    context.event(pod, 'Normal', 'Started', `Started container ${container.name ?? ''}`);
    await postStart(context, start, id);
    return 'started';
  } catch (error) {
    if (error instanceof ImageWaiting) return error;
    const waiting = error instanceof RuntimeRefusal ? error.waiting : configError(error);
    context.event(pod, 'Warning', 'Failed', `Error: ${waiting.message}`);
    return { waiting, retryMs: 10_000 };
  }
}

/** The runtime would not make or start a container; `waiting` goes to its status. */
class RuntimeRefusal extends Error {
  readonly waiting: Waiting;

  constructor(reason: 'CreateContainerError' | 'RunContainerError' | 'PostStartHookError', cause: unknown) {
    super(errorMessage(cause), { cause });
    this.waiting = { reason, message: errorMessage(cause) };
  }
}

async function run(context: KubeletContext, id: string): Promise<void> {
  try {
    await context.runtime.startContainer({ containerId: id });
  } catch (error) {
    throw new RuntimeRefusal('RunContainerError', error);
  }
}

/** A container whose first duty fails does not live on. */
async function postStart(
  context: KubeletContext,
  {
    pod,
    container,
    observed,
  }: { readonly pod: Pod; readonly container: Container; readonly observed: ObservedPod },
  containerId: string,
): Promise<void> {
  const hook = container.lifecycle?.postStart;
  if (hook === undefined) return;
  const podIp = currentSandbox(observed)?.ips[0] ?? context.nodeIp;
  const outcome = await runHook(context, hook, { target: { containerId, container, podIp }, seconds: 0 });
  if (outcome.success) return;
  context.event(pod, 'Warning', 'FailedPostStartHook', `PostStartHook failed: ${outcome.message}`);
  await context.runtime.stopContainer({ containerId, timeout: 0 });
  throw new RuntimeRefusal('PostStartHookError', new Error(outcome.message));
}

/** Another image or other resources are another try: what failed before says nothing of them. */
function crashKey(pod: Pod, container: Container): string {
  const { name = '', image, resources } = container;
  return `${podUid(pod)}/${name}/${JSON.stringify([image, resources])}`;
}

function endOf(container: ObservedContainer): number {
  return container.finishedAt > 0 ? container.finishedAt : container.createdAt;
}

function backOff(
  context: KubeletContext,
  {
    pod,
    container,
    before,
  }: { readonly pod: Pod; readonly container: Container; readonly before: ObservedContainer },
): StartResult | undefined {
  const key = crashKey(pod, container);
  const retryMs = context.crashes.remaining(key, endOf(before));
  if (retryMs === 0) return undefined;
  const seconds = Math.round(context.crashes.delay(key) / 1000);
  const whose = `${pod.metadata?.name ?? ''}_${pod.metadata?.namespace ?? ''}(${podUid(pod)})`;
  context.event(
    pod,
    'Warning',
    'BackOff',
    `Back-off restarting failed container ${before.name} in pod ${whose}`,
  );
  const message = `back-off ${formatDelay(seconds)} restarting failed container=${before.name} pod=${whose}`;
  return { waiting: { reason: 'CrashLoopBackOff', message }, retryMs };
}

function formatDelay(seconds: number): string {
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** One more than the last; the API's count where the runtime has lost the container. */
function nextRestartCount(pod: Pod, container: Container, before: ObservedContainer | undefined): number {
  if (before !== undefined) return before.restartCount + 1;
  const known = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    ({ name }) => name === container.name,
  );
  const wasMade = known?.containerID !== undefined && known.containerID !== '';
  return wasMade ? (known.restartCount ?? 0) + 1 : (known?.restartCount ?? 0);
}

async function create(
  context: KubeletContext,
  input: {
    readonly pod: Pod;
    readonly container: Container;
    readonly observed: ObservedPod;
    readonly volumes: VolumePaths;
    readonly imageRef: string;
    readonly restartCount: number;
  },
): Promise<string> {
  const { pod, container, observed, restartCount } = input;
  const sandbox = currentSandbox(observed);
  if (sandbox === undefined) throw new Error(`pod ${podKey(pod)} has no sandbox`);
  const namespace = pod.metadata?.namespace ?? '';
  const env = await containerEnvironment({
    pod,
    container,
    facts: podFacts(context, pod, observed),
    references: context.references(namespace),
    serviceEnv: serviceEnvironment(context.services(), {
      namespace,
      enableServiceLinks: pod.spec?.enableServiceLinks ?? true,
    }),
  });
  const { image } = await context.imageService.imageStatus({ image: { image: input.imageRef } });
  const name = container.name ?? '';
  const target = ephemeralContainersOf(pod).find((one) => one.name === name)?.targetContainerName ?? '';
  const targetId = target === '' ? undefined : newest(observed, target)?.id;
  const config = await containerConfig({
    ...input,
    ...(targetId === undefined ? {} : { targetId }),
    env,
    terminationLog: await emptyFile(terminationLogPath(context, podUid(pod), { name, restartCount })),
    hostsFile: await hostsFile(context, pod, sandbox.ips),
    nodeMemoryBytes: context.allocatable.memoryBytes,
    imageUser: {
      ...(image?.uid?.value === undefined ? {} : { uid: image.uid.value }),
      ...(image?.username === undefined ? {} : { name: image.username }),
    },
  });
  await mkdir(join(podLogDirectory(context.podLogsDir, pod), name), { recursive: true, mode: 0o755 });
  const sandboxSettings = sandboxConfig({ ...context, pod, attempt: sandbox.attempt });
  try {
    const request = { podSandboxId: sandbox.id, config, sandboxConfig: sandboxSettings };
    const { containerId = '' } = await context.runtime.createContainer(request);
    return containerId;
  } catch (error) {
    throw new RuntimeRefusal('CreateContainerError', error);
  }
}

async function emptyFile(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  // Whatever user the container runs as may leave its last words.
  await writeFile(path, '', { mode: 0o666 });
  return path;
}

/** Keeps of each container the newest and the one before it; `kubectl logs --previous` needs that one. */
export async function removeOldContainers(
  context: KubeletContext,
  pod: Pod,
  observed: ObservedPod,
): Promise<void> {
  const seen = new Map<string, number>();
  for (const { id, name, state, restartCount } of observed.containers) {
    const rank = seen.get(name) ?? 0;
    seen.set(name, rank + 1);
    if (rank < 2 || state === 'running') continue;
    await ignoreGone(context.runtime.removeContainer({ containerId: id }));
    const log = join(podLogDirectory(context.podLogsDir, pod), containerLogPath(name, restartCount));
    await rm(log, { force: true });
    await rm(terminationLogPath(context, podUid(pod), { name, restartCount }), { force: true });
  }
  for (const [index, sandbox] of observed.sandboxes.entries()) {
    const used = observed.containers.some(({ sandboxId }) => sandboxId === sandbox.id);
    if (index === 0 || sandbox.state === 'ready' || used) continue;
    await ignoreGone(context.runtime.removePodSandbox({ podSandboxId: sandbox.id }));
  }
}
