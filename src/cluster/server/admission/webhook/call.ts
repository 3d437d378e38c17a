/** One call of one admission webhook, and what its answer means. */
import { errorMessage, isPlatformError, PlatformError } from '../../../../base/errors.ts';
import { uuid } from '../../../../base/random.ts';
import { TooLong } from '../../../../base/too-long.ts';
import { yieldToLoop } from '../../../../base/yield-to-loop.ts';
import { allowance } from '../../../api/cel/allowance.ts';
import { jsonTypeName } from '../../../api/go-errors.ts';
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
  type JsonValue,
} from '../../../api/json.ts';
import { goSyntaxError } from '../../../api/parse-in-slices.ts';
import { jsonPatch } from '../../../api/patch.ts';
import { apiVersionOf, kindSchema, parseApiVersion } from '../../../api/schema.ts';
import { badRequest } from '../../failure.ts';
import type { KubeObject } from '../../object.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import { inVersion } from '../matching/equivalent.ts';
import { reviewRequest } from '../matching/review-request.ts';
import { REVIEW_VERSIONS } from '../../webhooks/review-versions.ts';
import type { Webhook } from './configurations.ts';

const GROUP = 'admission.k8s.io';

function reviewIn(version: string): { readonly kind: string; readonly apiVersion: string } {
  return { kind: 'AdmissionReview', apiVersion: `${GROUP}/${version}` };
}

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
  beginElsewhere(request);
  const { observer } = request.server.admission;
  const start = observer?.now() ?? 0;
  let rejected = true;
  try {
    const changed = await call(request, webhook, { as, type });
    rejected = false;
    return changed;
  } finally {
    observer?.webhook(webhook.name, { operation: request.operation, type, rejected, start });
  }
}

/**
 * What is to be converted by another program may turn out to be wide, and then its request begins anew in the thread for
 * such: better before the first webhook was asked than after it. Throws TooLong.
 */
function beginElsewhere({ server, resource, object }: AdmissionRequest): void {
  const { group, version, conversion } = resource;
  const stored = conversion?.program?.stored;
  if (object === undefined || stored === undefined || stored === apiVersionOf(group, version)) return;
  if (server.offload !== undefined && allowance() !== undefined)
    throw new TooLong('what another program converts may become wide');
}

async function call(
  request: AdmissionRequest,
  webhook: Webhook,
  { as, type }: CallOptions,
): Promise<KubeObject | undefined> {
  const { dryRun, server } = request;
  if (dryRun && webhook.hasSideEffects) {
    throw badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
  }
  const uid = uuid(server.random);
  const version = webhook.versions.find((one) => REVIEW_VERSIONS.includes(one));
  const object = request.object && (await inVersion(request, request.object, as));
  const old = request.old && (await inVersion(request, request.old, as));
  const review = {
    ...reviewIn(version ?? 'v1'),
    request: reviewRequest(request, { resource: as, uid, object, old }),
  };
  const answer = await ask(webhook, request, review);
  const response = checkedResponse(answer, { uid, type, version: version ?? 'v1' });
  for (const [key, value] of Object.entries(objectAt(response, 'auditAnnotations'))) {
    request.audit(`${webhook.name}/${key}`, textOf(value));
  }
  for (const warning of listAt(response, 'warnings')) request.warn(textOf(warning));
  if (response['allowed'] !== true) throw denial(webhook.name, response);
  const patch = stringAt(response, 'patch');
  if (patch === '' || type === 'validating') return undefined;
  const steps = stepsOf(patch, webhook);
  if (steps.length === 0) return undefined;
  if (object === undefined) {
    const by = `admission webhook ${JSON.stringify(webhook.name)}`;
    throw internalError(`${by} attempted to modify the object, which is not supported for this operation`);
  }
  const patchType = stringAt(response, 'patchType');
  if (patchType !== 'JSONPatch')
    throw new CallFailure(webhook.name, `unsupported patch type ${JSON.stringify(patchType)}`);
  return patched(object, steps);
}

/** `failed calling webhook …`: what a failure policy is about. */
export class CallFailure extends PlatformError {
  constructor(webhook: string, why: string) {
    const { message, details } = internalError(`failed calling webhook ${JSON.stringify(webhook)}: ${why}`);
    super('internal', message, { details });
  }
}

async function ask(webhook: Webhook, { server }: AdmissionRequest, review: JsonObject): Promise<JsonObject> {
  if (!webhook.versions.some((version) => REVIEW_VERSIONS.includes(version))) {
    throw new CallFailure(
      webhook.name,
      'webhook does not accept known AdmissionReview versions (v1, v1beta1)',
    );
  }
  const { version } = parseApiVersion(stringAt(review, 'apiVersion'));
  const { post } = await import('../../webhooks/client.ts');
  const { readReview } = await import('../../webhooks/review-answer.ts');
  const { clientConfig, timeoutSeconds } = webhook;
  // To open a connection for the first time takes some milliseconds.
  await yieldToLoop();
  try {
    const answer = await post({ clientConfig, body: review, timeoutSeconds }, server);
    return await readReview(answer, kindSchema(GROUP, version, 'AdmissionReview')!);
  } catch (error) {
    if (!isPlatformError(error)) throw error;
    throw new CallFailure(webhook.name, `failed to call webhook: ${errorMessage(error)}`);
  }
}

class BadAnswer extends Error {}

function checkedResponse(
  answer: JsonObject,
  {
    uid,
    type,
    version,
  }: { readonly uid: string; readonly type: CallOptions['type']; readonly version: string },
): JsonObject {
  const response = answer['response'];
  if (!isJsonObject(response)) throw new BadAnswer('webhook response was absent');
  // The older version never said what an answer must have.
  if (version !== 'v1') return { ...response, patchType: 'JSONPatch' };
  const got = stringAt(response, 'uid');
  if (got !== uid) throw new BadAnswer(`expected response.uid="${uid}", got ${JSON.stringify(got)}`);
  const { kind, apiVersion } = reviewIn(version);
  if (answer['kind'] !== kind || answer['apiVersion'] !== apiVersion) {
    const got = `${stringAt(answer, 'apiVersion') || '/'}, Kind=${stringAt(answer, 'kind')}`;
    throw new BadAnswer(`expected webhook response of ${apiVersion}, Kind=${kind}, got ${got}`);
  }
  const hasPatch = stringAt(response, 'patch') !== '';
  const hasType = response['patchType'] !== undefined && response['patchType'] !== null;
  if (type === 'validating' && hasPatch)
    throw new BadAnswer('validating webhook may not return response.patch');
  if (type === 'validating' && hasType)
    throw new BadAnswer('validating webhook may not return response.patchType');
  if (hasPatch && !hasType) throw new BadAnswer('webhook returned response.patch but not response.patchType');
  if (!hasPatch && hasType) throw new BadAnswer('webhook returned response.patchType but not response.patch');
  if (response['patchType'] === '') throw new BadAnswer('webhook returned invalid response.patchType of ""');
  return response;
}

/** The webhook has answered what it must not. */
export function answerFailure(webhook: Webhook, error: unknown): unknown {
  if (!(error instanceof BadAnswer)) return error;
  return new CallFailure(webhook.name, `received invalid webhook response: ${error.message}`);
}

/** Whatever the failure policy says: the webhook was reached, and what it wants cannot be done. */
export function internalError(why: string): PlatformError {
  const message = `Internal error occurred: ${why}`;
  const causes = [{ message: why }];
  const head = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message };
  const status = { ...head, reason: 'InternalError', details: { causes }, code: 500 };
  return new PlatformError('internal', message, { details: { status } });
}

function stepsOf(patch: string, { name }: Webhook): JsonValue[] {
  const bytes = Buffer.from(patch, 'base64');
  const fail = (why: string): CallFailure =>
    new CallFailure(name, `received undecodable patch in webhook response: ${why}`);
  let steps: JsonValue;
  try {
    steps = JSON.parse(bytes.toString('utf8')) as JsonValue;
  } catch (error) {
    throw fail(goSyntaxError(bytes.toString('latin1')) ?? errorMessage(error));
  }
  if (Array.isArray(steps)) return steps;
  if (steps === null) return [];
  throw fail(`json: cannot unmarshal ${jsonTypeName(steps)} into Go value of type jsonpatch.Patch`);
}

function patched(object: KubeObject, steps: JsonValue[]): KubeObject | undefined {
  let result: unknown;
  try {
    result = jsonPatch(structuredClone(object), steps);
  } catch (error) {
    throw internalError(errorMessage(error));
  }
  if (!isJsonObject(result)) throw internalError('the patch makes something that is not an object');
  if (result['kind'] !== object['kind'] || result['apiVersion'] !== object['apiVersion'])
    throw internalError('the patch makes something of another kind');
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
    metadata: objectAt(said, 'metadata'),
    status: 'Failure',
    message,
    ...(reason !== '' && { reason }),
    ...(details !== undefined && { details }),
    // An answer that says no with a code of success still says no.
    code: code < 400 ? 400 : code,
  };
  return new PlatformError('forbidden', message, { details: { status } });
}
