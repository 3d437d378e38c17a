/**
 * A small API server for unit tests, on the Transport contract: create, get, list, watch, update, patch, delete,
 * the status, scale and binding subresources, selectors, finalizers, graceful deletion of pods. It does not
 * validate, default, authorize or collect garbage: tests that need that use the real server.
 */
import { ManualClock, type Clock } from '../../../base/clock.ts';
import { errorMessage, isPlatformError, PlatformError, type ErrorCode } from '../../../base/errors.ts';
import type { ApiRequest, ApiResponse, Transport } from '../../api/transport.ts';
import type { ApiObject, ObjectRef, ResourceType } from '../contract.ts';
import { allTypes } from '../kinds.ts';
import { apiVersionOf } from '../resource-path.ts';
import { FakeObjects, metadataOf, tableOf, type FakeAddress } from './fake-objects.ts';
import {
  isJsonObject,
  jsonPatch,
  mergePatch,
  strategicPatch,
  type Json,
  type JsonObject,
} from './fake-patch.ts';
import { fieldMatch, labelMatch, type Match } from './fake-selectors.ts';
import { FakeWatches } from './fake-watch.ts';

export interface FakeApi extends Transport {
  /** Every request so far, oldest first: `GET /api/v1/pods`. */
  readonly requests: readonly string[];
  /** Watches that are open now. */
  readonly openWatches: number;
  /** Answers requests in the API's stead while it returns a response; undefined lets the request through. */
  intercept: ((request: ApiRequest) => ApiResponse | Promise<ApiResponse> | undefined) | undefined;
  /** What discovery tells of, and what kinds objects are of; all of kinds.ts when nobody changes it. */
  types: readonly ResourceType[];
  /** Creates or replaces an object whole, status included. */
  put<T extends ApiObject>(type: ResourceType<T>, object: T): T;
  /** The object as it is stored, frozen. */
  read<T extends ApiObject>(type: ResourceType<T>, ref: ObjectRef): T | undefined;
  /** All objects of a type, by key. */
  all<T extends ApiObject>(type: ResourceType<T>): readonly T[];
  /** Removes an object at once, whatever its finalizers and grace period. */
  remove(type: ResourceType, ref: ObjectRef): void;
  /** Ends every open watch, as a server that restarts. */
  dropWatches(): void;
  /** Forgets history: a watch from an older resourceVersion gets 410. */
  compact(): void;
  /** Sends a bookmark to every open watch that asked for them. */
  bookmark(): void;
}

interface Target extends FakeAddress {
  readonly subresource: string | undefined;
  readonly query: URLSearchParams;
}

export function createFakeApi(options: { readonly clock?: Clock } = {}): FakeApi {
  const objects = new FakeObjects(options.clock ?? new ManualClock());
  const watches = new FakeWatches(objects);
  const requests: string[] = [];
  const addressOf = (type: ResourceType, ref: ObjectRef): FakeAddress => ({
    group: type.group,
    version: type.version,
    resource: type.resource,
    namespace: type.namespaced ? (ref.namespace ?? 'default') : undefined,
    name: ref.name,
  });
  const api: FakeApi = {
    requests,
    get openWatches() {
      return watches.open;
    },
    intercept: undefined,
    types: allTypes,
    async request(request) {
      requests.push(`${request.method} ${request.url}`);
      try {
        const answer = await api.intercept?.(request);
        return answer ?? handle({ objects, watches, types: api.types }, request);
      } catch (error) {
        return statusResponse(error);
      }
    },
    put<T extends ApiObject>(type: ResourceType<T>, object: T): T {
      const body = {
        apiVersion: apiVersionOf(type),
        kind: type.kind,
        ...structuredClone(object),
      } as unknown as JsonObject;
      const metadata = metadataOf(body) as { name?: string; namespace?: string };
      const at = addressOf(type, { name: metadata.name ?? '', ...metadata });
      if (objects.find(at) === undefined) return objects.create(at, body) as unknown as T;
      const { resourceVersion: _ignored, ...rest } = metadataOf(body);
      objects.update(at, { ...body, metadata: rest });
      return objects.update(at, { ...body, metadata: rest }, 'status') as unknown as T;
    },
    read: <T extends ApiObject>(type: ResourceType<T>, ref: ObjectRef) =>
      objects.find(addressOf(type, ref)) as unknown as T | undefined,
    all: <T extends ApiObject>(type: ResourceType<T>) =>
      objects.list({ ...addressOf(type, { name: '' }), namespace: undefined }) as unknown as T[],
    remove(type, ref) {
      const at = addressOf(type, ref);
      const { finalizers: _held, ...metadata } = metadataOf(objects.get(at));
      objects.update(at, { ...objects.get(at), metadata });
      if (objects.find(at) !== undefined) objects.delete(at, { gracePeriodSeconds: 0 });
    },
    dropWatches: () => watches.drop(),
    compact: () => objects.forget(),
    bookmark: () => watches.bookmark(),
  };
  return api;
}

function handle(
  { objects, watches, types }: { objects: FakeObjects; watches: FakeWatches; types: readonly ResourceType[] },
  request: ApiRequest,
): ApiResponse {
  if (request.url === '/api' || request.url === '/apis') return json(200, discovery(types, request.url));
  const target = parseTarget(request.url);
  const { query, subresource, ...at } = target;
  switch (request.method) {
    case 'GET':
      if (at.name !== undefined) {
        const object = objects.get(at);
        return json(200, subresource === 'scale' ? scaleOf(object) : object);
      }
      return query.get('watch') === 'true' || query.get('watch') === '1'
        ? watches.start(at, matchOf(query), query, request)
        : json(200, listOf(objects, at, matchOf(query)));
    case 'POST':
      if (subresource === 'binding') return json(201, bind(objects, at, bodyOf(request)));
      return json(201, objects.create(at, withKind(at, bodyOf(request))));
    case 'PUT':
      if (subresource === 'scale') return json(200, setScale(objects, at, bodyOf(request)));
      return json(200, objects.update(at, withKind(at, bodyOf(request)), subresource));
    case 'PATCH':
      return json(200, patch(objects, target, request));
    case 'DELETE': {
      const options = request.body === undefined ? {} : bodyOf(request);
      const preconditions = isJsonObject(options['preconditions']) ? options['preconditions'] : {};
      const grace = options['gracePeriodSeconds'] ?? query.get('gracePeriodSeconds') ?? undefined;
      const deleted = objects.delete(at, {
        uid: preconditions['uid'] as string | undefined,
        resourceVersion: preconditions['resourceVersion'] as string | undefined,
        gracePeriodSeconds: grace === undefined || grace === null ? undefined : Number(grace),
      });
      return json(200, deleted);
    }
    default:
      throw new PlatformError('invalid', `method ${request.method} is not served`);
  }
}

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

function discovery(types: readonly ResourceType[], path: string): JsonObject {
  const groups = Map.groupBy(
    types.filter(({ group }) => (group === '') === (path === '/api')),
    ({ group }) => group,
  );
  const items = Array.from(groups, ([name, members]) => ({
    metadata: { name },
    versions: Array.from(
      Map.groupBy(members, ({ version }) => version),
      ([version, served]) => ({
        version,
        freshness: 'Current',
        resources: served.map(({ group, resource, kind, namespaced }) => ({
          resource,
          responseKind: { group, version, kind },
          scope: namespaced ? 'Namespaced' : 'Cluster',
          verbs: VERBS,
        })),
      }),
    ),
  }));
  return { kind: 'APIGroupDiscoveryList', items };
}

function patch(objects: FakeObjects, target: Target, request: ApiRequest): JsonObject {
  const old = objects.get(target);
  const body = JSON.parse(Buffer.from(request.body ?? []).toString()) as Json;
  const kind = request.headers['content-type'] ?? '';
  const patched = kind.includes('json-patch')
    ? jsonPatch(old, body)
    : kind.includes('strategic')
      ? strategicPatch(old, body)
      : mergePatch(old, body);
  if (!isJsonObject(patched)) throw new PlatformError('invalid', 'patch: the result is not an object');
  return objects.update(target, patched, target.subresource);
}

function bind(objects: FakeObjects, at: FakeAddress, binding: JsonObject): JsonObject {
  const pod = objects.get(at);
  const spec = isJsonObject(pod['spec']) ? pod['spec'] : {};
  const node = isJsonObject(binding['target']) ? binding['target']['name'] : undefined;
  if (typeof node !== 'string') throw new PlatformError('invalid', 'binding: target.name: Required value');
  if (typeof spec['nodeName'] === 'string' && spec['nodeName'] !== '') {
    throw new PlatformError(
      'conflict',
      `pod "${at.name ?? ''}" is already assigned to node "${spec['nodeName']}"`,
    );
  }
  objects.update(at, { ...pod, spec: { ...spec, nodeName: node } });
  const scheduled = { conditions: [{ type: 'PodScheduled', status: 'True' }] };
  objects.update(at, { status: strategicPatch(pod['status'] ?? {}, scheduled) }, 'status');
  return { kind: 'Status', apiVersion: 'v1', status: 'Success' };
}

function scaleOf(object: JsonObject): JsonObject {
  const number = (part: Json | undefined): Json => (isJsonObject(part) ? (part['replicas'] ?? 0) : 0);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: metadataOf(object),
    spec: { replicas: number(object['spec']) },
    status: { replicas: number(object['status']) },
  };
}

function setScale(objects: FakeObjects, at: FakeAddress, scale: JsonObject): JsonObject {
  const object = objects.get(at);
  const spec = isJsonObject(object['spec']) ? object['spec'] : {};
  const replicas = isJsonObject(scale['spec']) ? (scale['spec']['replicas'] ?? 0) : 0;
  return scaleOf(objects.update(at, { ...object, spec: { ...spec, replicas } }));
}

/** `/api/v1/namespaces/ns/pods/web/status?…`, `/apis/apps/v1/deployments`, `/api/v1/namespaces/ns`. */
function parseTarget(url: string): Target {
  const { pathname, searchParams: query } = new URL(url, 'http://fake');
  const parts = pathname.split('/').slice(1).map(decodeURIComponent);
  const root = parts.shift();
  const group = root === 'apis' ? (parts.shift() ?? '') : '';
  const version = parts.shift() ?? '';
  const namespaced =
    parts[0] === 'namespaces' && parts.length > 2 && !['status', 'finalize'].includes(parts[2]!);
  const namespace = namespaced ? parts.splice(0, 2)[1] : undefined;
  const [resource = '', name, subresource] = parts;
  if ((root !== 'api' && root !== 'apis') || resource === '') {
    throw new PlatformError('not-found', `the server could not find the requested resource: ${pathname}`);
  }
  return { group, version, resource, namespace, name, subresource, query };
}

function matchOf(query: URLSearchParams): Match {
  const labels = labelMatch(query.get('labelSelector') ?? '');
  const fields = fieldMatch(query.get('fieldSelector') ?? '');
  return (object) => labels(object) && fields(object);
}

function listOf(objects: FakeObjects, at: FakeAddress, match: Match): JsonObject {
  return {
    kind: `${kindOf(at) ?? ''}List`,
    apiVersion: at.group === '' ? at.version : `${at.group}/${at.version}`,
    metadata: { resourceVersion: `${objects.revision}` },
    items: objects.list(at).filter(match),
  };
}

function withKind(at: FakeAddress, body: JsonObject): JsonObject {
  const kind = kindOf(at);
  const apiVersion = at.group === '' ? at.version : `${at.group}/${at.version}`;
  return { apiVersion, ...(kind === undefined ? {} : { kind }), ...body };
}

function kindOf(at: FakeAddress): string | undefined {
  return allTypes.find((type) => tableOf(type) === tableOf(at))?.kind;
}

function bodyOf(request: ApiRequest): JsonObject {
  const body = JSON.parse(Buffer.from(request.body ?? []).toString()) as Json;
  if (!isJsonObject(body)) throw new PlatformError('invalid', 'the body is not an object');
  return body;
}

function json(status: number, body: JsonObject): ApiResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) };
}

const STATUS: Partial<Record<ErrorCode, readonly [number, string]>> = {
  invalid: [422, 'Invalid'],
  'not-found': [404, 'NotFound'],
  'already-exists': [409, 'AlreadyExists'],
  conflict: [409, 'Conflict'],
  expired: [410, 'Expired'],
};

/** The Status answer for an error; for `intercept` too: `statusResponse(new PlatformError('unavailable', '…'))`. */
export function statusResponse(error: unknown): ApiResponse {
  const known = isPlatformError(error) ? STATUS[error.code] : undefined;
  const unavailable = isPlatformError(error, 'unavailable');
  const [code, reason] = known ?? (unavailable ? [503, 'ServiceUnavailable'] : [500, 'InternalError']);
  const message = errorMessage(error);
  return json(code, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    code,
  });
}
