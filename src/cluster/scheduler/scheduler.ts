import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { Controller, Informer } from '../client/contract.ts';
import { nodes, pods } from '../client/kinds.ts';
import { CellState } from './cell-state.ts';
import { defaultProfile } from './default-profile.ts';
import type { SchedulerEnvironment } from './environment.ts';
import type { Profile } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import { podInfoOf, type PodInfo } from './pod-info.ts';
import { PodReporter } from './pod-reporter.ts';
import { anyConsents, chooseNode, fitsOn } from './scheduling-cycle.ts';
import { SchedulingQueue, type QueuedPod } from './scheduling-queue.ts';

const SCHEDULER_NAME = 'default-scheduler';
/** Bindings in flight; more would only queue up in the API server. */
const MAX_BINDING = 128;
/** How long decisions may follow one another before the rest of the process gets a turn, in milliseconds. */
const SLICE_MS = 4;

export interface SchedulerOptions extends SchedulerEnvironment {
  /** The default-scheduler's plugins when absent. */
  readonly profile?: Profile;
}

/** Binds pending pods of `default-scheduler` to nodes until the signal aborts. Run at most one on an API. */
export function createScheduler(options: SchedulerOptions): Controller {
  return {
    name: 'scheduler',
    async run(signal) {
      using stack = new DisposableStack();
      const nodeInformer = options.informers.informer(nodes);
      const podInformer = options.informers.informer(pods);
      const scheduler = stack.use(new Scheduler(options, podInformer));
      stack.use(
        nodeInformer.addHandler({
          added: (node) => scheduler.nodeSeen(node),
          updated: (node) => scheduler.nodeSeen(node),
          deleted: (node) => scheduler.nodeGone(node),
        }),
      );
      stack.use(
        podInformer.addHandler({
          added: (pod) => scheduler.podSeen(pod),
          updated(pod, previous) {
            if (pod.metadata?.uid !== previous.metadata?.uid) scheduler.podGone(previous);
            scheduler.podSeen(pod);
          },
          deleted: (pod) => scheduler.podGone(pod),
        }),
      );
      try {
        await Promise.all([nodeInformer.synced(signal), podInformer.synced(signal)]);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      scheduler.start();
      await aborted(signal);
      await scheduler.stop();
    },
  };
}

class Scheduler implements Disposable {
  readonly #options: SchedulerOptions;
  readonly #podCache: Informer<Pod>;
  readonly #profile: Profile;
  readonly #cell: CellState;
  readonly #queue: SchedulingQueue;
  readonly #reporter: PodReporter;
  readonly #binding = new Set<Promise<void>>();
  #running = false;
  #pumping = false;
  #nextStart = 0;
  /** Armed from the first decision of a turn of the event loop to its end. */
  #turn: { readonly end: number; readonly timer: Disposable } | undefined;

  constructor(options: SchedulerOptions, podCache: Informer<Pod>) {
    const { clock, client } = options;
    this.#options = { ...options, log: options.log.child('scheduler') };
    this.#podCache = podCache;
    this.#profile = options.profile ?? defaultProfile(client);
    this.#reporter = new PodReporter(this.#options);
    this.#cell = new CellState({ clock, onExpired: (pod, node) => this.#neverConfirmed(pod, node) });
    this.#queue = new SchedulingQueue({
      clock,
      compare: (a, b) => this.#profile.queueSort.compare(a, b),
      onReady: () => this.#pumpSoon(),
    });
  }

  start(): void {
    this.#running = true;
    this.#pump();
  }

  /** Begins nothing new and waits for what is under way. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.allSettled([...this.#binding, this.#reporter.settled()]);
  }

  [Symbol.dispose](): void {
    this.#running = false;
    this.#turn?.timer[Symbol.dispose]();
    this.#queue[Symbol.dispose]();
    this.#cell[Symbol.dispose]();
  }

  nodeSeen(node: Parameters<CellState['setNode']>[0]): void {
    const info = this.#cell.setNode(node);
    if (info === undefined) return;
    this.#queue.nodeChanged(info, {
      anew: true,
      mayHelp: ({ info: pod, state, rejectedBy }) =>
        anyConsents(this.#profile, rejectedBy, { pod, node: info, state }),
    });
  }

  nodeGone(node: { readonly metadata?: { readonly name?: string | undefined } | undefined }): void {
    this.#cell.removeNode(node.metadata?.name ?? '');
  }

  /** Decides by the pod's state alone what it is to the scheduler; any order and repetition of events will do. */
  podSeen(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    const nodeName = pod.spec?.nodeName ?? '';
    if (hasEnded(pod)) {
      this.podGone(pod);
    } else if (nodeName !== '') {
      this.#queue.delete(uid);
      this.#roomOn(this.#cell.observe(podInfoOf(pod), nodeName));
    } else if (!isOurs(pod)) {
      this.#queue.delete(uid);
    } else if (!this.#cell.isAssumed(uid)) {
      this.#queue.set(pod);
    }
  }

  podGone(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    this.#queue.delete(uid);
    this.#roomOn(this.#cell.remove(uid));
  }

  #roomOn(node: NodeInfo | undefined): void {
    if (node === undefined) return;
    this.#queue.nodeChanged(node, {
      anew: false,
      mayHelp: ({ info, state }) => fitsOn(this.#profile, info, node, state),
    });
  }

  /** A microtask later, so that events that come together are ordered by priority, not by arrival. */
  #pumpSoon(): void {
    if (this.#pumping || !this.#running) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { clock } = this.#options;
    while (this.#running && this.#binding.size < MAX_BINDING) {
      if (this.#turn !== undefined && clock.monotonic() >= this.#turn.end) return;
      const entry = this.#queue.pop();
      if (entry === undefined) return;
      this.#turn ??= {
        end: clock.monotonic() + SLICE_MS,
        timer: clock.after(0, () => {
          this.#turn = undefined;
          this.#pump();
        }),
      };
      this.#schedule(entry);
    }
  }

  #schedule(entry: QueuedPod): void {
    const { info, state, candidates } = entry;
    const all = this.#cell.nodes;
    const some =
      candidates && [...candidates].map((name) => this.#cell.node(name)).filter((one) => one !== undefined);
    // Only candidates can have become feasible; when none has, what was said about the others still holds.
    if (some?.length === 0) return this.#queue.park(entry);
    const looksAtAll = some === undefined;
    const start = looksAtAll ? this.#nextStart : 0;
    const result = chooseNode(this.#profile, this.#options.random, {
      pod: info,
      state,
      nodes: some ?? all,
      start,
    });
    if (result.kind === 'unschedulable') {
      this.#queue.park(entry, looksAtAll ? result.rejectedBy : undefined);
      if (looksAtAll) this.#reporter.unschedulable(entry, result.message);
      return;
    }
    if (looksAtAll) this.#nextStart = (start + result.looked) % all.length;
    this.#queue.delete(info.uid);
    this.#cell.assume(info, result.node.name);
    const binding = this.#bind(entry, result.node.name).finally(() => {
      this.#binding.delete(binding);
      this.#pump();
    });
    this.#binding.add(binding);
  }

  /** Never rejects. */
  async #bind(entry: QueuedPod, nodeName: string): Promise<void> {
    const { info, state } = entry;
    const { reserves, bind } = this.#profile;
    try {
      for (const plugin of reserves) {
        const reasons = plugin.reserve(info, nodeName, state);
        if (reasons !== undefined) throw new ReserveRefused(`${plugin.name}: ${reasons.join(', ')}`);
      }
      await bind.bind(info, nodeName);
      this.#cell.bound(info.uid);
      this.#reporter.scheduled(info, nodeName);
    } catch (error) {
      for (const plugin of reserves.toReversed()) plugin.unreserve(info, nodeName, state);
      this.#roomOn(this.#cell.forget(info.uid));
      this.#bindFailed(entry, nodeName, error);
    }
  }

  #bindFailed(entry: QueuedPod, nodeName: string, error: unknown): void {
    const { info } = entry;
    // Bound or deleted by someone else: the informer has said so or will, and takes the pod out of the queue then.
    const raced = isPlatformError(error, 'conflict', 'not-found');
    this.#options.log[raced ? 'debug' : 'warn']('binding failed', {
      pod: info.key,
      node: nodeName,
      error: errorMessage(error),
    });
    const pod = this.#stillPending(info);
    if (pod === undefined) return;
    this.#queue.retryLater(entry);
    this.#queue.set(pod);
    if (!raced) this.#reporter.failed(entry, `binding rejected: ${errorMessage(error)}`);
  }

  #neverConfirmed(info: PodInfo, node: NodeInfo): void {
    this.#options.log.warn('a bound pod was never seen on its node', { pod: info.key, node: node.name });
    this.#roomOn(this.#cell.node(node.name));
    // If it is bound after all, the next try is refused as a conflict.
    const pod = this.#stillPending(info);
    if (pod !== undefined) this.#queue.set(pod);
  }

  /** The pod as the informer has it, if it still waits for a node. */
  #stillPending({ key, uid }: PodInfo): Pod | undefined {
    const pod = this.#podCache.get(key);
    if (pod?.metadata?.uid !== uid || (pod.spec?.nodeName ?? '') !== '') return undefined;
    return isOurs(pod) ? pod : undefined;
  }
}

class ReserveRefused extends Error {}

/** Waits for a node from us: named so, not being deleted, and with no gate (KEP-3521) left. */
function isOurs(pod: Pod): boolean {
  return (
    pod.spec?.schedulerName === SCHEDULER_NAME &&
    pod.metadata?.deletionTimestamp === undefined &&
    (pod.spec.schedulingGates ?? []).length === 0 &&
    !hasEnded(pod)
  );
}

function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
