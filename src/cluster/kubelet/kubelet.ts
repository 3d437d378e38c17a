import { sleep, type Clock } from '../../base/clock.ts';
import { errorMessage, isPlatformError, PlatformError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { ImageService, RuntimeService } from '../../container/cri/cri.ts';
import type { ContainerEventResponse } from '../../container/cri/generated/types.ts';
import type { Pod, Service } from '../api/generated/core-v1.ts';
import type { Transport } from '../api/transport.ts';
import type {
  ApiObject,
  Client,
  Controller,
  Informer,
  InformerFactory,
  ResourceType,
} from '../client/contract.ts';
import { configMaps, pods, secrets, services } from '../client/kinds.ts';
import { AccountTokens } from './account-tokens.ts';
import { Allocations } from './allocations.ts';
import type { PodReferences } from './container-env.ts';
import type { KubeletContext } from './context.ts';
import { Images } from './images.ts';
import { NodeAgent } from './node-agent.ts';
import type { NodeCapacity } from './node-status.ts';
import { podLogs, type PodLogOptions } from './pod-logs.ts';
import { PodQueue, type Next } from './pod-queue.ts';
import { PodSync, type PodIdentity } from './pod-sync.ts';
import { podUid } from './pod-terms.ts';
import { kubeletApi } from './server/kubelet-api.ts';
import { runProbe, type ProbeTools } from './probe.ts';
import { Probes } from './probes.ts';
import { RestartBackoff } from './restart-backoff.ts';
import { RuntimeView, type PodMark } from './runtime-view.ts';
import { LABELS } from './sandbox-config.ts';
import { StatusWriter } from './status-writer.ts';
import { podFolders, type VolumeFolders } from './volumes.ts';

/** Where events about objects go; the client room's event recorder is one. */
export interface EventSink {
  event(object: ApiObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface KubeletOptions {
  readonly nodeName: string;
  /** IPv4. */
  readonly nodeIp: string;
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  readonly podLogsDir: string;
  /** The kubelet's own folder: `pods/<uid>/…` below it. */
  readonly rootDir: string;
  /** A folder on a tmpfs, for emptyDir volumes of medium Memory; without it such pods wait with an event. */
  readonly memoryDir?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly events: EventSink;
  readonly capacity: NodeCapacity;
  /** Addresses of the cluster's name service; none: pods use the node's resolver. */
  readonly clusterDns?: readonly string[];
  readonly clusterDomain?: string;
}

export interface Kubelet extends Controller {
  /**
   * The log of a container of a pod on this node, for the API server's `pods/log`. Throws before the first byte:
   * `not-found` when the pod is not here, `invalid` when the container is not.
   */
  logs(namespace: string, pod: string, options?: PodLogOptions): AsyncIterable<Uint8Array>;
  /** Its own HTTP API: logs, exec, attach, port-forward, and what it says of itself (server/kubelet-api.ts). */
  readonly api: Transport;
}

/** Everything the runtime has is listed this often, in case an event was missed; more often while there are no events. */
const RELIST_MS = 10_000;
const RELIST_WITHOUT_EVENTS_MS = 1000;
/** Volumes that show API objects are brought up to date this often. */
const RESYNC_MS = 60_000;

export function createKubelet(options: KubeletOptions): Kubelet {
  return new NodeKubelet(options);
}

class NodeKubelet implements Kubelet {
  readonly name = 'kubelet';
  readonly #options: KubeletOptions;
  readonly #log: Logger;
  readonly #pods: Informer<Pod>;
  readonly #services: Informer<Service>;
  readonly #context: KubeletContext;
  readonly #sync: PodSync;
  readonly #queue: PodQueue;
  /** Pods that are on the runtime, as of the last list. By uid. */
  #marks: ReadonlyMap<string, PodMark> = new Map();
  readonly #watchers = new Map<string, Set<() => void>>();
  #eventsFlow = false;
  readonly api: Transport;

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.#log = options.log.child('kubelet');
    const { informers, clock, nodeName } = options;
    this.#pods = informers.informer(pods, {
      fieldSelector: `spec.nodeName=${nodeName}`,
      indexes: { uid: (pod) => [podUid(pod)] },
    });
    this.#services = informers.informer(services);
    this.#context = this.#makeContext();
    this.#sync = new PodSync(this.#context, options.client);
    this.#queue = new PodQueue({ clock, log: this.#log, work: (uid) => this.#work(uid) });
    this.api = kubeletApi({
      nodeName,
      clock,
      runtime: options.runtime,
      maxPods: options.capacity.pods,
      clusterDomain: this.#context.clusterDomain,
      clusterDns: options.clusterDns ?? [],
      pods: () => this.#pods.list().map((pod) => this.#context.statuses.latest(pod)),
      pod: (namespace, name) => this.#pods.get(`${namespace}/${name}`),
      observed: (uid) => this.#sync.observed(uid),
      logs: (namespace, name, more) => this.logs(namespace, name, more),
    });
  }

  logs(namespace: string, pod: string, options: PodLogOptions = {}): AsyncIterable<Uint8Array> {
    const found = this.#pods.get(`${namespace}/${pod}`);
    if (found === undefined)
      throw new PlatformError(
        'not-found',
        `pod ${namespace}/${pod} is not on node ${this.#options.nodeName}`,
      );
    const uid = podUid(found);
    return podLogs(this.#context.statuses.latest(found), options, {
      podLogsDir: this.#options.podLogsDir,
      now: () => this.#options.clock.now(),
      observed: () => this.#sync.observed(uid),
      onChange: (callback) => this.#watch(uid, callback),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await using stack = new AsyncDisposableStack();
    stack.use(this.#context.statuses);
    stack.use(this.#context.probes);
    stack.use(this.#queue);
    const agent = new NodeAgent({ ...this.#options, log: this.#log });
    const registered = agent.run(signal);
    try {
      await Promise.all([this.#pods.synced(signal), this.#services.synced(signal)]);
    } catch (error) {
      await registered;
      if (signal.aborted) return;
      throw error;
    }
    stack.use(
      this.#pods.addHandler({
        added: (pod) => this.#changed(pod),
        updated: (pod) => this.#changed(pod),
        deleted: (pod) => this.#changed(pod),
      }),
    );
    await Promise.all([
      registered,
      this.#followEvents(signal),
      this.#relistLoop(signal),
      this.#resyncLoop(signal),
    ]);
  }

  #makeContext(): KubeletContext {
    const options = this.#options;
    const { clock, client, runtime, random, capacity, rootDir, memoryDir } = options;
    const event: KubeletContext['event'] = (pod, type, reason, message) =>
      options.events.event({ apiVersion: 'v1', kind: 'Pod', ...pod }, type, reason, message);
    const folders: VolumeFolders = {
      podsDir: `${rootDir}/pods`,
      random,
      ...(memoryDir === undefined ? {} : { memoryDir }),
    };
    const tools = probeTools(clock, runtime);
    return {
      nodeName: options.nodeName,
      nodeIp: options.nodeIp,
      runtime,
      imageService: options.images,
      podLogsDir: options.podLogsDir,
      clusterDomain: options.clusterDomain ?? 'cluster.local',
      ...(options.clusterDns === undefined ? {} : { clusterDns: options.clusterDns }),
      clock,
      random,
      log: this.#log,
      event,
      view: new RuntimeView(runtime),
      images: new Images({ service: options.images, clock, event }),
      probes: new Probes({ clock, run: runProbe, tools, changed: (uid) => this.#queue.wake(uid), event }),
      statuses: new StatusWriter({ client, clock, log: this.#log }),
      crashes: new RestartBackoff(clock),
      folders,
      tokens: new AccountTokens({ client, clock, log: this.#log }),
      allocations: new Allocations(folders.podsDir),
      allocatable: capacity,
      references: (namespace) => references(client, namespace),
      services: () => this.#services.list(),
      podsHere: () => this.#pods.list(),
      wake: (uid) => this.#queue.wake(uid),
    };
  }

  #changed(pod: Pod): void {
    this.#sync.noticed(pod);
    this.#queue.wake(podUid(pod));
  }

  async #work(uid: string): Promise<Next> {
    const [pod] = this.#pods.byIndex('uid', uid);
    let next: Next;
    if (pod !== undefined) next = await this.#sync.sync(pod);
    else await this.#removeOrphan(uid);
    for (const notify of this.#watchers.get(uid) ?? []) notify();
    return next;
  }

  async #removeOrphan(uid: string): Promise<void> {
    const mark = this.#marks.get(uid) ?? this.#sync.observed(uid);
    const identity: PodIdentity = { uid, name: mark?.name ?? '', namespace: mark?.namespace ?? '' };
    await this.#sync.remove(identity);
  }

  #watch(uid: string, callback: () => void): Disposable {
    const set = this.#watchers.get(uid) ?? new Set();
    this.#watchers.set(uid, set);
    set.add(callback);
    return {
      [Symbol.dispose]: () => {
        set.delete(callback);
        if (set.size === 0) this.#watchers.delete(uid);
      },
    };
  }

  /** The runtime's events wake the pods that they are about. */
  async #followEvents(signal: AbortSignal): Promise<void> {
    const { runtime, clock } = this.#options;
    while (!signal.aborted) {
      try {
        this.#eventsFlow = true;
        await runtime.getContainerEvents({}, (event) => this.#onRuntimeEvent(event), signal);
      } catch (error) {
        if (!signal.aborted) this.#log.warn('runtime events ended', { error: errorMessage(error) });
      }
      this.#eventsFlow = false;
      await sleep(clock, RELIST_WITHOUT_EVENTS_MS, signal).catch(() => {});
    }
  }

  #onRuntimeEvent(event: ContainerEventResponse): void {
    const uid =
      event.podSandboxStatus?.metadata?.uid ?? event.containersStatuses?.[0]?.labels?.[LABELS.podUid];
    if (uid !== undefined && uid !== '') this.#queue.wake(uid);
    else
      void this.#relist().catch((error: unknown) =>
        this.#log.warn('relist failed', { error: errorMessage(error) }),
      );
  }

  async #relistLoop(signal: AbortSignal): Promise<void> {
    let first = true;
    while (!signal.aborted) {
      try {
        await this.#relist();
        if (first) await this.#sweep();
        first = false;
      } catch (error) {
        this.#log.warn('relist failed', { error: errorMessage(error) });
      }
      const wait = this.#eventsFlow && !first ? RELIST_MS : RELIST_WITHOUT_EVENTS_MS;
      await sleep(this.#options.clock, wait, signal).catch(() => {});
    }
  }

  /** Wakes every pod whose containers changed since the last list; pods that the API has forgotten are among them. */
  async #relist(): Promise<void> {
    const before = this.#marks;
    const now = await this.#context.view.marks();
    this.#marks = now;
    for (const [uid, { mark }] of now) {
      const orphan = this.#pods.byIndex('uid', uid).length === 0;
      if (orphan || before.get(uid)?.mark !== mark) this.#queue.wake(uid);
    }
    for (const uid of before.keys()) if (!now.has(uid)) this.#queue.wake(uid);
  }

  /** Folders of pods that nobody knows any more: a kill -9 came between the last container and the last file. */
  async #sweep(): Promise<void> {
    for (const uid of await podFolders(this.#context.folders)) {
      if (this.#pods.byIndex('uid', uid).length === 0) this.#queue.wake(uid);
    }
  }

  async #resyncLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#options.clock, RESYNC_MS, signal).catch(() => {});
      if (!signal.aborted) for (const pod of this.#pods.list()) this.#queue.wake(podUid(pod));
    }
  }
}

function probeTools(clock: Clock, runtime: RuntimeService): ProbeTools {
  const execSync = runtime.execSync?.bind(runtime);
  if (execSync === undefined) return { clock };
  return {
    clock,
    exec: async (containerId, cmd, timeout) => {
      const answer = await execSync({ containerId, cmd: [...cmd], timeout });
      const output = Buffer.concat([
        answer.stdout ?? Buffer.alloc(0),
        answer.stderr ?? Buffer.alloc(0),
      ]).toString('utf8');
      return { exitCode: answer.exitCode ?? 0, output };
    },
  };
}

function references(client: Client, namespace: string): PodReferences {
  const find = async <T extends ApiObject>(type: ResourceType<T>, name: string): Promise<T | undefined> => {
    try {
      return await client.get(type, { name, namespace });
    } catch (error) {
      if (isPlatformError(error, 'not-found')) return undefined;
      throw error;
    }
  };
  return { configMap: (name) => find(configMaps, name), secret: (name) => find(secrets, name) };
}
