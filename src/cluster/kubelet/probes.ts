/**
 * Startup, liveness and readiness probes of the containers that run (Kubernetes documentation, "Configure Probes").
 * Whoever syncs a pod says what runs; probing of what is new begins, of what is gone ends.
 */
import type { Clock } from '../../base/clock.ts';
import type { Pod, Probe } from '../api/generated/core-v1.ts';
import { podUid } from './pod-terms.ts';
import { unsupportedProbe, type ProbeOutcome, type ProbeTarget, type ProbeTools } from './probe.ts';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

const FIELDS = { startup: 'startupProbe', liveness: 'livenessProbe', readiness: 'readinessProbe' } as const;

/** How often in a row the last outcome has come, and what the probe's verdict is. */
export interface ProbeState {
  readonly verdict: 'unknown' | 'success' | 'failure';
  readonly last: boolean | undefined;
  readonly run: number;
}

/** The verdict changes after `successThreshold` (1) or `failureThreshold` (3) equal outcomes in a row. */
export function nextProbeState(state: ProbeState, success: boolean, probe: Probe): ProbeState {
  const run = state.last === success ? state.run + 1 : 1;
  const threshold = success ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  const verdict = run >= threshold ? (success ? 'success' : 'failure') : state.verdict;
  return { verdict, last: success, run };
}

export interface RunningContainer extends ProbeTarget {
  readonly startedAt: number;
  /** What the API already says of this very container: a restarted kubelet does not take readiness away. */
  readonly wasReady: boolean;
  readonly wasStarted: boolean;
}

export interface ProbesOptions {
  readonly clock: Clock;
  readonly run: (probe: Probe, target: ProbeTarget, tools: ProbeTools) => Promise<ProbeOutcome>;
  readonly tools: ProbeTools;
  /** A verdict changed: the pod should be looked at. */
  readonly changed: (uid: string) => void;
  readonly event: (pod: Pod, type: 'Warning', reason: string, message: string) => void;
}

interface Worker {
  readonly kind: ProbeKind;
  readonly probe: Probe;
  pod: Pod;
  target: ProbeTarget;
  state: ProbeState;
  timer: Disposable | undefined;
  stopped: boolean;
}

export class Probes implements Disposable {
  readonly #options: ProbesOptions;
  /** By pod uid, then by `<container id>/<kind>`. */
  readonly #pods = new Map<string, Map<string, Worker>>();

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  /** Says which containers of a pod run now. */
  observe(pod: Pod, running: readonly RunningContainer[]): void {
    const uid = podUid(pod);
    const workers = this.#pods.get(uid) ?? new Map<string, Worker>();
    const wanted = new Set<string>();
    for (const one of running) {
      for (const kind of ['startup', 'liveness', 'readiness'] as const) {
        const probe = one.container[FIELDS[kind]];
        if (probe === undefined) continue;
        const key = `${one.containerId}/${kind}`;
        wanted.add(key);
        const worker = workers.get(key);
        if (worker === undefined) workers.set(key, this.#begin(pod, { kind, probe, container: one }));
        else Object.assign(worker, { pod, target: one });
      }
    }
    for (const [key, worker] of workers) {
      if (wanted.has(key)) continue;
      stop(worker);
      workers.delete(key);
    }
    if (workers.size === 0) this.#pods.delete(uid);
    else this.#pods.set(uid, workers);
  }

  forget(uid: string): void {
    for (const worker of this.#pods.get(uid)?.values() ?? []) stop(worker);
    this.#pods.delete(uid);
  }

  started(id: string): boolean {
    const worker = this.#find(id, 'startup');
    return worker === undefined || worker.state.verdict === 'success';
  }

  startupFailed(id: string): boolean {
    return this.#find(id, 'startup')?.state.verdict === 'failure';
  }

  livenessFailed(id: string): boolean {
    return this.#find(id, 'liveness')?.state.verdict === 'failure';
  }

  ready(id: string): boolean {
    const worker = this.#find(id, 'readiness');
    return worker === undefined ? this.started(id) : worker.state.verdict === 'success';
  }

  [Symbol.dispose](): void {
    for (const uid of this.#pods.keys()) this.forget(uid);
  }

  #find(id: string, kind: ProbeKind): Worker | undefined {
    for (const workers of this.#pods.values()) {
      const worker = workers.get(`${id}/${kind}`);
      if (worker !== undefined) return worker;
    }
    return undefined;
  }

  #begin(pod: Pod, given: { kind: ProbeKind; probe: Probe; container: RunningContainer }): Worker {
    const { kind, probe, container } = given;
    const impossible = unsupportedProbe(probe, this.#options.tools);
    const known = kind === 'readiness' ? container.wasReady : kind === 'startup' && container.wasStarted;
    const worker: Worker = {
      kind,
      probe,
      pod,
      target: container,
      state: { verdict: known || impossible !== undefined ? 'success' : 'unknown', last: undefined, run: 0 },
      timer: undefined,
      stopped: false,
    };
    if (impossible !== undefined) {
      const name = container.container.name ?? '';
      this.#options.event(
        pod,
        'Warning',
        'ProbeUnsupported',
        `${kind} probe of container ${name}: ${impossible}`,
      );
      return worker;
    }
    const due = container.startedAt + (probe.initialDelaySeconds ?? 0) * 1000;
    this.#schedule(worker, Math.max(0, due - this.#options.clock.now()));
    return worker;
  }

  #schedule(worker: Worker, ms: number): void {
    if (worker.stopped) return;
    worker.timer?.[Symbol.dispose]();
    worker.timer = this.#options.clock.after(ms, () => void this.#tick(worker));
  }

  async #tick(worker: Worker): Promise<void> {
    const id = worker.target.containerId;
    // A startup probe is done with its first success; the others begin then.
    if (worker.kind === 'startup' && worker.state.verdict === 'success') return;
    const began = this.#options.clock.now();
    if (worker.kind === 'startup' || this.started(id)) await this.#try(worker);
    const period = (worker.probe.periodSeconds ?? 10) * 1000;
    const spent = this.#options.clock.now() - began;
    this.#schedule(worker, Math.max(0, period - spent));
  }

  async #try(worker: Worker): Promise<void> {
    const outcome = await this.#options.run(worker.probe, worker.target, this.#options.tools);
    if (worker.stopped) return;
    const before = worker.state.verdict;
    worker.state = nextProbeState(worker.state, outcome.success, worker.probe);
    if (!outcome.success) {
      const kind = `${worker.kind[0]!.toUpperCase()}${worker.kind.slice(1)}`;
      this.#options.event(worker.pod, 'Warning', 'Unhealthy', `${kind} probe failed: ${outcome.message}`);
    }
    if (worker.state.verdict === before) return;
    if (worker.kind === 'startup') this.#kick(worker.target.containerId);
    this.#options.changed(podUid(worker.pod));
  }

  /** A container that has started is probed for readiness at once. */
  #kick(id: string): void {
    const readiness = this.#find(id, 'readiness');
    if (readiness !== undefined) this.#schedule(readiness, 0);
  }
}

function stop(worker: Worker): void {
  worker.stopped = true;
  worker.timer?.[Symbol.dispose]();
}
