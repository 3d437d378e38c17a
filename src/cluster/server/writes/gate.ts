/** The admission of one request's writes. */
import { append } from '../../../base/append.ts';
import type { Operation } from '../admission/admission.ts';
import { Reservations, Round, type AdmissionRequest } from '../admission/admission.ts';
import type { ResourceContext, ServerParts } from '../context.ts';
import type { DeleteRequest } from './deletion.ts';
import type { JsonObject } from '../../api/json.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { KubeObject, Meta } from '../object.ts';
import { isDryRun } from '../encoding/request-body.ts';
import type { Resource } from '../resource.ts';
import type { Gate } from './writing.ts';

/** A subresource that shows an object as one of another kind: what admission sees and may change. */
export interface Window {
  show(object: KubeObject): KubeObject;
  /** Carries what was changed over to the object. */
  apply(object: KubeObject, shown: KubeObject): void;
}

/**
 * Dispose it when the request is over: what plugins have set aside is given back unless `written` was called, and between
 * two tries of one write too.
 */
export class AdmissionGate implements Gate, AsyncDisposable {
  readonly warnings: string[] = [];
  readonly context: ResourceContext;
  readonly operation: Operation;
  readonly dryRun: boolean;
  readonly deleting: DeleteRequest;
  #reservations = NOTHING;
  readonly #window: Window | undefined;
  readonly #first: (() => Promise<void>) | undefined;

  constructor(
    context: ResourceContext,
    operation: Operation,
    options: {
      readonly dryRun?: boolean;
      readonly window?: Window;
      readonly deleting?: DeleteRequest;
      /** Before anybody validates. */
      readonly first?: () => Promise<void>;
    } = {},
  ) {
    this.context = context;
    this.operation = operation;
    this.dryRun = options.dryRun ?? isDryRun(context.info.query.getAll('dryRun'));
    this.deleting = options.deleting ?? {};
    this.#window = options.window;
    this.#first = options.first;
  }

  pause(): Promise<void> | undefined {
    return this.context.slice.pause();
  }

  get elsewhere(): Gate['elsewhere'] {
    const { server } = this.context;
    const { offload } = server;
    return offload && ((place, object, update) => offload.errorsIn({ server, place }, object, update));
  }

  async mutate(object: KubeObject, old?: KubeObject): Promise<void> {
    const given = this.#reservations.giveBack();
    if (given !== undefined) await given;
    const request = this.#request(object, old);
    await this.context.server.admission.mutate(request);
    if (request.object !== undefined) this.#window?.apply(object, request.object);
  }

  async validate(object: KubeObject | undefined, old?: KubeObject): Promise<void> {
    const given = this.#reservations.giveBack();
    if (given !== undefined) await given;
    if (this.#first !== undefined) await this.#first();
    const { admission } = this.context.server;
    const request = this.#request(object, old);
    // What is deleted cannot be changed, but those who change objects are asked as well.
    if (object === undefined) await admission.mutate(request);
    this.#reservations = await admission.validate(request);
  }

  /** Keeps what was set aside, unless nothing was really written. */
  written(): void {
    if (!this.dryRun) this.#reservations = NOTHING;
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.context.warnings !== undefined) append(this.context.warnings, this.warnings);
    return this.#reservations.giveBack() ?? GIVEN_BACK;
  }

  #request(object: KubeObject | undefined, old: KubeObject | undefined): AdmissionRequest {
    const window = this.#window;
    const metadata = (object ?? old)?.metadata;
    if (window === undefined) return new GateRequest(this, metadata, { object, old });
    const shown = { object: object && window.show(object), old: old && window.show(old) };
    return new GateRequest(this, metadata, shown);
  }
}

const NOTHING = new Reservations([]);
const GIVEN_BACK = Promise.resolve();

/** What plugins see of a write. Two are made for each: what few ask for is made when they do. */
class GateRequest implements AdmissionRequest {
  readonly operation: Operation;
  readonly resource: Resource;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  declare readonly object?: KubeObject;
  declare readonly old?: KubeObject;
  readonly server: ServerParts;
  readonly round = new Round();
  readonly #gate: AdmissionGate;

  constructor(
    gate: AdmissionGate,
    metadata: Meta | undefined,
    { object, old }: { readonly object: KubeObject | undefined; readonly old: KubeObject | undefined },
  ) {
    const { resource, info, user, server } = gate.context;
    this.operation = gate.operation;
    this.resource = resource;
    this.subresource = info.subresource;
    this.namespace = resource.namespaced ? (metadata?.namespace ?? info.namespace) : '';
    this.name = metadata?.name ?? info.name;
    this.user = user;
    this.dryRun = gate.dryRun;
    if (object !== undefined) this.object = object;
    if (old !== undefined) this.old = old;
    this.server = server;
    this.#gate = gate;
  }

  readonly warn = (text: string): void => void this.#gate.warnings.push(text);

  readonly audit = (key: string, value: string): void => void this.#gate.context.annotations?.set(key, value);

  get generateName(): string | undefined {
    return this.object?.metadata.generateName;
  }

  get addressed(): string {
    return this.#gate.context.info.name;
  }

  /** CreateOptions, UpdateOptions or DeleteOptions: a patch is one of the first two. */
  get options(): Readonly<Record<string, unknown>> {
    const { operation } = this;
    const { query } = this.#gate.context.info;
    const texts = ['fieldManager', 'fieldValidation'].flatMap((name) => {
      const value = query.get(name);
      return operation === 'DELETE' || value === null || value === '' ? [] : [[name, value] as const];
    });
    return {
      kind: `${operation[0]}${operation.slice(1).toLowerCase()}Options`,
      apiVersion: 'meta.k8s.io/v1',
      ...Object.fromEntries(texts),
      ...deleteOptions(this.#gate.deleting),
      ...(this.dryRun && { dryRun: ['All'] }),
    };
  }
}

function deleteOptions({
  gracePeriodSeconds,
  propagationPolicy,
  uid,
  resourceVersion,
}: DeleteRequest): JsonObject {
  return {
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(propagationPolicy !== undefined && { propagationPolicy }),
    ...((uid ?? resourceVersion) !== undefined && {
      preconditions: {
        ...(uid !== undefined && { uid }),
        ...(resourceVersion !== undefined && { resourceVersion }),
      },
    }),
  };
}

/** For what is created below another object and not kept: bindings, evictions, requests for tokens. */
export async function admitCreation(context: ResourceContext, object: KubeObject): Promise<void> {
  const { info, resource } = context;
  const metadata = (object.metadata ??= {});
  if ((metadata.name ?? '') === '') metadata.name = info.name;
  if (resource.namespaced && (metadata.namespace ?? '') === '') metadata.namespace = info.namespace;
  await using gate = new AdmissionGate(context, 'CREATE');
  await gate.mutate(object);
  await gate.validate(object);
  gate.written();
}

/** For requests that are passed on to somebody else: admission sees what is asked for, a kind like PodExecOptions. */
export async function admitConnection(context: ResourceContext, options: JsonObject): Promise<void> {
  const { resource, info, user, server } = context;
  const request: AdmissionRequest = {
    operation: 'CONNECT',
    resource,
    subresource: info.subresource,
    namespace: resource.namespaced ? info.namespace : '',
    name: info.name,
    user,
    dryRun: false,
    // It has no metadata on the wire, but whoever looks at labels must find none instead of failing.
    object: Object.defineProperty({ ...options }, 'metadata', { value: {}, enumerable: false }) as KubeObject,
    server,
    warn: () => {},
    audit: (key, value) => void context.annotations?.set(key, value),
    round: new Round(),
  };
  await server.admission.mutate(request);
  await (await server.admission.validate(request)).giveBack();
}
