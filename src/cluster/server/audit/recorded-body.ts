/** What an audit event says of a body: members of the event, as JSON in one line whatever the body came in. */
import { isJsonObject, type JsonObject, type JsonValue } from '../../api/json.ts';
import { kindSchema, parseApiVersion } from '../../api/schema.ts';
import { parseYaml } from '../../api/yaml.ts';
import { PROTOBUF } from '../encoding/negotiate.ts';
import { decodeProtobuf, openEnvelope } from '../encoding/protobuf.ts';

export interface BodyToRecord {
  readonly contentType: string | undefined;
  readonly omitManagedFields: boolean;
  /** Of an answer: its status; of a request nothing. */
  readonly code?: number;
  /** False: only what an answer says of itself. */
  readonly whole: boolean;
}

/** JSON of an object with the members. Throws for what cannot be read. */
export async function recordedBody(body: Uint8Array, how: BodyToRecord): Promise<Buffer> {
  const object = await objectIn(body, how.contentType);
  if (how.omitManagedFields) withoutOwners(object);
  const members =
    how.code === undefined
      ? { requestObject: object }
      : {
          responseStatus: responseStatus(how.code, object),
          ...(how.whole && { responseObject: object }),
        };
  return Buffer.from(JSON.stringify(members));
}

/** `answer` is the body; of a Status a part is told here too. */
export function responseStatus(code: number, answer?: JsonValue): JsonObject {
  const said = isJsonObject(answer) && answer['kind'] === 'Status' ? answer : undefined;
  if (said === undefined) return { metadata: {}, code };
  const told = ['status', 'message', 'reason', 'details'].filter((name) => said[name] !== undefined);
  return { metadata: {}, ...Object.fromEntries(told.map((name) => [name, said[name]])), code };
}

async function objectIn(body: Uint8Array, contentType = ''): Promise<JsonValue> {
  if (contentType.includes('yaml')) return (await parseYaml(body)).value;
  if (!contentType.startsWith(PROTOBUF))
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')) as JsonValue;
  const envelope = openEnvelope(body, '');
  const { group, version } = parseApiVersion(envelope.apiVersion);
  const schema = kindSchema(group, version, envelope.kind);
  if (schema === undefined) throw new Error(`there is no ${envelope.kind} in ${envelope.apiVersion}`);
  return decodeProtobuf(envelope, schema);
}

function withoutOwners(object: JsonValue): void {
  if (!isJsonObject(object)) return;
  if (isJsonObject(object['metadata'])) delete object['metadata']['managedFields'];
  if (Array.isArray(object['items'])) for (const item of object['items']) withoutOwners(item);
}
