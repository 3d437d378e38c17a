/** Records of who did what, as audit.k8s.io/v1 Events (https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/). */
import { rfc3339Micro } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../api/json.ts';
import { statusOf } from '../../api/status.ts';
import type { ApiResponse, UserInfo } from '../../api/transport.ts';
import { attributesOf } from '../authorization/authorizer.ts';
import { auditId } from '../answer-headers.ts';
import type { Handler, RequestContext } from '../context.ts';
import { wholeBody, ListBody } from '../list-body.ts';
import { PROTOBUF } from '../negotiate.ts';
import { decodeProtobuf, openEnvelope } from '../protobuf.ts';
import { statusResponse } from '../respond.ts';
import { STAGES, type AuditDecision, type AuditPolicy, type AuditStage } from './policy.ts';

/** Takes events; must not throw. A promise holds the request up; when it is rejected as a request arrives, that fails. */
export interface AuditSink extends AsyncDisposable {
  record(event: JsonObject): void | Promise<void>;
}

export interface AuditOptions {
  readonly policy: AuditPolicy;
  readonly sinks: readonly AuditSink[];
}

/** Records the requests that pass, before anybody has become somebody else. */
export function auditHandler({ policy, sinks }: AuditOptions): Handler {
  return async (context, next) => {
    const decision = policy.decide(attributesOf(context.user, context.info));
    if (decision.level === 'None') return await next();
    const record = new AuditRecord(context, decision, sinks);
    context.annotations = new Map();
    try {
      await record.stage('RequestReceived');
    } catch {
      const failure = new PlatformError('internal', 'failed to store audit event');
      return statusResponse(statusOf(failure), context.request.headers['accept']);
    }
    let response: ApiResponse;
    try {
      response = await next();
    } catch (error) {
      // Failures are answers further in: only a bug comes out here.
      await record.stage('Panic', 500);
      throw error;
    }
    return await record.answered(response);
  };
}

class AuditRecord {
  readonly #context: RequestContext;
  readonly #decision: AuditDecision;
  readonly #sinks: readonly AuditSink[];
  readonly #id: string;
  readonly #received: number;
  readonly #user: UserInfo;

  constructor(context: RequestContext, decision: AuditDecision, sinks: readonly AuditSink[]) {
    this.#context = context;
    this.#decision = decision;
    this.#sinks = sinks;
    const { server } = context;
    this.#id = auditId(context);
    this.#received = server.clock.now();
    this.#user = context.user;
  }

  async answered(response: ApiResponse): Promise<ApiResponse> {
    const { body, status } = response;
    if (body instanceof Uint8Array || body instanceof ListBody) {
      const whole = this.#wants('RequestResponse') ? await wholeBody(body) : body;
      await this.stage('ResponseComplete', status, whole instanceof Uint8Array ? whole : undefined);
      return { ...response, body: whole };
    }
    await this.stage('ResponseStarted', status);
    return { ...response, body: this.#untilDone(body, status) };
  }

  async *#untilDone(body: AsyncIterable<Uint8Array>, status: number): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
    } finally {
      await this.stage('ResponseComplete', status);
    }
  }

  #wants(level: 'Request' | 'RequestResponse'): boolean {
    return this.#decision.level === 'RequestResponse' || this.#decision.level === level;
  }

  /** Undefined when nobody is waited for. */
  stage(stage: AuditStage, code?: number, responseBody?: Uint8Array): Promise<unknown> | undefined {
    if (this.#decision.omitStages.has(stage)) return undefined;
    const event = this.#event(stage, code, responseBody);
    const waits = this.#sinks.map((sink) => sink.record(event)).filter((done) => done !== undefined);
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  #event(stage: AuditStage, code: number | undefined, responseBody: Uint8Array | undefined): JsonObject {
    const { request, info, user, constraint, server, annotations } = this.#context;
    const later = stage !== STAGES[0];
    const sent =
      later && this.#wants('Request')
        ? this.#object(request.body, request.headers['content-type'])
        : undefined;
    // Of what went well, the body is looked at only where it is asked for.
    const looks = this.#wants('RequestResponse') || (code ?? 0) >= 400;
    const answer = looks ? this.#object(responseBody, 'application/json') : undefined;
    const failed =
      answer !== undefined && isJsonObject(answer) && answer['kind'] === 'Status' ? answer : undefined;
    return {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: this.#decision.level,
      auditID: this.#id,
      stage,
      requestURI: request.url,
      verb: info.verb,
      user: userOf(this.#user),
      ...(user !== this.#user && { impersonatedUser: userOf(user) }),
      ...(constraint !== undefined && { authenticationMetadata: { impersonationConstraint: constraint } }),
      ...(request.headers['user-agent'] !== undefined && { userAgent: request.headers['user-agent'] }),
      ...(info.isResource && { objectRef: this.#reference() }),
      ...(code !== undefined && {
        responseStatus: { metadata: {}, ...(failed !== undefined && answeredStatus(failed)), code },
      }),
      ...(sent !== undefined && { requestObject: sent }),
      ...(answer !== undefined && this.#wants('RequestResponse') && { responseObject: answer }),
      requestReceivedTimestamp: rfc3339Micro(this.#received),
      stageTimestamp: rfc3339Micro(server.clock.now()),
      ...(later &&
        annotations !== undefined &&
        annotations.size > 0 && { annotations: Object.fromEntries(annotations) }),
    };
  }

  #reference(): JsonObject {
    const { resource, namespace, name, group, version, subresource } = this.#context.info;
    const facts = { resource, namespace, name, apiGroup: group, apiVersion: version, subresource };
    return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== ''));
  }

  /** What cannot be read is left out: the event says that the request was made. */
  #object(body: Uint8Array | undefined, contentType: string | undefined): JsonValue | undefined {
    if (body === undefined || body.length === 0) return undefined;
    try {
      const object = contentType?.startsWith(PROTOBUF) === true ? this.#fromProtobuf(body) : parsed(body);
      if (this.#decision.omitManagedFields) withoutOwners(object);
      return object;
    } catch {
      return undefined;
    }
  }

  #fromProtobuf(body: Uint8Array): JsonValue | undefined {
    const { info, server } = this.#context;
    const wire = server.resources.find(info.group, info.version, info.resource)?.type.wire;
    return wire === undefined ? undefined : decodeProtobuf(openEnvelope(body, wire.kind), wire);
  }
}

function parsed(body: Uint8Array): JsonValue {
  return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')) as JsonValue;
}

function withoutOwners(object: JsonValue | undefined): void {
  if (!isJsonObject(object)) return;
  if (isJsonObject(object['metadata'])) delete object['metadata']['managedFields'];
  if (Array.isArray(object['items'])) for (const item of object['items']) withoutOwners(item);
}

function userOf({ name, groups, uid, extra }: UserInfo): JsonObject {
  return {
    username: name,
    ...(uid !== undefined && { uid }),
    groups: [...groups],
    ...(extra !== undefined && {
      extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
    }),
  };
}

function answeredStatus({ status, message, reason, details }: JsonObject): JsonObject {
  return { status: status ?? '', message: message ?? '', reason: reason ?? '', details: details ?? {} };
}
