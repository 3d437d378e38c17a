/**
 * The kubelet's decision, without its hands: what must happen now so that what runs comes closer to what the pod
 * says. Same input, same answer; pod-worker.ts carries it out and asks again.
 */
import type { Container, Pod } from '../api/generated/core-v1.ts';
import { newest, type ObservedContainer, type ObservedPod } from './observed.ts';
import {
  containersOf,
  ephemeralContainersOf,
  initContainersOf,
  isSidecar,
  restartPolicyOf,
  type RestartPolicy,
} from './pod-terms.ts';

export interface ContainerToKill {
  readonly id: string;
  readonly name: string;
  readonly reason: string;
}

export interface PodActions {
  readonly sandbox: 'keep' | 'create' | 'kill' | 'none';
  /** Number of the sandbox to create: one more than the last. */
  readonly attempt: number;
  /** In order; a started one does not wait for the next. */
  readonly toStart: readonly string[];
  readonly toKill: readonly ContainerToKill[];
  /** True once every init container has done its work. */
  readonly initialized: boolean;
}

/** What is known of the containers besides the runtime's word. */
export interface ContainerKnowledge {
  hashOf(container: Container): string;
  /** Probe results of a running container, by its id. */
  livenessFailed(id: string): boolean;
  startupFailed(id: string): boolean;
  /** True without a startup probe, else once it has succeeded. */
  started(id: string): boolean;
  /** Its limits are to change, and only with a new process. */
  resizeNeedsRestart(container: Container, here: ObservedContainer): boolean;
  /** It was taken down to be started again, however it ended. */
  owesStart(container: string): boolean;
}

export function computePodActions(
  pod: Pod,
  observed: ObservedPod,
  knowledge: ContainerKnowledge,
): PodActions {
  const policy = restartPolicyOf(pod);
  const [latest] = observed.sandboxes;
  const ready = observed.sandboxes.filter(({ state }) => state === 'ready');
  // More than one ready sandbox, or the newest not ready: none can be trusted, begin again.
  if (ready.length !== 1 || latest?.state !== 'ready') return withoutSandbox(pod, observed, policy);
  const plan = new Plan(observed, latest.id, knowledge, policy);
  plan.ephemeral(pod);
  const visitors = plan.starting;
  const initialized = plan.init(pod);
  if (initialized === 'failed')
    return { ...plan.actions(), sandbox: 'kill', toStart: [], initialized: false };
  if (initialized === 'done') plan.regular(pod);
  const actions = plan.actions();
  const over = initialized === 'done' && plan.alive === 0 && actions.toStart.length === visitors;
  return { ...actions, sandbox: over ? 'kill' : 'keep', initialized: initialized === 'done' };
}

/** There is no sandbox to work in: make one, unless all that would run in it has run for good. */
function withoutSandbox(pod: Pod, observed: ObservedPod, policy: RestartPolicy): PodActions {
  const stale = observed.sandboxes.some(({ state }) => state === 'ready');
  const running = observed.containers.some(({ state }) => state === 'running' || state === 'unknown');
  const attempt = observed.sandboxes.reduce((max, sandbox) => Math.max(max, sandbox.attempt + 1), 0);
  const base = { attempt, toStart: [], toKill: [], initialized: false };
  // Old things first; the next look decides about the new sandbox.
  if (stale || running) return { ...base, sandbox: 'kill' };
  const begun = observed.containers.length > 0;
  const remaining = containersOf(pod).some(({ name = '' }) => {
    const last = newest(observed, name);
    return last === undefined ? policy !== 'Never' || !begun : restarts(policy, last);
  });
  return { ...base, sandbox: remaining ? 'create' : 'none' };
}

function restarts(policy: RestartPolicy, container: ObservedContainer): boolean {
  if (container.state === 'created') return true;
  return policy === 'Always' || (policy === 'OnFailure' && container.exitCode !== 0);
}

class Plan {
  readonly #observed: ObservedPod;
  readonly #sandboxId: string;
  readonly #knowledge: ContainerKnowledge;
  readonly #policy: RestartPolicy;
  readonly #toStart: string[] = [];
  readonly #toKill: ContainerToKill[] = [];
  /** Regular containers that run and may go on. */
  alive = 0;

  constructor(
    observed: ObservedPod,
    sandboxId: string,
    knowledge: ContainerKnowledge,
    policy: RestartPolicy,
  ) {
    this.#observed = observed;
    this.#sandboxId = sandboxId;
    this.#knowledge = knowledge;
    this.#policy = policy;
  }

  actions(): Omit<PodActions, 'sandbox' | 'initialized'> {
    const attempt = (this.#observed.sandboxes[0]?.attempt ?? -1) + 1;
    return { attempt, toStart: this.#toStart, toKill: this.#toKill };
  }

  #here(container: Container): ObservedContainer | undefined {
    return this.#observed.containers.find(
      ({ name, sandboxId }) => name === container.name && sandboxId === this.#sandboxId,
    );
  }

  /** Walks the init containers in order up to the first that the rest has to wait for. */
  init(pod: Pod): 'done' | 'pending' | 'failed' {
    // A regular container in this sandbox is proof that all init containers were through, even if they are gone.
    const begun = containersOf(pod).some((container) => this.#here(container) !== undefined);
    for (const container of initContainersOf(pod)) {
      const step = isSidecar(container) ? this.#sidecar(container) : this.#once(container, begun);
      if (step === 'failed') return 'failed';
      if (step === 'pending' && !begun) return 'pending';
    }
    return 'done';
  }

  #once(container: Container, begun: boolean): 'done' | 'pending' | 'failed' {
    if (begun) return 'done';
    const here = this.#here(container);
    if (here === undefined || here.state === 'created') return this.#start(container);
    if (here.state === 'running') return 'pending';
    if (here.state === 'unknown') {
      this.#kill(here, 'state unknown');
      return 'pending';
    }
    if (here.exitCode === 0) return 'done';
    return this.#policy === 'Never' ? 'failed' : this.#start(container);
  }

  #sidecar(container: Container): 'done' | 'pending' {
    const here = this.#here(container);
    if (here?.state !== 'running') return this.#startAgain(container, here);
    if (this.#mustDie(container, here)) return this.#startAgain(container, undefined);
    return this.#knowledge.started(here.id) ? 'done' : 'pending';
  }

  #startAgain(container: Container, here: ObservedContainer | undefined): 'pending' {
    if (here?.state === 'unknown') {
      this.#kill(here, 'state unknown');
      return 'pending';
    }
    return this.#start(container);
  }

  #start(container: Container): 'pending' {
    this.#toStart.push(container.name ?? '');
    return 'pending';
  }

  /** How many are to be started so far. */
  get starting(): number {
    return this.#toStart.length;
  }

  /** Once, whatever the others do; they keep no pod alive. */
  ephemeral(pod: Pod): void {
    for (const { name = '' } of ephemeralContainersOf(pod)) {
      if (newest(this.#observed, name) === undefined) this.#toStart.push(name);
    }
  }

  regular(pod: Pod): void {
    for (const container of containersOf(pod)) {
      const here = this.#here(container);
      if (here === undefined) {
        const before = newest(this.#observed, container.name ?? '');
        if (before === undefined || restarts(this.#policy, before)) this.#start(container);
      } else if (here.state === 'unknown') {
        this.#kill(here, 'state unknown');
        this.alive++;
      } else if (here.state !== 'running') {
        const owed = this.#knowledge.owesStart(here.name);
        if (owed || restarts(this.#policy, here)) this.#start(container);
      } else if (this.#mustDie(container, here)) {
        if (this.#policy !== 'Never') this.#start(container);
        else this.alive++;
      } else {
        this.alive++;
      }
    }
  }

  #mustDie(container: Container, here: ObservedContainer): boolean {
    const reason = this.#deathReason(container, here);
    if (reason !== undefined) this.#kill(here, reason);
    return reason !== undefined;
  }

  #deathReason(container: Container, here: ObservedContainer): string | undefined {
    const name = container.name ?? '';
    if (here.hash !== '' && here.hash !== this.#knowledge.hashOf(container)) {
      return `Container ${name} definition changed, will be restarted`;
    }
    const will = this.#policy === 'Never' && !isSidecar(container) ? '' : ', will be restarted';
    if (this.#knowledge.startupFailed(here.id)) return `Container ${name} failed startup probe${will}`;
    if (this.#knowledge.livenessFailed(here.id)) return `Container ${name} failed liveness probe${will}`;
    if (this.#knowledge.resizeNeedsRestart(container, here))
      return `Container ${name} resize requires restart`;
    return undefined;
  }

  #kill(container: ObservedContainer, reason: string): void {
    this.#toKill.push({ id: container.id, name: container.name, reason });
  }
}
