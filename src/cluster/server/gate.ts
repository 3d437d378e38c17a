/** The admission of one request's writes. */
import type { Operation } from './admission/admission.ts';
import { Reservations, type AdmissionRequest } from './admission/admission.ts';
import type { ResourceContext } from './context.ts';
import type { KubeObject } from './object.ts';
import { isDryRun } from './request-body.ts';
import type { Gate } from './writing.ts';

/**
 * Dispose it when the request is over: what plugins have set aside is given back unless `written` was called, and between
 * two tries of one write too.
 */
export class AdmissionGate implements Gate, AsyncDisposable {
  readonly warnings: string[] = [];
  /** For the audit event. */
  readonly annotations = new Map<string, string>();
  readonly #context: ResourceContext;
  readonly #operation: Operation;
  readonly #dryRun: boolean;
  #reservations = new Reservations([]);

  constructor(context: ResourceContext, operation: Operation, dryRun?: boolean) {
    this.#context = context;
    this.#operation = operation;
    this.#dryRun = dryRun ?? isDryRun(context.info.query.getAll('dryRun'));
  }

  async mutate(object: KubeObject, old?: KubeObject): Promise<void> {
    await this.#reservations.giveBack();
    await this.#context.server.admission.mutate(this.#request(object, old));
  }

  async validate(object: KubeObject | undefined, old?: KubeObject): Promise<void> {
    await this.#reservations.giveBack();
    const { admission } = this.#context.server;
    const request = this.#request(object, old);
    // What is deleted cannot be changed, but those who change objects are asked as well.
    if (object === undefined) await admission.mutate(request);
    this.#reservations = await admission.validate(request);
  }

  /** Keeps what was set aside, unless nothing was really written. */
  written(): void {
    if (!this.#dryRun) this.#reservations = new Reservations([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reservations.giveBack();
  }

  #request(object: KubeObject | undefined, old: KubeObject | undefined): AdmissionRequest {
    const { resource, info, user, server } = this.#context;
    const subject = object ?? old;
    return {
      operation: this.#operation,
      resource,
      subresource: info.subresource,
      namespace: resource.namespaced ? (subject?.metadata.namespace ?? info.namespace) : '',
      name: subject?.metadata.name ?? info.name,
      user,
      dryRun: this.#dryRun,
      ...(object !== undefined && { object }),
      ...(old !== undefined && { old }),
      server,
      warn: (text) => void this.warnings.push(text),
      audit: (key, value) => void this.annotations.set(key, value),
    };
  }
}
