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
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions as sent. */
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

export class Admission {
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  async mutate(request: AdmissionRequest): Promise<void> {
    do {
      for (const plugin of this.#plugins) {
        if (plugin.mutate === undefined || !plugin.handles(request)) continue;
        const done = plugin.mutate(request);
        if (done !== undefined) await done;
      }
    } while (request.round.next());
  }

  /** Dispose what it returns unless the write has happened. */
  async validate(request: AdmissionRequest): Promise<Reservations> {
    const undo: Undo[] = [];
    const reservations = new Reservations(undo);
    try {
      for (const plugin of this.#plugins) {
        if (plugin.validate === undefined || !plugin.handles(request)) continue;
        const answer = plugin.validate(request);
        const back = answer instanceof Promise ? await answer : answer;
        if (typeof back === 'function') undo.push(back);
      }
    } catch (error) {
      await reservations.giveBack();
      throw error;
    }
    return reservations;
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
