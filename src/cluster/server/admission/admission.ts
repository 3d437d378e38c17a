/**
 * Admission: what has a say in a write after its author may make it. First every plugin in order may change the object,
 * then defaults, strategy and validation, then every plugin in order may refuse it
 * (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/).
 */
import { TooLong } from '../../../base/too-long.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import type { Resource } from '../resource.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface AdmissionRequest {
  readonly operation: Operation;
  readonly resource: Resource;
  /** `status`, `scale`, …; empty for the object itself. */
  readonly subresource: string;
  readonly namespace: string;
  /** Empty when the server is going to make one up. */
  readonly name: string;
  /** What it makes it up from. */
  readonly generateName?: string | undefined;
  /** The name in the path, where there is one. */
  readonly addressed?: string;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** In the request's version; mutating plugins change it in place. Absent for DELETE. */
  readonly object?: KubeObject;
  /** What is stored, in the request's version; absent for CREATE. */
  readonly old?: KubeObject;
  /** To be awaited before anybody looks at `object` or `old`: reads them, when nobody has, where they may be wide. */
  readonly read?: () => Promise<void>;
  /** CreateOptions, UpdateOptions or DeleteOptions. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly server: ServerParts;
  /** Goes to the client as a Warning header. */
  readonly warn: (text: string) => void;
  /** Goes into the request's audit event, as an annotation. */
  readonly audit: (key: string, value: string) => void;
  readonly round: Round;
}

/** Mutating plugins are asked a second time, once, when one of them wishes so: others may have to follow its change. */
export class Round {
  #second = false;
  #repeat = false;
  #memories: Map<string, unknown> | undefined;

  get isSecond(): boolean {
    return this.#second;
  }

  repeat(): void {
    this.#repeat = true;
  }

  /** True when there is to be a second round, which has begun then. */
  next(): boolean {
    if (this.#second || !this.#repeat) return false;
    return (this.#second = true);
  }

  /** What a plugin keeps from the first round to the second. */
  memory<T>(plugin: string, make: () => T): T {
    const memories = (this.#memories ??= new Map());
    if (!memories.has(plugin)) memories.set(plugin, make());
    return memories.get(plugin) as T;
  }
}

export interface AdmissionPlugin {
  /** As `--enable-admission-plugins` names it. */
  readonly name: string;
  handles(request: Omit<AdmissionRequest, 'object' | 'old'>): boolean;
  /** May be called again for the same write, also after another plugin's change: must be idempotent. */
  mutate?(request: AdmissionRequest): void | Promise<void>;
  /** `mutate` does not look at the object: it refuses before others are asked, or makes ready what validation needs. */
  readonly ignoresObject?: true;
  /** Throws to refuse. What it reserves elsewhere (quota) it hands back with the returned function when the write fails. */
  validate?(request: AdmissionRequest): void | Undo | Promise<void | Undo>;
}

export type Undo = () => Promise<void>;

export type StepType = 'admit' | 'validate';

/** One webhook, when it is over. */
export interface Admitted {
  readonly operation: Operation;
  readonly type: StepType | 'validating';
  readonly rejected: boolean;
  /** By the observer's `now`. */
  readonly start: number;
}

/** Hears how long everything took. */
export interface AdmissionObserver {
  /** Milliseconds. */
  now(): number;
  step(operation: Operation, type: StepType): StepObserver;
  webhook(name: string, admitted: Admitted): void;
}

/** Hears how long each plugin of a step took, and the whole step. */
export interface StepObserver {
  plugin(name: string, rejected: boolean, ms: number): void;
  end(rejected: boolean, ms: number): void;
}

type Mutating = AdmissionPlugin & Required<Pick<AdmissionPlugin, 'mutate'>>;
type Validating = AdmissionPlugin & Required<Pick<AdmissionPlugin, 'validate'>>;

export class Admission {
  readonly observer: AdmissionObserver | undefined;
  readonly #mutating: readonly Mutating[];
  readonly #validating: readonly Validating[];

  constructor(plugins: readonly AdmissionPlugin[], observer?: AdmissionObserver) {
    this.#mutating = plugins.filter((plugin): plugin is Mutating => plugin.mutate !== undefined);
    this.#validating = plugins.filter((plugin): plugin is Validating => plugin.validate !== undefined);
    this.observer = observer;
  }

  async mutate(request: AdmissionRequest): Promise<void> {
    const step = new Step(this.observer, request.operation, 'admit');
    try {
      do {
        for (let i = 0; i < this.#mutating.length; i++) {
          const plugin = this.#mutating[i]!;
          if (!plugin.handles(request)) continue;
          step.next(plugin);
          if (request.read !== undefined && plugin.ignoresObject !== true) await request.read();
          const done = plugin.mutate(request);
          if (done !== undefined) await done;
        }
      } while (request.round.next());
    } catch (error) {
      step.end(isRefusal(error));
      throw error;
    }
    step.end(false);
  }

  /** Whether a plugin of the step looks at the object. */
  looksAt(step: StepType, request: AdmissionRequest): boolean {
    return step === 'admit'
      ? this.#mutating.some((plugin) => plugin.ignoresObject !== true && plugin.handles(request))
      : this.#validating.some((plugin) => plugin.handles(request));
  }

  /** Dispose what it returns unless the write has happened. */
  async validate(request: AdmissionRequest): Promise<Reservations> {
    const undo: Undo[] = [];
    const reservations = new Reservations(undo);
    const step = new Step(this.observer, request.operation, 'validate');
    try {
      for (let i = 0; i < this.#validating.length; i++) {
        const plugin = this.#validating[i]!;
        if (!plugin.handles(request)) continue;
        step.next(plugin);
        if (request.read !== undefined) await request.read();
        const answer = plugin.validate(request);
        const back = answer instanceof Promise ? await answer : answer;
        if (typeof back === 'function') undo.push(back);
      }
    } catch (error) {
      step.end(isRefusal(error));
      await reservations.giveBack();
      throw error;
    }
    step.end(false);
    return reservations;
  }
}

/** Otherwise the request begins anew elsewhere. */
function isRefusal(error: unknown): boolean {
  return !(error instanceof TooLong);
}

/** Times a step and each plugin of it: where one ends the next begins. */
class Step {
  readonly #observer: AdmissionObserver | undefined;
  readonly #step: StepObserver | undefined;
  readonly #start: number;
  #plugin: AdmissionPlugin | undefined;
  #since: number;

  constructor(observer: AdmissionObserver | undefined, operation: Operation, type: StepType) {
    this.#observer = observer;
    this.#step = observer?.step(operation, type);
    this.#start = observer?.now() ?? 0;
    this.#since = this.#start;
  }

  /** The plugin before it is done. */
  next(plugin: AdmissionPlugin): void {
    if (this.#observer === undefined) return;
    this.#passed(this.#observer.now(), false);
    this.#plugin = plugin;
  }

  end(rejected: boolean): void {
    if (this.#observer === undefined) return;
    const now = this.#observer.now();
    this.#passed(now, rejected);
    this.#step?.end(rejected, now - this.#start);
  }

  #passed(now: number, rejected: boolean): void {
    if (this.#plugin !== undefined) this.#step?.plugin(this.#plugin.name, rejected, now - this.#since);
    this.#since = now;
  }
}

/** What plugins have set aside for one write. */
export class Reservations {
  readonly #undo: Undo[];

  constructor(undo: Undo[]) {
    this.#undo = undo;
  }

  /** There is something to give back. */
  get some(): boolean {
    return this.#undo.length > 0;
  }

  /** The write did not happen. Undefined when there is nothing to give back. */
  giveBack(): Promise<void> | undefined {
    return this.#undo.length === 0 ? undefined : this.#giveBack();
  }

  async #giveBack(): Promise<void> {
    for (const undo of this.#undo.splice(0).toReversed()) await undo();
  }
}
