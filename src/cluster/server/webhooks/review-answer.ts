/** What a program that is asked by reviews answers, read as Kubernetes' own client reads it and refused in its words. */
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import { decodeValue, headOf, whyRefused } from '../../api/decode.ts';
import { goQuote } from '../../api/field-error.ts';
import { stringAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import { goSyntaxError, parseText } from '../../api/parse-in-slices.ts';
import { apiVersionOf, kindSchema, parseApiVersion, type KindSchema } from '../../api/schema.ts';
import { parseYaml, yamlFailure } from '../../api/yaml.ts';
import type { Answered } from './json-exchange.ts';
import { REVIEW_VERSIONS } from './review-versions.ts';

/** What that client says to a status, where the program has no Status to say. */
const REFUSALS: Readonly<Partial<Record<number, string>>> = {
  400: 'the server rejected our request for an unknown reason',
  401: 'the server has asked for the client to provide credentials',
  404: 'the server could not find the requested resource',
  405: 'the server does not allow this method on the requested resource',
  409: 'the server reported a conflict',
  422: 'the server rejected our request due to an error in our request',
  429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
};
/** Statuses for which it repeats what was answered. */
const REPEATED: ReadonlySet<number> = new Set([403, 406, 415]);
const MAX_REPEATED_BYTES = 2048;
/** Which of its registries upstream looks in. */
const SCHEME = 'k8s.io/apiserver/pkg/util/webhook/client.go:71';
/** Kinds of meta/v1 that are of every group. */
const EVERYWHERE = new Set(['APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions', 'Status']);

/** The review that is answered. Throws `unavailable` for what is none. */
export async function readReview(answer: Answered, kind: KindSchema): Promise<JsonObject> {
  const { status, type, bytes } = answer;
  if (status < 200 || status > 206) throw unavailable(await refusal(answer));
  if (bytes.length === 0)
    throw unavailable(`0-length response with status code: ${status} and content type: ${type}`);
  try {
    const value = await parse(bytes);
    const head = headOf(value, kind.kind, bytes);
    const apiVersion = head.apiVersion || apiVersionOf(kind.group, kind.version);
    const schema = schemaOf(apiVersion, head.kind || kind.kind, kind);
    const { object } = decodeValue(value, schema, { inPlace: true });
    if (schema === kind) return object;
    const other = `${parseApiVersion(apiVersion).version}.${schema.kind}`;
    throw unavailable(`converting (${other}) to (${kind.version}.${kind.kind}): unknown conversion`);
  } catch (error) {
    const why = whyRefused(error);
    throw why === undefined ? error : unavailable(why);
  }
}

function unavailable(why: string): PlatformError {
  return new PlatformError('unavailable', why);
}

async function parse(bytes: Uint8Array): Promise<JsonValue> {
  const { buffer, byteOffset, length } = bytes;
  const text = Buffer.from(buffer, byteOffset, length);
  try {
    if (!/^\s*\{/.test(text.toString('latin1', 0, 100))) return (await parseYaml(bytes)).value;
    return (await parseText(text.toString('utf8'))) as JsonValue;
  } catch (error) {
    const why = yamlFailure(error);
    if (why !== undefined || !(error instanceof SyntaxError)) throw unavailable(why ?? errorMessage(error));
    const syntax = goSyntaxError(text.toString('latin1')) ?? errorMessage(error);
    throw unavailable(`couldn't get version/kind; json parse error: ${syntax}`);
  }
}

function schemaOf(apiVersion: string, name: string, kind: KindSchema): KindSchema {
  const { group, version } = parseApiVersion(apiVersion);
  if (group === kind.group && version === kind.version && name === kind.kind) return kind;
  const isEverywhere = apiVersion === 'v1' && EVERYWHERE.has(name);
  const known = isEverywhere || group === kind.group ? kindSchema(group, version, name) : undefined;
  if (known !== undefined) return known;
  if (group === kind.group && REVIEW_VERSIONS.includes(version) && name === kind.kind)
    return { ...kind, version };
  const where = `for version ${goQuote(apiVersion)} in scheme ${goQuote(SCHEME)}`;
  throw unavailable(`no kind ${goQuote(name)} is registered ${where}`);
}

async function refusal({ status, type, bytes }: Answered): Promise<string> {
  const text = Buffer.from(bytes.subarray(0, MAX_REPEATED_BYTES)).toString('utf8');
  const said = type === '' || type.startsWith('text/') ? text.trim() : 'unknown';
  const schema = kindSchema('', 'v1', 'Status')!;
  try {
    const body = await readReview({ request: '', status: 200, type, bytes }, schema);
    if (stringAt(body, 'status') === 'Failure') return stringAt(body, 'message');
  } catch {
    // It is no Status.
  }
  if (REPEATED.has(status)) return said;
  if (status >= 500 && REFUSALS[status] === undefined)
    return `an error on the server (${goQuote(said)}) has prevented the request from succeeding`;
  return (
    REFUSALS[status] ??
    `the server responded with the status code ${status} but did not return more information`
  );
}
