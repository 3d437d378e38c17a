/** One call of one admission webhook, and what its answer means. */
import { errorMessage, isPlatformError, PlatformError } from '../../../../base/errors.ts';
import { uuid } from '../../../../base/random.ts';
import {
  getPath,
  isJsonObject,
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../../../api/json.ts';
import { jsonPatch } from '../../../api/patch.ts';
import { badRequest } from '../../failure.ts';
import type { KubeObject } from '../../object.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import { inVersion } from '../matching/equivalent.ts';
import { reviewRequest } from '../matching/review-request.ts';
import type { Webhook } from './configurations.ts';

const REVIEW = { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' };

export interface CallOptions {
  /** The version that the webhook wants to see. */
  readonly as: Resource;
  readonly type: 'admit' | 'validating';
}

/** Asks; resolves with the object as a webhook wants it that lets the request through, and throws for one that does not. */
export async function callWebhook(
  request: AdmissionRequest,
  webhook: Webhook,
  { as, type }: CallOptions,
): Promise<KubeObject | undefined> {
  const { observer } = request.server.admission;
  const start = observer?.now() ?? 0;
  let rejected = true;
  try {
    const changed = await call(request, webhook, as);
    rejected = false;
    return changed;
  } finally {
    observer?.webhook(webhook.name, { operation: request.operation, type, rejected, start });
  }
}

async function call(
  request: AdmissionRequest,
  webhook: Webhook,
  as: Resource,
): Promise<KubeObject | undefined> {
  const { dryRun, server } = request;
  if (dryRun && webhook.hasSideEffects) {
    throw badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
  }
  const uid = uuid(server.random);
  const object = request.object && (await inVersion(request, request.object, as));
  const old = request.old && (await inVersion(request, request.old, as));
  const review = { ...REVIEW, request: reviewRequest(request, { resource: as, uid, object, old }) };
  const answer = await ask(webhook, request, review);
  const response = checkedResponse(answer, uid);
  for (const [key, value] of Object.entries(objectAt(response, 'auditAnnotations'))) {
    request.audit(`${webhook.name}/${key}`, textOf(value));
  }
  for (const warning of listAt(response, 'warnings')) request.warn(textOf(warning));
  if (response['allowed'] !== true) throw denial(webhook.name, response);
  const patch = stringAt(response, 'patch');
  return patch === '' || object === undefined ? undefined : patched(object, patch);
}

/** `failed calling webhook …`: what a failure policy is about. */
export class CallFailure extends PlatformError {
  constructor(webhook: string, why: string) {
    const message = `Internal error occurred: failed calling webhook ${JSON.stringify(webhook)}: ${why}`;
    super('internal', message, {
      details: {
        status: {
          kind: 'Status',
          apiVersion: 'v1',
          metadata: {},
          status: 'Failure',
          message,
          reason: 'InternalError',
          details: { causes: [{ message: `failed calling webhook ${JSON.stringify(webhook)}: ${why}` }] },
          code: 500,
        },
      },
    });
  }
}

async function ask(webhook: Webhook, { server }: AdmissionRequest, review: JsonObject): Promise<JsonObject> {
  if (!webhook.versions.includes('v1')) {
    throw new CallFailure(
      webhook.name,
      `webhook does not accept known AdmissionReview versions (v1): it takes ${webhook.versions.join(', ')}`,
    );
  }
  const { placeOf, post } = await import('../../webhooks/client.ts');
  const { clock } = server;
  try {
    const place = placeOf(webhook.clientConfig, server);
    const { timeoutSeconds } = webhook;
    return await post({ place, body: review, timeoutSeconds, clock, showTimeout: true });
  } catch (error) {
    if (!isPlatformError(error)) throw error;
    throw new CallFailure(webhook.name, `failed to call webhook: ${errorMessage(error)}`);
  }
}

class BadAnswer extends Error {}

function checkedResponse(answer: JsonObject, uid: string): JsonObject {
  if (answer['kind'] !== REVIEW.kind || answer['apiVersion'] !== REVIEW.apiVersion) {
    const got = `${stringAt(answer, 'apiVersion')}, Kind=${stringAt(answer, 'kind')}`;
    throw new BadAnswer(`expected webhook response of ${REVIEW.apiVersion}, Kind=${REVIEW.kind}, got ${got}`);
  }
  const response = answer['response'];
  if (!isJsonObject(response)) throw new BadAnswer('webhook response was absent');
  const got = stringAt(response, 'uid');
  if (got !== uid) throw new BadAnswer(`expected response.uid="${uid}", got ${JSON.stringify(got)}`);
  const hasPatch = stringAt(response, 'patch') !== '';
  const type = stringAt(response, 'patchType');
  if (hasPatch && type === '')
    throw new BadAnswer('webhook returned response.patch but not response.patchType');
  if (!hasPatch && type !== '')
    throw new BadAnswer('webhook returned response.patchType but not response.patch');
  if (hasPatch && type !== 'JSONPatch') {
    throw new BadAnswer(`webhook returned invalid response.patchType of ${JSON.stringify(type)}`);
  }
  return response;
}

/** The webhook has answered what it must not. */
export function answerFailure(webhook: Webhook, error: unknown): unknown {
  if (!(error instanceof BadAnswer)) return error;
  return new CallFailure(webhook.name, `received invalid webhook response: ${error.message}`);
}

function patched(object: KubeObject, patch: string): KubeObject | undefined {
  let result: unknown;
  try {
    const steps = JSON.parse(Buffer.from(patch, 'base64').toString('utf8')) as JsonObject[];
    result = jsonPatch(structuredClone(object), steps);
  } catch (error) {
    throw new BadAnswer(`the patch cannot be applied: ${errorMessage(error)}`);
  }
  if (!isJsonObject(result)) throw new BadAnswer('the patch makes something that is not an object');
  return jsonEqual(result, object) ? undefined : (result as KubeObject);
}

function denial(name: string, response: JsonObject): PlatformError {
  const said = objectAt(response, 'status');
  const by = `admission webhook ${JSON.stringify(name)} denied the request`;
  const reason = stringAt(said, 'reason');
  const text = stringAt(said, 'message');
  const message =
    text !== '' ? `${by}: ${text}` : reason !== '' ? `${by}: ${reason}` : `${by} without explanation`;
  const code = numberAt(said, 'code') ?? 0;
  const details = getPath(said, 'details');
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    ...(reason !== '' && { reason }),
    ...(details !== undefined && { details }),
    // An answer that says no with a code of success still says no.
    code: code < 400 ? 400 : code,
  };
  return new PlatformError('forbidden', message, { details: { status } });
}
