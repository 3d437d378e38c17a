/** pods/proxy, services/proxy and nodes/proxy: a request is passed on as it is, with its method, path and query. */
import { isIP } from 'node:net';

import { PlatformError } from '../../../../base/errors.ts';
import { numberAt, objectsAt, stringAt, textOf, type JsonObject } from '../../../api/json.ts';
import type { ApiResponse } from '../../../api/transport.ts';
import { listOf } from '../../admission/lookup.ts';
import type { ResourceContext } from '../../context.ts';
import { badRequest } from '../../failure.ts';
import { admitConnection } from '../../writes/gate.ts';
import type { KubeObject } from '../../object.ts';
import { askNode } from './node.ts';

/** Where a request goes; `path` begins with a slash, or is empty. */
export interface ProxyTarget {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  /** The scheme's own when absent. */
  readonly port: number | undefined;
}

const KINDS: Readonly<Record<string, string>> = {
  pods: 'PodProxyOptions',
  services: 'ServiceProxyOptions',
  nodes: 'NodeProxyOptions',
};

export async function proxyRequest(context: ResourceContext): Promise<ApiResponse> {
  const { info, request, resource } = context;
  const path = info.subpath;
  const options = {
    kind: KINDS[resource.resource]!,
    apiVersion: 'v1',
    ...(path !== '' && { path: decoded(path) }),
  };
  await admitConnection(context, options);
  const find = { pods: podTarget, services: serviceTarget }[resource.resource];
  if (find === undefined) return await proxyNode(context);
  const target = await find(context);
  // Without a slash relative links would lead beside the place (kubernetes/kubernetes#4958).
  const isPage = request.method === 'GET' || request.method === 'HEAD';
  if (path === '' && isPage && request.headers['upgrade'] === undefined) return redirect(context);
  const { forward } = await import('./forward.ts');
  return await forward(context, target);
}

async function proxyNode(context: ResourceContext): Promise<ApiResponse> {
  const { info, server, resource, request } = context;
  const named = parseName(info.name);
  if (named === undefined) throw badRequest(`invalid node request ${JSON.stringify(info.name)}`);
  const { name } = named;
  await server.registry.get(resource, { namespace: '', name });
  const isPage = request.method === 'GET' || request.method === 'HEAD';
  if (info.subpath === '' && isPage && request.headers['upgrade'] === undefined) return redirect(context);
  return await askNode(context, name, `${info.subpath === '' ? '/' : info.subpath}${queryOf(request.url)}`);
}

function redirect({ info, request }: ResourceContext): ApiResponse {
  return {
    status: 301,
    headers: { location: `${info.path}/${queryOf(request.url)}` },
    body: new Uint8Array(0),
  };
}

export function queryOf(url: string): string {
  const mark = url.indexOf('?');
  return mark === -1 ? '' : url.slice(mark);
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw badRequest(`invalid path ${JSON.stringify(path)}`);
  }
}

interface NameWithPort {
  readonly scheme: 'http' | 'https';
  readonly name: string;
  /** Number or name; empty when none was given. */
  readonly port: string;
}

/** `name`, `name:port` or `scheme:name:port`; undefined for anything else. */
export function parseName(id: string): NameWithPort | undefined {
  const parts = id.split(':');
  const [scheme, name, port] =
    parts.length === 1 ? ['', parts[0]!, ''] : parts.length === 2 ? ['', parts[0]!, parts[1]!] : parts;
  if (parts.length > 3 || name === '' || name === undefined) return undefined;
  if (scheme !== '' && scheme !== 'http' && scheme !== 'https') return undefined;
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port: port ?? '' };
}

async function podTarget({ info, server, resource }: ResourceContext): Promise<ProxyTarget> {
  const named = parseName(info.name);
  if (named === undefined) throw badRequest(`invalid pod request ${JSON.stringify(info.name)}`);
  const { scheme, name } = named;
  const pod = (await server.registry.get(resource, { namespace: info.namespace, name })).object;
  const declared = objectsAt(pod, 'spec', 'containers').flatMap((one) => objectsAt(one, 'ports'))[0];
  const port = named.port === '' ? textOf(declared?.['containerPort'] ?? '') : named.port;
  const host =
    stringAt(objectsAt(pod, 'status', 'podIPs')[0] ?? {}, 'ip') || stringAt(pod, 'status', 'podIP');
  if (!isPublic(host)) throw badRequest('address not allowed');
  return { scheme, host, port: port === '' ? undefined : portNumber(port) };
}

/** A unicast address that is not this machine's own loopback or link. */
function isPublic(ip: string): boolean {
  if (isIP(ip) === 0) return false;
  return !/^(0\.|127\.|169\.254\.|22[4-9]\.|23\d\.|255\.255\.255\.255|::$|::1$|f[ef][89ab]|ff)/i.test(ip);
}

function portNumber(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw badRequest(`invalid port ${JSON.stringify(text)}`);
}

async function serviceTarget({ info, server, resource }: ResourceContext): Promise<ProxyTarget> {
  const named = parseName(info.name);
  if (named === undefined) throw badRequest(`invalid service request ${JSON.stringify(info.name)}`);
  const { scheme, name } = named;
  const service = (await server.registry.get(resource, { namespace: info.namespace, name })).object;
  const portName = /^\d+$/.test(named.port) ? portNamed(service, Number(named.port)) : named.port;
  const places = readyPlaces(server, { namespace: info.namespace, name, portName });
  if (places.length === 0)
    throw unavailable(`no endpoints available for service ${JSON.stringify(info.name)}`);
  const chosen = places[Math.floor(server.random.next() * places.length)]!;
  return { scheme, ...chosen };
}

function portNamed(service: KubeObject, number: number): string {
  const port = objectsAt(service, 'spec', 'ports').find((one) => numberAt(one, 'port') === number);
  if (port !== undefined) return stringAt(port, 'name');
  throw unavailable(
    `no service port ${number} found for service ${JSON.stringify(service.metadata.name ?? '')}`,
  );
}

type Place = Pick<ProxyTarget, 'host' | 'port'>;

function readyPlaces(
  server: ResourceContext['server'],
  wanted: { readonly namespace: string; readonly name: string; readonly portName: string },
): readonly Place[] {
  const { namespace, name, portName } = wanted;
  const slices = listOf(server, ['discovery.k8s.io', 'v1', 'endpointslices'], namespace).filter(
    ({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name,
  );
  return slices.flatMap((slice): Place[] => {
    const port = objectsAt(slice, 'ports').find((one) => stringAt(one, 'name') === portName);
    const number = port === undefined ? undefined : numberAt(port, 'port');
    if (number === undefined) return [];
    return objectsAt(slice, 'endpoints')
      .filter(isReady)
      .flatMap((endpoint) => {
        const [host] = (endpoint['addresses'] ?? []) as readonly string[];
        return host === undefined ? [] : [{ host, port: number }];
      });
  });
}

/** What says nothing is ready. */
const isReady = (endpoint: JsonObject): boolean =>
  (endpoint['conditions'] as JsonObject | undefined)?.['ready'] !== false;

export function unavailable(message: string): PlatformError {
  return new PlatformError('unavailable', message);
}
