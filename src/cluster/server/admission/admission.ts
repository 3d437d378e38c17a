/**
 * Admission: what has a say in a write after its author may make it. First every plugin in order may change the object,
 * then defaults, strategy and validation, then every plugin in order may refuse it
 * (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/).
 */
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
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** In the request's version; mutating plugins change it in place. Absent for DELETE. */
  readonly object?: KubeObject;
  /** What is stored, in the request's version; absent for CREATE. */
  readonly old?: KubeObject;
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
  readonly #memories = new Map<string, unknown>();

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
    if (!this.#memories.has(plugin)) this.#memories.set(plugin, make());
    return this.#memories.get(plugin) as T;
  }
}

export interface AdmissionPlugin {
  /** As `--enable-admission-plugins` names it. */
  readonly name: string;
  handles(request: AdmissionRequest): boolean;
  /** May be called again for the same write, also after another plugin's change: must be idempotent. */
  mutate?(request: AdmissionRequest): void | Promise<void>;
  /** Throws to refuse. What it reserves elsewhere (quota) it hands back with the returned function when the write fails. */
  validate?(request: AdmissionRequest): void | Undo | Promise<void | Undo>;
}

export type Undo = () => Promise<void>;

/** One plugin, webhook or step, when it is over. */
export interface Admitted {
  readonly operation: Operation;
  readonly type: 'admit' | 'validate' | 'validating';
  readonly rejected: boolean;
  /** By the observer's `now`. */
  readonly start: number;
}

/** Hears how long everything took. */
export interface AdmissionObserver {
  now(): number;
  plugin(name: string, admitted: Admitted): void;
  webhook(name: string, admitted: Admitted): void;
  step(admitted: Admitted): void;
}

export class Admission {
  readonly observer: AdmissionObserver | undefined;
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[], observer?: AdmissionObserver) {
    this.#plugins = plugins;
    this.observer = observer;
  }

  async mutate(request: AdmissionRequest): Promise<void> {
    const step = this.#begin(request, 'admit');
    try {
      do {
        for (const plugin of this.#plugins) {
          if (plugin.mutate === undefined || !plugin.handles(request)) continue;
          step.next(plugin);
          const done = plugin.mutate(request);
          if (done !== undefined) await done;
        }
      } while (request.round.next());
    } catch (error) {
      step.end(true);
      throw error;
    }
    step.end(false);
  }

  /** Dispose what it returns unless the write has happened. */
  async validate(request: AdmissionRequest): Promise<Reservations> {
    const undo: Undo[] = [];
    const reservations = new Reservations(undo);
    const step = this.#begin(request, 'validate');
    try {
      for (const plugin of this.#plugins) {
        if (plugin.validate === undefined || !plugin.handles(request)) continue;
        step.next(plugin);
        const answer = plugin.validate(request);
        const back = answer instanceof Promise ? await answer : answer;
        if (typeof back === 'function') undo.push(back);
      }
    } catch (error) {
      step.end(true);
      await reservations.giveBack();
      throw error;
    }
    step.end(false);
    return reservations;
  }

  #begin({ operation }: AdmissionRequest, type: Admitted['type']): Step {
    return new Step(this.observer, operation, type);
  }
}

/** Times a step and each plugin of it. */
class Step {
  readonly #observer: AdmissionObserver | undefined;
  readonly #operation: Operation;
  readonly #type: Admitted['type'];
  readonly #start: number;
  #plugin: AdmissionPlugin | undefined;
  #since = 0;

  constructor(observer: AdmissionObserver | undefined, operation: Operation, type: Admitted['type']) {
    this.#observer = observer;
    this.#operation = operation;
    this.#type = type;
    this.#start = observer?.now() ?? 0;
  }

  /** The plugin before it is done. */
  next(plugin: AdmissionPlugin | undefined, rejected = false): void {
    const observer = this.#observer;
    if (observer === undefined) return;
    if (this.#plugin !== undefined) observer.plugin(this.#plugin.name, this.#admitted(rejected, this.#since));
    this.#plugin = plugin;
    this.#since = observer.now();
  }

  end(rejected: boolean): void {
    this.next(undefined, rejected);
    this.#observer?.step(this.#admitted(rejected, this.#start));
  }

  #admitted(rejected: boolean, start: number): Admitted {
    return { operation: this.#operation, type: this.#type, rejected, start };
  }
}

/** What plugins have set aside for one write. */
export class Reservations {
  readonly #undo: Undo[];

  constructor(undo: Undo[]) {
    this.#undo = undo;
  }

  /** The write did not happen. */
  async giveBack(): Promise<void> {
    for (const undo of this.#undo.splice(0).toReversed()) await undo();
  }
}
