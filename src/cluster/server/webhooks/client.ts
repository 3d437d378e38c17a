/**
 * Calls to other people's programs: admission and conversion webhooks. One connection pool for each place and
 * authority; a call that gets no answer in time is given up and costs nothing more.
 */
import { Agent } from 'node:https';
import { isIP } from 'node:net';
import { isPlatformError, PlatformError } from '../../../base/errors.ts';
import { isJsonObject, numberAt, objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import { keyOf } from '../resource-table.ts';
import { exchange, type Answered } from './json-exchange.ts';

const MAX_AGENTS = 256;

/** Where a webhook is. */
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

export function placeOf(config: JsonObject, query: string, server: ServerParts): Place {
  const bundle = stringAt(config, 'caBundle');
  const ca = bundle === '' ? {} : { ca: Buffer.from(bundle, 'base64').toString('utf8') };
  const text = stringAt(config, 'url');
  if (text !== '') {
    if (!URL.canParse(text))
      throw new PlatformError('invalid', `webhook url is not one: ${JSON.stringify(text)}`);
    const url = new URL(text);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const more = url.search === '' ? `?${query}` : `${url.search}&${query}`;
    return {
      url: `${text}${text.includes('?') ? '&' : '?'}${query}`,
      host,
      port: url.port === '' ? 443 : Number(url.port),
      path: `${url.pathname}${more}`,
      serverName: host,
      ...ca,
    };
  }
  const reference = objectAt(config, 'service');
  const [namespace, name] = [stringAt(reference, 'namespace'), stringAt(reference, 'name')];
  const port = numberAt(reference, 'port') ?? 443;
  const path = `${stringAt(reference, 'path') || '/'}?${query}`;
  const serverName = `${name}.${namespace}.svc`;
  const url = `https://${serverName}:${port}${path}`;
  try {
    const host = addressOf(server, { namespace, name, port });
    return { url, host, port, path, serverName, ...ca };
  } catch (error) {
    throw isPlatformError(error) ? new PlatformError(error.code, `Post "${url}": ${error.message}`) : error;
  }
}

/** Throws `unavailable` when the service is not there. */
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
  /** WebhookClientConfig: those of admissionregistration and of apiextensions are the same. */
  readonly clientConfig: JsonObject;
  readonly body: JsonObject | Uint8Array;
  readonly timeoutSeconds: number;
}

/** The answer, whatever its status. Throws `timeout` or `unavailable` with a text like Go's client's. */
export async function post(
  { clientConfig, body, timeoutSeconds }: Call,
  server: ServerParts,
): Promise<Answered> {
  const place = placeOf(clientConfig, `timeout=${timeoutSeconds}s`, server);
  const { url, host, port, path, serverName } = place;
  return await exchange({
    method: 'POST',
    url,
    agent: agentFor(place),
    host,
    port,
    path,
    headers: { host: `${serverName}:${port}`, 'user-agent': 'kube-apiserver-admission' },
    body,
    timeoutMs: timeoutSeconds * 1000,
    clock: server.clock,
  });
}

/** Lets go of idle connections; for tests and shutdown. */
export function closeIdleConnections(): void {
  for (const agent of agents.values()) agent.destroy();
  agents.clear();
}
