/** Bodies: size, format, kind, and what is done about fields that the schema does not know. */
import { headOf, parseLargeJson, unreadBody, type Decoded } from '../../api/decode.ts';
import {
  isJsonObject,
  jsonEqual,
  objectAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../../api/json.ts';
import { builtinType, type ObjectType } from '../../api/object-type.ts';
import { joinRepeated } from '../../api/repeated-members.ts';
import { apiVersionOf, kindSchema, parseApiVersion } from '../../api/schema.ts';
import type { ApiRequest } from '../../api/transport.ts';
import { inKeyOrder, duplicateWarnings, parseYaml, yamlFailure } from '../../api/yaml.ts';
import { badRequest, tooLarge, unsupportedMediaType } from '../failure.ts';
import { bodyFormat, type BodyFormat } from './negotiate.ts';
import type { Meta } from '../object.ts';
import { decodeProtobuf, openEnvelope } from './protobuf.ts';

export const MAX_BODY_BYTES = 3 * 1024 * 1024;

export function bodyOf(request: ApiRequest): Uint8Array {
  const body = request.body ?? new Uint8Array(0);
  if (body.length > MAX_BODY_BYTES) throw tooLarge(MAX_BODY_BYTES);
  return body;
}

/**
 * Decodes an object of `kind`; apiVersion and kind are filled in where absent and refused where different. What is of the
 * version `also` means the same.
 */
export async function decodeBody(request: ApiRequest, kind: ObjectType, also?: string): Promise<Decoded> {
  const body = bodyOf(request);
  const format = bodyFormat(request.headers['content-type']);
  const decoded = await decodeAs(format, body, kind, (value) => {
    const head = headOf(value, kind.kind, body);
    if (kind.wire === undefined) checkNamed(head, kind, body);
    checkHead(head, kind, also);
  });
  if (also !== undefined && decoded.object['apiVersion'] === also) delete decoded.object['apiVersion'];
  checkKind(decoded.object, kind);
  return decoded;
}

export async function decodeAs(
  format: BodyFormat,
  body: Uint8Array,
  kind: ObjectType,
  check: (value: JsonValue) => void = () => {},
): Promise<Decoded> {
  if (format === 'json') {
    const { value, duplicates } = await parseLargeJson(body, kind.kind);
    check(value);
    const isRepeated = duplicates.length > 0 && kind.wire !== undefined && isJsonObject(value);
    const whole = isRepeated ? joinRepeated(value, kind.wire.message) : value;
    return kind.decode(whole, { duplicates, inPlace: true });
  }
  if (format === 'yaml') {
    const { value, duplicates } = await readYaml(body, kind);
    check(value);
    const decoded = kind.decode(value, { inPlace: true });
    return { object: decoded.object, unknown: [...duplicates, ...inKeyOrder(decoded.unknown)] };
  }
  if (kind.wire === undefined) throw unsupportedMediaType(['application/json', 'application/yaml']);
  const envelope = openEnvelope(body, kind.kind);
  checkHead(envelope, kind);
  // Through the JSON decoder as well: it checks types and brings quantities and times into their form.
  return kind.decode(decodeProtobuf(envelope, kind.wire), { inPlace: true });
}

async function readYaml(body: Uint8Array, { kind }: ObjectType): ReturnType<typeof parseYaml> {
  try {
    return await parseYaml(body);
  } catch (error) {
    const why = yamlFailure(error);
    throw why === undefined ? error : unreadBody(kind, body, why);
  }
}

/** Of an object in a body that may be no good, as far as it can be read. */
export async function metadataOf(request: ApiRequest): Promise<Meta> {
  try {
    const body = bodyOf(request);
    const format = bodyFormat(request.headers['content-type']);
    const head = kindSchema('meta.k8s.io', 'v1', 'PartialObjectMetadata');
    if (format === 'protobuf' && head !== undefined) {
      return objectAt(decodeProtobuf(openEnvelope(body, head.kind), head), 'metadata');
    }
    const parsed = format === 'yaml' ? parseYaml(body) : parseLargeJson(body, 'object');
    const { value } = await parsed;
    return objectAt(value, 'metadata');
  } catch {
    return {};
  }
}

/** Says and checks which kind it is. */
export function checkKind(object: JsonObject, kind: ObjectType): void {
  checkHead(headIn(object), kind);
  nameKind(object, kind);
}

export function nameKind(object: JsonObject, kind: ObjectType): void {
  object['apiVersion'] = apiVersionOf(kind.group, kind.version);
  object['kind'] = kind.kind;
}

interface Head {
  readonly apiVersion: string;
  readonly kind: string;
}

const headIn = (object: JsonObject): Head => ({
  apiVersion: stringAt(object, 'apiVersion'),
  kind: stringAt(object, 'kind'),
});

/** What a patch has made, as `kind` has decoded it: another version of the kind is taken that has read the same. */
export function checkResult(result: JsonValue, decoded: Decoded, kind: ObjectType): void {
  const head = headIn(decoded.object);
  if (head.apiVersion === '' && kind.wire !== undefined) {
    const name = stringAt(decoded.object, 'metadata', 'name');
    // Without a version upstream decodes by the names of its own memory, which no JSON has.
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  }
  if (!readsTheSame(result, { decoded, head, kind })) checkHead(head, kind);
}

function readsTheSame(
  result: JsonValue,
  { decoded, head, kind }: { readonly decoded: Decoded; readonly head: Head; readonly kind: ObjectType },
): boolean {
  const { group, version } = parseApiVersion(head.apiVersion);
  if (kind.wire === undefined || head.kind !== kind.kind || version === kind.version) return false;
  const other = kindSchema(group, version, head.kind);
  if (other === undefined) return false;
  const { object, unknown } = builtinType(other).decode(result);
  return jsonEqual(object, decoded.object) && unknown.length === decoded.unknown.length;
}

/** What users define has to say what it is. */
function checkNamed({ apiVersion, kind: name }: Head, kind: ObjectType, body: Uint8Array): void {
  if (name === '') {
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
    throw unreadBody(kind.kind, body, `Object 'Kind' is missing in '${text}'`);
  }
  const expected = apiVersionOf(kind.group, kind.version);
  if (apiVersion === '')
    throw badRequest(`the API version in the data () does not match the expected API version (${expected})`);
}

/** What upstream's registry of all types says to an object of another one. */
function checkHead(sent: Head, kind: ObjectType, also = ''): void {
  const expected = apiVersionOf(kind.group, kind.version);
  const apiVersion = sent.apiVersion === '' || sent.apiVersion === also ? expected : sent.apiVersion;
  const name = sent.kind === '' ? kind.kind : sent.kind;
  if (apiVersion === expected && name === kind.kind) return;
  const { group, version } = parseApiVersion(apiVersion);
  const schema = kindSchema(group, version, name);
  const other = `${name} in version ${JSON.stringify(version)} cannot be handled as a ${kind.kind}`;
  if (kind.wire !== undefined && schema === undefined)
    throw badRequest(
      `${other}: no kind ${JSON.stringify(name)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/api/legacyscheme/scheme.go:30"`,
    );
  if (name === kind.kind)
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected})`,
    );
  if (kind.wire === undefined)
    throw badRequest(`${other}: the kind in the data does not match the expected kind`);
  const internal = kind.wire.message.groupVersionId.split('-')[0] ?? '';
  throw badRequest(
    `${other}: converting (${version}.${name}) to (${internal}.${kind.kind}): unknown conversion`,
  );
}

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const value = query.get('fieldValidation') ?? '';
  if (value === '') return 'Warn';
  if (value === 'Strict' || value === 'Warn' || value === 'Ignore') return value;
  throw badRequest(
    `invalid fieldValidation: ${JSON.stringify(value)}: supported values: "Ignore", "Strict", "Warn"`,
  );
}

/** The warnings to answer with; throws for Strict. */
export function checkUnknown(
  unknown: readonly string[],
  kind: ObjectType,
  query: URLSearchParams,
): readonly string[] {
  const validation = fieldValidationOf(query);
  if (unknown.length === 0 || validation === 'Ignore') return [];
  if (validation === 'Warn') return unknown.flatMap(duplicateWarnings);
  const where = `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}`;
  throw badRequest(`${where}: strict decoding error: ${unknown.join(', ')}`);
}

/** True for `dryRun=All`. */
export function isDryRun(values: readonly string[]): boolean {
  if (values.length === 0) return false;
  const given = values.filter((value) => value !== '');
  const other = given.find((value) => value !== 'All');
  if (other !== undefined)
    throw badRequest(`invalid dryRun value: ${JSON.stringify(other)}: supported values: "All"`);
  return given.length > 0;
}
