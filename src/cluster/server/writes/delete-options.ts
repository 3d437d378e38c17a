/** DeleteOptions: of the body, else of the query. Both say the same, and are refused in different words. */
import { headOf, whyRefused } from '../../api/decode.ts';
import { goQuote } from '../../api/field-error.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../api/json.ts';
import { builtinType } from '../../api/object-type.ts';
import { kindSchema } from '../../api/schema.ts';
import type { ApiRequest } from '../../api/transport.ts';
import { parsePropagation, type DeleteRequest } from './deletion.ts';
import { badRequest } from '../failure.ts';
import { numberOf } from '../cache/list-options.ts';
import { bodyFormat } from '../encoding/negotiate.ts';
import { decodeProtobuf, openEnvelope } from '../encoding/protobuf.ts';
import { bodyOf, decodeAs } from '../encoding/request-body.ts';
import { flag } from '../request-info.ts';
import { checkDeleteOptions } from './write-options.ts';

export interface DeleteOptions extends DeleteRequest {
  readonly dryRun: boolean;
}

/** Which of its registries upstream has looked in. */
const SCHEME = 'k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27';
/** Kinds of meta/v1 that are of every group. */
const EVERYWHERE = new Set(['APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions', 'Status']);

export async function deleteOptionsOf(request: ApiRequest, query: URLSearchParams): Promise<DeleteOptions> {
  const options = bodyOf(request).length === 0 ? fromQuery(query) : await fromBody(request);
  const grace = options['gracePeriodSeconds'];
  const preconditions = (options['preconditions'] ?? {}) as { uid?: string; resourceVersion?: string };
  const dryRun = (options['dryRun'] ?? []) as string[];
  const propagationPolicy = options['propagationPolicy'] as string | undefined;
  const orphanDependents = options['orphanDependents'] as boolean | undefined;
  checkDeleteOptions({ propagationPolicy, orphanDependents, dryRun });
  return {
    gracePeriodSeconds: typeof grace === 'number' ? grace : undefined,
    uid: preconditions.uid,
    resourceVersion: preconditions.resourceVersion,
    propagationPolicy: parsePropagation(propagationPolicy, orphanDependents),
    dryRun: dryRun.length > 0,
  };
}

function fromQuery(query: URLSearchParams): JsonObject {
  const grace = numberOf(query, 'gracePeriodSeconds');
  const policy = query.get('propagationPolicy');
  const [uid, resourceVersion] = [query.get('uid') ?? '', query.get('resourceVersion') ?? ''];
  return {
    dryRun: query.getAll('dryRun'),
    ...(grace !== undefined && { gracePeriodSeconds: grace }),
    ...(policy !== null && { propagationPolicy: policy }),
    ...(query.has('orphanDependents') && { orphanDependents: flag(query, 'orphanDependents') }),
    preconditions: { ...(uid !== '' && { uid }), ...(resourceVersion !== '' && { resourceVersion }) },
  };
}

async function fromBody(request: ApiRequest): Promise<JsonObject> {
  const schema = kindSchema('meta.k8s.io', 'v1', 'DeleteOptions') ?? kindSchema('', 'v1', 'DeleteOptions');
  if (schema === undefined) throw badRequest('DeleteOptions are not known');
  const kind = builtinType(schema);
  const body = bodyOf(request);
  const format = bodyFormat(request.headers['content-type']);
  const check = (value: JsonValue): void => checkHead(headOf(value, kind.kind, body));
  try {
    if (format === 'protobuf') {
      const envelope = openEnvelope(body, kind.kind);
      checkHead(envelope);
      return kind.decode(decodeProtobuf(envelope, schema)).object;
    }
    const { object } = await decodeAs(format, body, kind, check);
    return isJsonObject(object) ? object : {};
  } catch (error) {
    const why = whyRefused(error);
    throw why === undefined ? error : badRequest(why);
  }
}

/** Clients send them in the core version, in meta.k8s.io/v1 or in the resource's own group: all mean the same. */
function checkHead({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): void {
  if (kind === '' || kind === 'DeleteOptions') return;
  const version = apiVersion === '' ? 'v1' : apiVersion;
  throw badRequest(
    EVERYWHERE.has(kind) && version === 'v1'
      ? `converting (v1.${kind}) to (v1.DeleteOptions): unknown conversion`
      : `no kind ${goQuote(kind)} is registered for version ${goQuote(version)} in scheme ${goQuote(SCHEME)}`,
  );
}
