/** Records of who did what, as audit.k8s.io/v1 Events (https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/). */
import { rfc3339Micro } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { joinInSlices } from '../../../base/join-in-slices.ts';
import { LARGE_BYTES } from '../../../base/yield-to-loop.ts';
import type { JsonObject } from '../../api/json.ts';
import { statusOf } from '../../api/status.ts';
import type { ApiResponse, UserInfo } from '../../api/transport.ts';
import { attributesOf } from '../authorization/authorizer.ts';
import { auditId } from '../encoding/answer-headers.ts';
import type { Handler, RequestContext } from '../context.ts';
import { ListBody } from '../encoding/list-body.ts';
import { isWide } from '../offload/wide.ts';
import { isLongRunning } from '../request-info.ts';
import { statusResponse } from '../encoding/respond.ts';
import { STAGES, type AuditDecision, type AuditPolicy, type AuditStage } from './policy.ts';
import { recordedBody, responseStatus, type BodyToRecord } from './recorded-body.ts';

/** Longer bodies are not read here, however few values they have. */
const LONG_BYTES = 256 * 1024;

const COMMA = Buffer.from(',');
const END = Buffer.from('}\n');
const NEWLINE = 10;

export interface AuditEvent {
  readonly stage: AuditStage;
  /** JSON in one line, with its end. */
  readonly line: Uint8Array;
}

/** Takes events; must not throw. A promise holds the request up; when it is rejected as a request arrives, that fails. */
export interface AuditSink extends AsyncDisposable {
  record(event: AuditEvent): void | Promise<void>;
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
      await record.stage('Panic', { status: 500 });
      throw error;
    }
    return await record.answered(response);
  };
}

/** An answer, as far as it is there when it is recorded. */
interface Answered {
  readonly status: number;
  readonly contentType?: string | undefined;
  /** Of its body; none where nobody keeps it. */
  readonly pieces?: readonly Uint8Array[];
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
    const { body, status, headers } = response;
    const contentType = headers['content-type'];
    if (body instanceof ListBody && this.#wants('RequestResponse')) {
      const pieces: Uint8Array[] = [];
      for await (const piece of body) pieces.push(piece);
      await this.stage('ResponseComplete', { status, contentType, pieces });
      return { ...response, body: body.made(pieces) };
    }
    if (body instanceof Uint8Array || body instanceof ListBody) {
      const pieces = body instanceof Uint8Array ? [body] : [];
      await this.stage('ResponseComplete', { status, contentType, pieces });
      return response;
    }
    await this.stage('ResponseStarted', { status });
    return { ...response, body: this.#untilDone(body, status) };
  }

  async *#untilDone(body: AsyncIterable<Uint8Array>, status: number): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
    } finally {
      await this.stage('ResponseComplete', { status });
    }
  }

  #wants(level: 'Request' | 'RequestResponse'): boolean {
    return this.#decision.level === 'RequestResponse' || this.#decision.level === level;
  }

  async stage(stage: AuditStage, answer?: Answered): Promise<void> {
    if (this.#decision.omitStages.has(stage)) return;
    const event = { stage, line: await this.#line(stage, answer) };
    await Promise.all(this.#sinks.map(async (sink) => await sink.record(event)));
  }

  /** The facts of the event, and behind them the members that come from bodies, which may be long. */
  async #line(stage: AuditStage, answer: Answered | undefined): Promise<Buffer> {
    const parts: Uint8Array[] = [Buffer.from(JSON.stringify(this.#facts(stage)).slice(0, -1))];
    if (answer !== undefined) {
      const sent = await this.#sent();
      if (sent !== undefined) parts.push(COMMA, sent);
      parts.push(COMMA, ...(await this.#answer(answer)));
    }
    return await joinInSlices([...parts, END]);
  }

  #facts(stage: AuditStage): JsonObject {
    const { request, info, user, constraint, server, annotations } = this.#context;
    const later = stage !== STAGES[0];
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

  async #sent(): Promise<Uint8Array | undefined> {
    const { request, info } = this.#context;
    const { body, headers } = request;
    // What goes through a connection is not for this server.
    if (body === undefined || body.length === 0 || isLongRunning(info) || !this.#wants('Request'))
      return undefined;
    return await this.#read([body], { contentType: headers['content-type'], whole: true });
  }

  async #answer({ status, contentType = '', pieces = [] }: Answered): Promise<readonly Uint8Array[]> {
    const whole = this.#wants('RequestResponse');
    const failed = status >= 400;
    if (whole && !failed && !this.#decision.omitManagedFields && contentType.startsWith('application/json')) {
      const lined = inOneLine(pieces);
      if (lined !== undefined) return [Buffer.from(`${plainStatus(status)},"responseObject":`), ...lined];
    }
    // Of what went well, the body is looked at only where it is asked for.
    const read = whole || failed ? await this.#read(pieces, { contentType, whole, code: status }) : undefined;
    return [read ?? Buffer.from(plainStatus(status))];
  }

  /** Members of the event. What cannot be read, or is another server's, is left out: the event says that the request was made. */
  async #read(
    pieces: readonly Uint8Array[],
    how: Omit<BodyToRecord, 'omitManagedFields'>,
  ): Promise<Uint8Array | undefined> {
    const { offload, limits } = this.#context.server;
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length === 0 || this.#context.verbatim === true) return undefined;
    const body = await joinInSlices(pieces);
    const isLong = length > LONG_BYTES || isWide(body, limits.wideValues);
    const wanted = { ...how, omitManagedFields: this.#decision.omitManagedFields };
    try {
      const object = await (isLong && offload !== undefined
        ? offload.record(body, wanted)
        : recordedBody(body, wanted));
      return object.subarray(1, -1);
    } catch {
      return undefined;
    }
  }
}

function plainStatus(code: number): string {
  return JSON.stringify({ responseStatus: responseStatus(code) }).slice(1, -1);
}

/** JSON of this server in one line, if it is one; undefined too where it is short, and may be a Status. */
function inOneLine(pieces: readonly Uint8Array[]): readonly Uint8Array[] | undefined {
  const last = pieces.at(-1);
  if (last === undefined || pieces.reduce((sum, { length }) => sum + length, 0) < LARGE_BYTES)
    return undefined;
  const line = last.at(-1) === NEWLINE ? [...pieces.slice(0, -1), last.subarray(0, -1)] : pieces;
  return line.some((piece) => piece.includes(NEWLINE)) ? undefined : line;
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
