/** What a program that converts is asked, and what of its answer upstream does not take (apiextensions.k8s.io/v1 ConversionReview). */
import { PlatformError } from '../../../base/errors.ts';
import { formatFieldErrors, goQuote } from '../../api/field-error.ts';
import { jsonTypeName } from '../../api/go-errors.ts';
import { isJsonObject, objectAt, stringAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import { apiVersionOf, kindSchema, parseApiVersion } from '../../api/schema.ts';
import { validateAnnotations, validateLabels } from '../../api/validate/metadata.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import { unexplained } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import type { Answered } from '../webhooks/json-exchange.ts';
import { readReview } from '../webhooks/review-answer.ts';
import { REVIEW_VERSIONS } from '../webhooks/review-versions.ts';

const GROUP = 'apiextensions.k8s.io';
const KIND = 'ConversionReview';

/** The apiVersion that the program is asked in, which is the first of its versions that is known; undefined where none is. */
export function reviewVersion(versions: readonly string[]): string | undefined {
  const version = versions.find((one) => REVIEW_VERSIONS.includes(one));
  return version === undefined ? undefined : apiVersionOf(GROUP, version);
}

/** JSON of a ConversionReview. */
export function reviewOf(
  objects: readonly CachedObject[],
  apiVersion: string,
  request: { readonly uid: string; readonly desiredAPIVersion: string },
): Buffer {
  const open = `${JSON.stringify({ kind: KIND, apiVersion, request }).slice(0, -2)},"objects":[`;
  // Upstream sends where the answer is to be.
  const close = ']},"response":{"uid":"","convertedObjects":null,"result":{"metadata":{}}}}';
  const length = objects.reduce((sum, object) => sum + object.lengthAs('whole') + 1, -1);
  const review = Buffer.allocUnsafeSlow(open.length + length + close.length);
  let at = review.write(open, 'latin1');
  for (const [i, object] of objects.entries()) {
    if (i > 0) at += review.write(',', at, 'latin1');
    at = object.writeInto(review, at, 'whole');
  }
  review.write(close, at, 'latin1');
  return review;
}

/** What the program answers to the question, as far as that is known here. */
export async function responseIn(answer: Answered, question: JsonObject): Promise<JsonObject> {
  const apiVersion = stringAt(question, 'apiVersion');
  const { version } = parseApiVersion(apiVersion);
  // What there is of the older version looks like the newer.
  const schema = { ...kindSchema(GROUP, 'v1', KIND)!, version };
  const review = await readReview(answer, schema);
  // The older version never said what an answer must have.
  const isStrict = version === 'v1';
  const [kind, got] = [stringAt(review, 'kind'), stringAt(review, 'apiVersion')];
  if (isStrict && (kind !== KIND || got !== apiVersion)) {
    const wanted = `${apiVersion}, Kind=${KIND}`;
    throw new PlatformError(
      'invalid',
      `expected webhook response of ${wanted}, got ${got || '/'}, Kind=${kind}`,
    );
  }
  const { response } = review;
  if (!isJsonObject(response)) throw new PlatformError('invalid', 'no response provided');
  const [uid, theirs] = [stringAt(question, 'request', 'uid'), stringAt(response, 'uid')];
  if (isStrict && theirs !== uid)
    throw new PlatformError('invalid', `expected response.uid=${goQuote(uid)}, got ${goQuote(theirs)}`);
  const status = stringAt(response, 'result', 'status');
  if (status !== 'Success') {
    const why = `response.result.status was '${status}', not 'Success'`;
    throw new PlatformError('invalid', stringAt(response, 'result', 'message') || why);
  }
  return response;
}

/** Of an object that is none, in characters. */
const MAX_SHOWN = 4096;

export function asObject(made: unknown): JsonObject {
  if (isJsonObject(made)) {
    if (stringAt(made, 'kind') === '')
      throw unexplained(`Object 'Kind' is missing in '${JSON.stringify(made).slice(0, MAX_SHOWN)}'`);
    return made;
  }
  if (made === null) throw unexplained('unexpected end of JSON input');
  const type = jsonTypeName(made as JsonValue);
  throw unexplained(`json: cannot unmarshal ${type} into Go value of type map[string]interface {}`);
}

/** What upstream has against it, as the end of a sentence. */
export function problemOf(
  made: JsonObject,
  { kind, metadata }: KubeObject,
  { target, index }: { readonly target: string; readonly index: number },
): string | undefined {
  const gotVersion = stringAt(made, 'apiVersion');
  if (gotVersion !== target)
    return `object at index ${index}: invalid groupVersion (expected ${target}, received ${gotVersion})`;
  const gotKind = stringAt(made, 'kind');
  if (gotKind !== kind)
    return `object at index ${index}: invalid kind (expected ${kind}, received ${gotKind})`;
  const theirs = objectAt(made, 'metadata');
  for (const field of ['name', 'namespace', 'uid']) {
    const [ours, got] = [stringAt(metadata, field), stringAt(theirs, field)];
    if (ours === got) continue;
    return `object: must have the same ${field === 'uid' ? 'UID' : field}: ${ours} != ${got}`;
  }
  const { labels, annotations } = theirs;
  const wrong = [...wrongTexts(theirs, 'labels'), ...wrongTexts(theirs, 'annotations')];
  if (wrong[0] !== undefined) return `metadata: ${wrong[0]}`;
  const ofLabels = validateLabels(labels, 'metadata.labels');
  const errors = ofLabels.length > 0 ? ofLabels : validateAnnotations(annotations, 'metadata.annotation');
  return errors.length === 0 ? undefined : `metadata: ${formatFieldErrors(errors)}`;
}

function wrongTexts(metadata: JsonObject, field: 'labels' | 'annotations'): readonly string[] {
  return Object.entries(objectAt(metadata, field)).flatMap(([key, value]) =>
    typeof value === 'string'
      ? []
      : [`metadata.${field}[${key}] must be a string, but is ${goTypeOf(value ?? null)} in converted object`],
  );
}

/** The type that Go's reader of JSON makes. */
function goTypeOf(value: JsonValue): string {
  if (value === null) return '<nil>';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  return Array.isArray(value) ? '[]interface {}' : 'map[string]interface {}';
}

/** Everything but labels and annotations of the metadata is as it was. */
export function withMetadataOf({ metadata }: KubeObject, made: JsonObject): JsonObject {
  const { labels: _labels, annotations: _annotations, ...kept } = metadata;
  const { labels, annotations } = objectAt(made, 'metadata');
  const restored = {
    ...kept,
    ...(labels !== undefined && { labels }),
    ...(annotations !== undefined && { annotations }),
  };
  return { ...made, metadata: restored };
}
