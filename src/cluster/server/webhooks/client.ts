/**
 * Calls to other people's programs: admission and conversion webhooks. One connection pool for each place and
 * authority; a call that gets no answer in time is given up and costs nothing more.
 */
import { Agent } from 'node:https';
import { isIP } from 'node:net';
import { PlatformError } from '../../../base/errors.ts';
import type { Clock } from '../../../base/clock.ts';
import { isJsonObject, numberAt, objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import { keyOf } from '../resource-table.ts';
import { exchange, readAnswer, type Answered } from './json-exchange.ts';

const MAX_AGENTS = 256;

/** Where a webhook is: WebhookClientConfig of admissionregistration and of apiextensions are the same. */
export interface Place {
  /** As error messages show it. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Whose name the certificate must have. */
  readonly serverName: string;
  /** PEM; the system's authorities when absent. */
  readonly ca?: string;
}

const agents = new Map<string, Agent>();

function agentFor({ serverName, ca, host, port }: Place): Agent {
  const key = `${host} ${port} ${serverName} ${ca ?? ''}`;
  let agent = agents.get(key);
  if (agent === undefined) {
    if (agents.size >= MAX_AGENTS) forgetOldest();
    // An address is no server name: certificates have it as what it is.
    const named = isIP(serverName) === 0 ? { servername: serverName } : {};
    agent = new Agent({ keepAlive: true, maxFreeSockets: 8, ...named, ...(ca !== undefined && { ca }) });
    agents.set(key, agent);
  }
  return agent;
}

function forgetOldest(): void {
  const [oldest] = agents;
  if (oldest === undefined) return;
  agents.delete(oldest[0]);
  oldest[1].destroy();
}

/** Throws `unavailable` when the service is not there. */
export function placeOf(config: JsonObject, server: ServerParts): Place {
  const bundle = stringAt(config, 'caBundle');
  const ca = bundle === '' ? {} : { ca: Buffer.from(bundle, 'base64').toString('utf8') };
  const text = stringAt(config, 'url');
  if (text !== '') {
    if (!URL.canParse(text))
      throw new PlatformError('invalid', `webhook url is not one: ${JSON.stringify(text)}`);
    const url = new URL(text);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return {
      url: text,
      host,
      port: url.port === '' ? 443 : Number(url.port),
      path: `${url.pathname}${url.search}`,
      serverName: host,
      ...ca,
    };
  }
  const reference = objectAt(config, 'service');
  const [namespace, name] = [stringAt(reference, 'namespace'), stringAt(reference, 'name')];
  const port = numberAt(reference, 'port') ?? 443;
  const path = stringAt(reference, 'path') || '/';
  const serverName = `${name}.${namespace}.svc`;
  const host = addressOf(server, { namespace, name, port });
  return { url: `https://${serverName}:${port}${path}`, host, port, path, serverName, ...ca };
}

function addressOf(
  server: ServerParts,
  { namespace, name, port }: { namespace: string; name: string; port: number },
): string {
  const services = server.resources.get('', 'v1', 'services');
  const found = server.cache.resource(services.prefix).get(keyOf(services, namespace, name))?.object;
  if (found === undefined)
    throw new PlatformError('unavailable', `service ${JSON.stringify(name)} not found`);
  if (stringAt(found, 'spec', 'type') === 'ExternalName') return stringAt(found, 'spec', 'externalName');
  const ports = found.spec?.['ports'];
  if (!Array.isArray(ports) || !ports.some((one) => isJsonObject(one) && one['port'] === port)) {
    throw new PlatformError(
      'unavailable',
      `no service port ${port} found for service ${JSON.stringify(name)}`,
    );
  }
  const address = stringAt(found, 'spec', 'clusterIP');
  if (address === '' || address === 'None') {
    throw new PlatformError('unavailable', `service ${JSON.stringify(name)} has no cluster address`);
  }
  return address;
}

export interface Call {
  readonly place: Place;
  readonly body: JsonObject | Uint8Array;
  readonly timeoutSeconds: number;
  readonly clock: Clock;
  /** Text after `Post "url"`. */
  readonly showTimeout?: boolean;
}

/** The answer's JSON object. Throws `timeout` or `unavailable` with a text like Go's client's. */
export async function post(call: Call): Promise<JsonObject> {
  return await readAnswer(await postUnread(call));
}

/** As `post`, for who reads the answer himself. */
export async function postUnread({
  place,
  body,
  timeoutSeconds,
  clock,
  showTimeout = false,
}: Call): Promise<Answered> {
  const query = showTimeout ? `${place.path.includes('?') ? '&' : '?'}timeout=${timeoutSeconds}s` : '';
  return await exchange({
    method: 'POST',
    url: `${place.url}${query}`,
    agent: agentFor(place),
    host: place.host,
    port: place.port,
    path: `${place.path}${query}`,
    headers: {
      host: `${place.serverName}:${place.port}`,
      'user-agent': 'kube-apiserver-admission',
    },
    body,
    timeoutMs: timeoutSeconds * 1000,
    clock,
  });
}

/** Lets go of idle connections; for tests and shutdown. */
export function closeIdleConnections(): void {
  for (const agent of agents.values()) agent.destroy();
  agents.clear();
}
