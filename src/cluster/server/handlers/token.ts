/** Tokens: asked for (TokenRequest), judged (TokenReview), and the keys by which others judge them. */
import { assert } from '../../../base/errors.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { invalid, type FieldError } from '../../api/field-error.ts';
import { listAt, numberAt, objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import { builtinType } from '../../api/object-type.ts';
import { kindSchema, parseApiVersion } from '../../api/schema.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { BoundObject, ServiceAccountTokens } from '../authentication/service-account-tokens.ts';
import type { RequestContext, ResourceContext } from '../context.ts';
import { badRequest, conflict, invalidObject, methodNotAllowed, notFound } from '../failure.ts';
import { recordUpdate, unownedWith } from '../../api/managed-fields/managed-fields.ts';
import { AdmissionGate } from '../writes/gate.ts';
import { authorOf } from '../writes/authorship.ts';
import type { KubeObject, Meta } from '../object.ts';
import { checkTakes } from '../encoding/negotiate.ts';
import { checkUnknown, decodeBody } from '../encoding/request-body.ts';
import { jsonDocument, jsonResponse, warningHeader } from '../encoding/respond.ts';
import { toBytes } from '../encoding/view.ts';
import { otherNamespace } from '../writes/writing.ts';

const KIND = { group: 'authentication.k8s.io', kind: 'TokenRequest' } as const;
const VERSION = 'authentication.k8s.io/v1';
const TEN_MINUTES = 600;
const HOUR = 3600;
const MAX_SECONDS = 2 ** 32;
const DISCOVERY = '/.well-known/openid-configuration';
const KEYS = '/openid/v1/jwks';

/** A token for the service account of the path (authentication.k8s.io/v1 TokenRequest). */
export async function requestToken(context: ResourceContext): Promise<ApiResponse> {
  const { server, info, request } = context;
  const { serviceAccounts } = server;
  if (serviceAccounts === undefined) throw badRequest('this server issues no tokens for service accounts');
  const schema = kindSchema(KIND.group, 'v1', KIND.kind);
  assert(schema !== undefined, 'TokenRequest has a schema');
  const kind = builtinType(schema);
  const { object: decoded, unknown } = await decodeBody(request, kind);
  const warnings = checkUnknown(unknown, kind, info.query);
  const object = decoded as KubeObject;
  const metadata = (object.metadata ??= {});
  if ((metadata.namespace ?? '') === '') metadata.namespace = info.namespace;
  else if (metadata.namespace !== info.namespace) throw otherNamespace();
  object.spec = { expirationSeconds: HOUR, ...objectAt(object, 'spec') };
  const author = { ...authorOf(context), schema: kind.ownership, apiVersion: VERSION };
  recordUpdate(undefined, object, { ...author, ignored: unownedWith([]) });
  await using gate = new AdmissionGate(context, 'CREATE');
  await gate.mutate(object);
  const account = await completed(context, object);
  const spec = objectAt(object, 'spec');
  const expirationSeconds = numberAt(spec, 'expirationSeconds') ?? HOUR;
  const errors = problems(expirationSeconds);
  if (errors.length > 0) throw invalidObject({ ...KIND, name: '' }, errors);
  await gate.validate(object);
  gate.written();
  const wishes = {
    audiences: listAt(spec, 'audiences') as string[],
    expirationSeconds,
    ...(spec['boundObjectRef'] !== undefined && (await boundTo(context, objectAt(spec, 'boundObjectRef')))),
  };
  // In a dry run too: nothing is stored of it.
  const { token, expires } = await serviceAccounts.issue(account, wishes);
  return jsonResponse(
    201,
    toBytes({
      kind: KIND.kind,
      apiVersion: VERSION,
      metadata: object.metadata,
      spec: { ...spec, boundObjectRef: spec['boundObjectRef'] ?? null },
      status: { token, expirationTimestamp: rfc3339(expires) },
    }),
    warningHeader([...warnings, ...gate.warnings]),
  );
}

/** Gives a request for a token what its account says; the account. */
async function completed(
  { server, resource, info }: ResourceContext,
  object: KubeObject,
): Promise<KubeObject & { metadata: Meta }> {
  const metadata = (object.metadata ??= {});
  const { name = '', uid = '' } = metadata;
  if (name !== '' && name !== info.name) {
    const why = 'must match the service account name if specified';
    throw invalidObject({ ...KIND, name: info.name }, [invalid('metadata.name', name, why)]);
  }
  const account = (await server.registry.get(resource, info)).object;
  const own = account.metadata.uid ?? '';
  if (uid !== '' && uid !== own) {
    const why = `the UID in the token request (${uid}) does not match the UID of the service account (${own})`;
    throw conflict({ group: KIND.group, resource: KIND.kind }, info.name, why);
  }
  metadata.name = info.name;
  metadata.uid = own;
  metadata.creationTimestamp = rfc3339(server.clock.now());
  delete object['status'];
  const spec = objectAt(object, 'spec');
  if (listAt(spec, 'audiences').length === 0)
    object.spec = { ...spec, audiences: [...(server.serviceAccounts?.audiences ?? [])] };
  return account;
}

function problems(seconds: number): FieldError[] {
  const field = 'spec.expirationSeconds';
  if (seconds < TEN_MINUTES)
    return [invalid(field, seconds, 'may not specify a duration less than 10 minutes')];
  if (seconds > MAX_SECONDS)
    return [invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds')];
  return [];
}

/** What a token may be bound to (KEP-1205, KEP-4193), and its resource. */
const BINDABLE: ReadonlyMap<string, string> = new Map([
  ['Pod', 'pods'],
  ['Secret', 'secrets'],
  ['Node', 'nodes'],
]);

async function boundTo(
  { server, info }: ResourceContext,
  reference: JsonObject,
): Promise<{ bound?: BoundObject; node?: { name: string; uid?: string } }> {
  const kind = stringAt(reference, 'kind');
  const { group, version } = parseApiVersion(stringAt(reference, 'apiVersion'));
  const resource = BINDABLE.get(kind);
  if (resource === undefined || group !== '')
    throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`);
  const name = stringAt(reference, 'name');
  if (name === '') throw badRequest('Name parameter required.');
  const of = server.resources.get('', 'v1', resource);
  const namespace = of.namespaced ? info.namespace : '';
  const found = (await server.registry.find(of, { namespace, name }))?.object;
  if (found === undefined) throw notFound(of, name);
  const uid = found.metadata.uid ?? '';
  const wanted = stringAt(reference, 'uid');
  if (wanted !== '' && wanted !== uid) {
    const why = `the UID in the bound object reference (${wanted}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict({ group, resource: kind }, name, why);
  }
  if (kind === 'Pod' && stringAt(found, 'spec', 'serviceAccountName') !== info.name) {
    throw badRequest(
      `cannot bind token for serviceaccount "${info.name}" to pod running with different serviceaccount name.`,
    );
  }
  const nodeName = stringAt(found, 'spec', 'nodeName');
  const bound: BoundObject = { kind: kind as BoundObject['kind'], name, uid };
  if (kind !== 'Pod' || nodeName === '') return { bound };
  const nodes = server.resources.get('', 'v1', 'nodes');
  const node = (await server.registry.find(nodes, { namespace: '', name: nodeName }))?.object;
  const nodeUid = node?.metadata.uid;
  return { bound, node: { name: nodeName, ...(nodeUid !== undefined && { uid: nodeUid }) } };
}

/** Whose token that is (authentication.k8s.io/v1 TokenReview): the status. */
export async function reviewToken({ server }: ResourceContext, spec: JsonObject): Promise<JsonObject> {
  const token = stringAt(spec, 'token');
  if (token === '') throw badRequest('token is required for TokenReview in authentication');
  const audiences = listAt(spec, 'audiences') as string[];
  const { authentication } = server;
  const { found, error } = await authentication.review(
    token,
    audiences.length === 0 ? authentication.audiences : audiences,
  );
  if (found === undefined) {
    return { user: {}, error: error ?? 'invalid bearer token' };
  }
  const { name, uid, groups, extra } = found.user;
  return {
    authenticated: true,
    user: {
      username: name,
      ...(uid !== undefined && { uid }),
      groups: [...groups],
      ...(extra !== undefined && {
        extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
      }),
    },
    ...(found.audiences !== undefined && { audiences: [...found.audiences] }),
  };
}

/** The issuer's discovery document and keys; undefined for any other path. */
export async function answerKeys(context: RequestContext): Promise<ApiResponse | undefined> {
  const { info, server, request } = context;
  const path = info.path.replace(/\/$/, '');
  const { serviceAccounts } = server;
  if (serviceAccounts === undefined || (path !== DISCOVERY && path !== KEYS)) return undefined;
  if (request.method !== 'GET') throw methodNotAllowed();
  const type = path === KEYS ? 'application/jwk-set+json' : 'application/json';
  checkTakes(request.headers['accept'], [type]);
  context.verbatim = true;
  const cache = { 'cache-control': 'public, max-age=3600' };
  const document = path === KEYS ? await serviceAccounts.keySet() : discoveryOf(serviceAccounts);
  return jsonDocument(200, toBytes(document), { 'content-type': type, ...cache });
}

function discoveryOf(serviceAccounts: ServiceAccountTokens): JsonObject {
  return serviceAccounts.discovery(`${serviceAccounts.issuer.replace(/\/$/, '')}${KEYS}`);
}
