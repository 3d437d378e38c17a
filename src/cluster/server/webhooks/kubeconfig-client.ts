/**
 * Calls to a program that a kubeconfig file describes: webhooks for tokens, for decisions and for the audit log
 * (https://kubernetes.io/docs/reference/access-authn-authz/webhook/). The cluster's `server` is the very URL that is
 * posted to, the user is who this server says it is.
 */
import { Agent } from 'node:https';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { Clock } from '../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import { objectAt, objectsAt, stringAt, isJsonObject, type JsonObject } from '../../api/json.ts';
import { parseYaml } from '../../api/yaml.ts';
import { exchangeJson, exchangeWell, type ExchangeOptions } from './json-exchange.ts';

export interface WebhookClient extends Disposable {
  /** As error messages show it. */
  readonly url: string;
  /**
   * The answer's JSON object. Throws `timeout` or `unavailable`; an answer with another status than 2xx has it as
   * `details.status`.
   */
  post(body: JsonObject, timeoutMs: number): Promise<JsonObject>;
  /** The same of what is JSON already, where the answer's body does not matter. */
  send(body: Uint8Array, timeoutMs: number): Promise<void>;
}

export interface WebhookClientOptions {
  /** The kubeconfig itself. */
  readonly text: Uint8Array;
  /** Reads a file that it names: an absolute path, or one relative to the kubeconfig's folder. */
  readonly read: (path: string) => Uint8Array | Promise<Uint8Array>;
  readonly clock: Clock;
  /** `current-context` when absent. */
  readonly context?: string;
}

/** A token file is read again when what is known of it is this old: such tokens are renewed in place. */
const TOKEN_FILE_MS = 60_000;

/** Ways of logging in that would run programs, or go elsewhere. */
const REFUSED_USER = ['exec', 'auth-provider', 'as', 'as-uid', 'as-groups', 'as-user-extra'];

/** Throws `invalid` with the field's path. Nothing is connected to before the first call. */
export async function webhookClientFrom(options: WebhookClientOptions): Promise<WebhookClient> {
  const { value, duplicates } = await parseYaml(options.text);
  if (duplicates[0] !== undefined) throw new PlatformError('invalid', `kubeconfig: ${duplicates[0]}`);
  if (!isJsonObject(value)) throw invalid('', 'want an object');
  const { cluster, user, at } = chosen(value, options.context);
  const url = serverOf(cluster, at.cluster);
  const files = new Files(options.read);
  const ca = await files.of(cluster, 'certificate-authority', at.cluster);
  const cert = await files.of(user, 'client-certificate', at.user);
  const key = await files.of(user, 'client-key', at.user);
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid(at.user, 'want both client-certificate and client-key, or neither');
  }
  const serverName = stringAt(cluster, 'tls-server-name') || url.hostname.replace(/^\[|\]$/g, '');
  const insecure = cluster['insecure-skip-tls-verify'] === true;
  if (insecure && ca !== undefined) {
    throw invalid(at.cluster, 'certificate-authority and insecure-skip-tls-verify cannot both be set');
  }
  const identity = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
  try {
    createSecureContext(identity);
  } catch (error) {
    throw invalid(at.user, `its certificates or its key cannot be used: ${errorMessage(error)}`);
  }
  const agent = new Agent({
    keepAlive: true,
    maxFreeSockets: 8,
    ...identity,
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(insecure && { rejectUnauthorized: false }),
  });
  const authorization = await authorizationOf(user, at.user, options);
  const call = async (body: JsonObject | Uint8Array, timeoutMs: number): Promise<ExchangeOptions> => {
    const credentials = await authorization();
    return {
      method: 'POST',
      url: url.href,
      agent,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? 443 : Number(url.port),
      path: `${url.pathname}${url.search}`,
      headers: {
        'user-agent': 'kube-apiserver',
        ...(credentials !== undefined && { authorization: credentials }),
      },
      body,
      timeoutMs,
      clock: options.clock,
    };
  };
  return {
    url: url.href,
    post: async (body, timeoutMs) => await exchangeJson(await call(body, timeoutMs)),
    send: async (body, timeoutMs) => void (await exchangeWell(await call(body, timeoutMs))),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

interface Chosen {
  readonly cluster: JsonObject;
  readonly user: JsonObject;
  /** How messages name them. */
  readonly at: { readonly cluster: string; readonly user: string };
}

function chosen(config: JsonObject, context: string | undefined): Chosen {
  const name = context ?? stringAt(config, 'current-context');
  if (name === '') throw invalid('current-context', 'want the name of a context');
  const found = (list: string, wanted: string, from: string): JsonObject => {
    const entry = objectsAt(config, list).find((each) => stringAt(each, 'name') === wanted);
    if (entry === undefined) throw invalid(from, `${list} has no ${JSON.stringify(wanted)}`);
    return entry;
  };
  const link = objectAt(found('contexts', name, 'current-context'), 'context');
  const from = `contexts[${JSON.stringify(name)}].context`;
  const clusterName = stringAt(link, 'cluster');
  const userName = stringAt(link, 'user');
  return {
    cluster: objectAt(found('clusters', clusterName, `${from}.cluster`), 'cluster'),
    user: userName === '' ? {} : objectAt(found('users', userName, `${from}.user`), 'user'),
    at: {
      cluster: `clusters[${JSON.stringify(clusterName)}].cluster`,
      user: `users[${JSON.stringify(userName)}].user`,
    },
  };
}

function serverOf(cluster: JsonObject, at: string): URL {
  const server = stringAt(cluster, 'server');
  if (!URL.canParse(server)) throw invalid(`${at}.server`, `${JSON.stringify(server)} is no URL`);
  const url = new URL(server);
  if (url.protocol !== 'https:') throw invalid(`${at}.server`, 'want an https URL');
  if (url.username !== '' || url.password !== '') {
    throw invalid(`${at}.server`, 'must not hold a user name or a password');
  }
  if (stringAt(cluster, 'proxy-url') !== '') throw invalid(`${at}.proxy-url`, 'proxies are not supported');
  return url;
}

/** Certificates and keys: base64 in the file itself (which wins), or files of their own. */
class Files {
  readonly #read: WebhookClientOptions['read'];

  constructor(read: WebhookClientOptions['read']) {
    this.#read = read;
  }

  async of(from: JsonObject, field: string, at: string): Promise<string | undefined> {
    const data = stringAt(from, `${field}-data`);
    if (data !== '') return Buffer.from(data, 'base64').toString('utf8');
    const path = stringAt(from, field);
    return path === '' ? undefined : await this.text(path, `${at}.${field}`);
  }

  async text(path: string, at: string): Promise<string> {
    try {
      return Buffer.from(await this.#read(path)).toString('utf8');
    } catch (error) {
      throw invalid(at, `cannot read ${path}: ${errorMessage(error)}`);
    }
  }
}

/** What goes into the header; the token of a file is looked at again now and then. */
async function authorizationOf(
  user: JsonObject,
  at: string,
  { read, clock }: WebhookClientOptions,
): Promise<() => Promise<string | undefined>> {
  for (const field of REFUSED_USER) {
    if (user[field] !== undefined && user[field] !== null) {
      throw invalid(`${at}.${field}`, 'is not supported: want a client certificate, a token or a password');
    }
  }
  const path = stringAt(user, 'tokenFile');
  if (path !== '') {
    const files = new Files(read);
    let token = (await files.text(path, `${at}.tokenFile`)).trim();
    let readAt = clock.monotonic();
    return async () => {
      if (clock.monotonic() - readAt >= TOKEN_FILE_MS) {
        // What was there goes on being used when the file is being replaced.
        token = await files.text(path, `${at}.tokenFile`).then(
          (text) => text.trim(),
          () => token,
        );
        readAt = clock.monotonic();
      }
      return `Bearer ${token}`;
    };
  }
  const token = stringAt(user, 'token');
  const name = stringAt(user, 'username');
  const fixed =
    token !== ''
      ? `Bearer ${token}`
      : name !== ''
        ? `Basic ${Buffer.from(`${name}:${stringAt(user, 'password')}`).toString('base64')}`
        : undefined;
  return () => Promise.resolve(fixed);
}

function invalid(field: string, why: string): PlatformError {
  return new PlatformError('invalid', field === '' ? `kubeconfig: ${why}` : `kubeconfig: ${field}: ${why}`);
}
