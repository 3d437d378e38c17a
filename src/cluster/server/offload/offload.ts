/**
 * Requests for wide objects are answered in a thread of their own: what decodes, merges, validates and encodes thousands
 * of values would hold up everybody else's requests for as long as it takes. The thread runs the same handlers as the
 * main one and asks it for what is there, for admission and for the transaction (protocol.ts). It is started by the
 * first request that needs it, and ends when none has come for a while.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { TooLong } from '../../../base/too-long.ts';
import { fromWireError, toWireError } from '../../../base/wire-error.ts';
import { workerUrl } from '../../../base/worker-url.ts';
import { Slice, yieldToLoop } from '../../../base/yield-to-loop.ts';
import { withAllowance } from '../../api/cel/allowance.ts';
import { encodeInSlices } from '../../api/encode-in-slices.ts';
import type { FieldError } from '../../api/field-error.ts';
import type { JsonObject } from '../../api/json.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { Decide } from '../admission/policy/authorizer.ts';
import type { AnswerTo, Question } from '../admission/policy/questions.ts';
import { isBug } from '../answer-failure.ts';
import type { BodyToRecord } from '../audit/recorded-body.ts';
import type { Answer, ResourceContext, ServerLimits, ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import type { Storage } from '../writes/registry.ts';
import type { Resource } from '../resource.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { View } from '../encoding/view.ts';
import type { Answered } from '../webhooks/json-exchange.ts';
import { keyOf } from '../resource-table.ts';
import type { StrategyChoices } from '../strategies/index.ts';
import { viewOf } from '../handlers/read.ts';
import { answersFor } from './asked.ts';
import {
  buffersIn,
  definitionName,
  given,
  NO_JOB,
  own,
  type Asked,
  type Call,
  type CallName,
  type Definition,
  type Described,
  type Done,
  type Made,
  type Packed,
  type Job,
  type Place,
  type SharedCalls,
  type ShownAs,
  type ThreadOptions,
  type ToThread,
  type Validation,
} from './protocol.ts';
import { isWide, isWideObject, type WideViews } from './wide.ts';

const IDLE_MS = 60_000;

const VERBS = new Set(['get', 'create', 'update', 'patch', 'delete']);
/** Others are answered by more than the thread has. */
const SUBRESOURCES = new Set(['', 'status', 'approval', 'ephemeralcontainers', 'resize', 'scale']);

export interface OffloadOptions {
  readonly clock: Clock;
  readonly storage: Storage;
  readonly limits: Pick<ServerLimits, 'wideValues'>;
  /** Those of the server's own resources. */
  readonly choices: StrategyChoices;
  readonly callConverter: ServerParts['callConverter'];
}

export class Offload implements AsyncDisposable {
  readonly #options: OffloadOptions;
  readonly #making = new WeakMap<CachedObject, Map<string, Promise<Uint8Array>>>();
  #thread: Thread | undefined;

  constructor(options: OffloadOptions) {
    this.#options = options;
  }

  /** The answer, by the thread where the request is for something wide or turns out to be. */
  answer(context: ResourceContext, here: Answer): Promise<ApiResponse> {
    if (!isMovable(context)) return here(context);
    if (this.#isWide(context)) return this.#ask(context);
    const isPlain = context.info.verb === 'get' && context.resource.conversion?.program === undefined;
    return isPlain ? here(context) : this.#tried(context, here);
  }

  async #tried(context: ResourceContext, here: Answer): Promise<ApiResponse> {
    try {
      return await withAllowance(this.#options.clock, () => here(context));
    } catch (error) {
      if (!(error instanceof TooLong)) throw error;
      return await this.#ask(context);
    }
  }

  #isWide(context: ResourceContext): boolean {
    const { resource, info, request } = context;
    const { wideValues } = this.#options.limits;
    if (request.body !== undefined && isWide(request.body, wideValues)) return true;
    if (info.name === '') return false;
    const stored = context.server.cache
      .resource(resource.prefix)
      .get(keyOf(resource, info.namespace, info.name));
    if (stored === undefined || !isWideObject(stored, wideValues)) return false;
    return info.verb !== 'get' || info.subresource !== '' || !viewOf(context).verbatim;
  }

  #ask(context: ResourceContext): Promise<ApiResponse> {
    this.#thread ??= this.#start();
    return this.#thread.answer(context);
  }

  /** Expressions that take too long for the main thread; `decide` is what they may ask it for. */
  async evaluate<Q extends Question>(asked: Asked<Q>, decide: Decide): Promise<AnswerTo<Q>> {
    const bytes = own(await encodeInSlices(asked as unknown as JsonObject));
    this.#thread ??= this.#start();
    const answer = await this.#thread.evaluate(bytes, decide);
    return JSON.parse(Buffer.from(answer.buffer).toString()) as AnswerTo<Q>;
  }

  /** What is wrong with an object of a resource whose rules take too long for the main thread. */
  async errorsIn(of: Defined, object: JsonObject, update?: Update): Promise<readonly FieldError[]> {
    const objects = {
      object: own(await encodeInSlices(object)),
      ...(update && { update: { ...update, old: own(await encodeInSlices(update.old)) } }),
    };
    this.#thread ??= this.#start();
    const answer = await this.#thread.validate(of, objects);
    return JSON.parse(Buffer.from(answer.buffer).toString()) as FieldError[];
  }

  /** What a webhook has made of wide objects: JSON of each as it is stored. */
  read(of: Defined, review: Uint8Array, answer: Answered): Promise<readonly Uint8Array[]> {
    this.#thread ??= this.#start();
    return this.#thread.read(of, review, answer);
  }

  /** As `recordedBody`; the body is given away. */
  record(body: Uint8Array, how: BodyToRecord): Promise<Uint8Array> {
    this.#thread ??= this.#start();
    return this.#thread.record(body, how);
  }

  /** What OpenAPI says of what is served; `definitions` are those of the custom resources in it. */
  describe(server: Defined['server'], what: Described, definitions: readonly string[]): Promise<Uint8Array> {
    this.#thread ??= this.#start();
    return this.#thread.describe(server, what, definitions);
  }

  /** How a list or a watch shows its wide objects; undefined where it shows bytes as they are stored. */
  views(context: ResourceContext, view: View): WideViews | undefined {
    const isCut = view.verbatim || (view.shape === 'metadata' && view.format === 'json');
    if (isCut) return undefined;
    const { wideValues } = this.#options.limits;
    return {
      takes: (object) => isWideObject(object, wideValues),
      show: (object, as) => this.#shown(context, object, { as, form: view.form }),
    };
  }

  /** Many watchers want the same at the same time. */
  #shown(
    context: ResourceContext,
    object: CachedObject,
    { as, form }: { readonly as: ShownAs; readonly form: string },
  ): Promise<Uint8Array> {
    const key = JSON.stringify([as, form]);
    const making = this.#making.getOrInsertComputed(object, () => new Map<string, Promise<Uint8Array>>());
    let made = making.get(key);
    if (made !== undefined) return made;
    this.#thread ??= this.#start();
    made = this.#thread.show(context, object, as).finally(() => making.delete(key));
    making.set(key, made);
    return made;
  }

  #start(): Thread {
    const thread = new Thread(this.#options, () => {
      if (this.#thread === thread) this.#thread = undefined;
    });
    return thread;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.[Symbol.asyncDispose]();
  }
}

function isMovable({ info }: ResourceContext): boolean {
  return VERBS.has(info.verb) && SUBRESOURCES.has(info.subresource);
}

/** A custom resource, and the server that serves it. */
interface Defined {
  readonly server: Pick<ServerParts, 'resources' | 'cache'>;
  readonly place: Place;
}

/** Of what is there already. */
export interface Update {
  readonly old: KubeObject;
  readonly endpoint: string;
}

function placeOf({ group, version, resource }: Place): Place {
  return { group, version, resource };
}

/** A request that the thread answers, or expressions that it evaluates. */
interface Running {
  readonly answers: Partial<ReturnType<typeof answersFor>>;
  done(message: Done | Made): void;
  reject(error: unknown): void;
  /** The server's own mistake in what the thread has asked for. */
  report(error: unknown): void;
}

/** What the thread makes, or why it cannot. */
function made<T extends NonNullable<Made['answer']>>(): {
  readonly promise: Promise<T>;
  readonly done: (message: Made) => void;
  readonly reject: (error: unknown) => void;
} {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const done = ({ answer, error }: Made): void =>
    answer === undefined ? reject(fromWireError(error!)) : resolve(answer as T);
  return { promise, done, reject };
}

class Thread implements AsyncDisposable {
  readonly #options: OffloadOptions;
  readonly #worker: Worker;
  readonly #ended: () => void;
  readonly #jobs = new Map<number, Running>();
  /** Revisions of definitions that the thread has. */
  readonly #definitions = new Map<string, number>();
  readonly #shared: SharedCalls;
  #lastJob = NO_JOB;
  #idle: Disposable | undefined;

  constructor(options: OffloadOptions, ended: () => void) {
    this.#options = options;
    this.#ended = ended;
    this.#shared = {
      callConverter: async (...question) => {
        const answer = await options.callConverter(...question);
        return { ...answer, bytes: given(answer.bytes) };
      },
    };
    const workerData: ThreadOptions = options.choices;
    this.#worker = new Worker(workerUrl('offload-worker', import.meta.url), { workerData, execArgv: [] });
    // Whoever waits for an answer has a connection that keeps the process alive.
    this.#worker.unref();
    this.#worker.on('message', (message: Call | Done | Made) => {
      if (message.kind === 'call') void this.#reply(message);
      else this.#finish(message);
    });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) => this.#fail(new Error(`it ended with code ${code}`)));
  }

  answer(context: ResourceContext): Promise<ApiResponse> {
    const { info, request, resource, user, server, annotations: audited } = context;
    const { query, ...place } = info;
    const { method, url, headers, body } = request;
    const { promise, resolve, reject } = Promise.withResolvers<ApiResponse>();
    const report = (error: unknown): void =>
      server.log.error('request failed', { method, path: info.path, error });
    const done = ({ status, headers, body, annotations, bug }: Done): void => {
      if (bug !== undefined) report(bug);
      for (const [key, value] of annotations) audited?.set(key, value);
      resolve({ status, headers, body });
    };
    const answers = answersFor(context, this.#options.storage);
    const id = this.#run({ answers, done, reject, report });
    const definition = this.#define(context, resource);
    const job: Job = {
      kind: 'job',
      id,
      request: { method, url, headers, ...(body !== undefined && { body: own(body) }) },
      info: place,
      query: query.toString(),
      user,
      now: this.#options.clock.now(),
      audited: context.annotations !== undefined,
      ...(definition !== undefined && { definition }),
    };
    this.#post(job);
    return promise;
  }

  show(context: ResourceContext, object: CachedObject, as: ShownAs): Promise<Uint8Array> {
    const { info, resource, request } = context;
    const { promise, done, reject } = made<Uint8Array>();
    const id = this.#run({ answers: {}, done, reject, report: () => {} });
    const definition = this.#define(context, resource);
    this.#post({
      kind: 'show',
      id,
      place: placeOf(resource),
      ...(definition !== undefined && { definition }),
      accept: request.headers['accept'],
      query: info.query.toString(),
      now: this.#options.clock.now(),
      as,
      state: { bytes: own(object.stored), revision: object.revision },
    });
    return promise;
  }

  /** JSON of an Asked, for JSON of the answer. */
  evaluate(asked: Uint8Array, decide: Decide): Promise<Uint8Array> {
    const { promise, done, reject } = made<Uint8Array>();
    // What goes wrong with a decision, the expression is told.
    const id = this.#run({ answers: { decide }, done, reject, report: () => {} });
    this.#post({ kind: 'evaluation', id, asked });
    return promise;
  }

  /** JSON of the FieldErrors. */
  validate({ server, place }: Defined, objects: Pick<Validation, 'object' | 'update'>): Promise<Uint8Array> {
    const { promise, done, reject } = made<Uint8Array>();
    // The request says what went wrong.
    const id = this.#run({ answers: {}, done, reject, report: () => {} });
    const resource = server.resources.get(place.group, place.version, place.resource);
    const definition = this.#define({ server }, resource);
    this.#post({
      kind: 'validation',
      id,
      place: placeOf(resource),
      ...(definition !== undefined && { definition }),
      ...objects,
    });
    return promise;
  }

  /** What a webhook has made of objects of a custom resource. */
  async read(of: Defined, review: Uint8Array, answer: Answered): Promise<readonly Uint8Array[]> {
    const { promise, done, reject } = made<Packed>();
    // Who asked for it says what went wrong.
    const id = this.#run({ answers: {}, done, reject, report: () => {} });
    this.#post({
      kind: 'reading',
      id,
      place: of.place,
      definition: this.#defineNamed(of.server, definitionName(of.place)),
      review: own(review),
      answer: { ...answer, bytes: given(answer.bytes) },
    });
    const { values, slices } = await promise;
    return slices.map(([at, length]) => values.subarray(at, at + length));
  }

  describe(server: Defined['server'], what: Described, definitions: readonly string[]): Promise<Uint8Array> {
    const { promise, done, reject } = made<Uint8Array>();
    const id = this.#run({ answers: {}, done, reject, report: () => {} });
    this.#defineAll(server, definitions).then(
      () => this.#post({ kind: 'describe', id, what, definitions }),
      reject,
    );
    return promise;
  }

  record(body: Uint8Array, how: BodyToRecord): Promise<Uint8Array> {
    const { promise, done, reject } = made<Uint8Array>();
    const id = this.#run({ answers: {}, done, reject, report: () => {} });
    this.#post({ kind: 'recording', id, body, how });
    return promise;
  }

  #run(running: Running): number {
    this.#idle?.[Symbol.dispose]();
    const id = ++this.#lastJob;
    this.#jobs.set(id, running);
    return id;
  }

  /** Tells the thread of the definition of a custom resource; its name, undefined for all other resources. */
  #define({ server }: Pick<Defined, 'server'>, resource: Resource): string | undefined {
    const isCustom = server.resources.source(definitionName(resource)).includes(resource);
    return isCustom ? this.#defineNamed(server, definitionName(resource)) : undefined;
  }

  /** They may be many, and as many documents of them be asked for at once. */
  async #defineAll(server: Defined['server'], names: readonly string[]): Promise<void> {
    await yieldToLoop();
    const slice = new Slice(this.#options.clock);
    for (const name of names) {
      this.#defineNamed(server, name);
      await slice.pause();
    }
  }

  #defineNamed(server: Defined['server'], name: string): string {
    const { prefix } = server.resources.get('apiextensions.k8s.io', 'v1', 'customresourcedefinitions');
    const stored = server.cache.resource(prefix).get(`${prefix}${name}`);
    if (stored === undefined || this.#definitions.get(name) === stored.revision) return name;
    this.#definitions.set(name, stored.revision);
    const message: Definition = { kind: 'definition', name, bytes: own(stored.stored) };
    this.#post(message);
    return name;
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message, buffersIn(message));
  }

  async #reply({ id, call, name, args }: Call): Promise<void> {
    const running = this.#jobs.get(id);
    if (running === undefined && id !== NO_JOB) return;
    const answers: Partial<Record<CallName, unknown>> = { ...(running?.answers ?? this.#shared) };
    try {
      const answer = answers[name] as (...args: readonly unknown[]) => unknown;
      this.#post({ kind: 'reply', id, call, value: await answer(...args) });
    } catch (error) {
      // Who asks on nobody's behalf says so himself.
      if (isBug(error)) running?.report(error);
      this.#post({ kind: 'reply', id, call, error: toWireError(error) });
    }
  }

  #finish(message: Done | Made): void {
    const running = this.#jobs.get(message.id);
    this.#jobs.delete(message.id);
    running?.done(message);
    if (this.#jobs.size > 0) return;
    this.#idle = this.#options.clock.after(IDLE_MS, () => void this[Symbol.asyncDispose]());
  }

  #fail(error: unknown): void {
    this.#ended();
    for (const running of this.#jobs.values()) {
      void running.answers.abandon?.();
      running.reject(
        new PlatformError('internal', 'the thread for wide objects has ended', { cause: error }),
      );
    }
    this.#jobs.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#idle?.[Symbol.dispose]();
    this.#ended();
    await this.#worker.terminate();
  }
}
