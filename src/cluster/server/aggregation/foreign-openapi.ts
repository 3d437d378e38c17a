/**
 * OpenAPI v2 of backends: merged into this server's own, and made into v3 for those that have no v3 themselves. Fetched
 * when somebody asks, and again after a minute.
 */
import { errorMessage } from '../../../base/errors.ts';
import {
  getOwn,
  isJsonObject,
  objectAt,
  setOwn,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../../api/json.ts';
import { openApiV3Of } from '../../api/openapi/version3.ts';
import type { ServerParts } from '../context.ts';
import { isRemote, type RemoteService } from './api-services.ts';
import { ask } from './ask.ts';
import type { ProxyParts } from './proxy.ts';

const FRESH_MS = 60_000;
const DEFINITION = '#/definitions/';
const PARAMETER = '#/parameters/';

interface Fetched {
  readonly at: number;
  readonly etag: string | undefined;
  /** What concerns the service alone. */
  readonly part: JsonObject;
  /** The same as v3, once somebody has asked. */
  version3?: JsonObject;
}

export class ForeignOpenApi {
  readonly #parts: ProxyParts;
  readonly #server: ServerParts;
  readonly #fetched = new Map<string, Fetched>();
  #generation = 0;
  #refreshing: Promise<void> | undefined;

  constructor(parts: ProxyParts, server: ServerParts) {
    this.#parts = parts;
    this.#server = server;
  }

  /** Another number whenever a part is another. */
  get generation(): number {
    return this.#generation;
  }

  /** Asks those whose answer is older than a minute. Never throws: what cannot be had is left as it was. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refreshAll().finally(() => (this.#refreshing = undefined));
    await this.#refreshing;
  }

  async #refreshAll(): Promise<void> {
    const remotes = this.#parts.services.all.filter((service) => isRemote(service));
    for (const name of this.#fetched.keys()) {
      if (remotes.some((service) => service.name === name)) continue;
      this.#fetched.delete(name);
      this.#generation++;
    }
    await Promise.all(
      remotes.filter(({ available }) => available).map((service) => this.#refreshOne(service)),
    );
  }

  async #refreshOne(service: RemoteService): Promise<void> {
    const now = this.#server.clock.monotonic();
    const old = this.#fetched.get(service.name);
    if (old !== undefined && now - old.at < FRESH_MS) return;
    const signal = this.#server.stopping;
    const question = { url: '/openapi/v2', accept: 'application/json', etag: old?.etag, signal };
    try {
      const { status, etag, bytes } = await ask(this.#parts, this.#server, { service, question });
      if (status === 304 && old !== undefined) this.#fetched.set(service.name, { ...old, at: now });
      if (status !== 200) return;
      const document: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
      if (!isJsonObject(document)) return;
      this.#fetched.set(service.name, { at: now, etag, part: partOf(document, service) });
      this.#generation++;
    } catch (error) {
      this.#server.log.debug('cannot read the OpenAPI document of a backend', {
        name: service.name,
        error: errorMessage(error),
      });
    }
  }

  /** The service's v3 document, made of its v2; undefined while it has not said anything. */
  version3({ name }: RemoteService): JsonObject | undefined {
    const fetched = this.#fetched.get(name);
    return fetched && (fetched.version3 ??= openApiV3Of(fetched.part));
  }

  /** This server's document with those of the backends. */
  merged(own: JsonObject): JsonObject {
    if (this.#fetched.size === 0) return own;
    const paths = { ...objectAt(own, 'paths') };
    const definitions = { ...objectAt(own, 'definitions') };
    for (const { part } of this.#fetched.values()) {
      const renamed = new Map<string, string>();
      for (const name of Object.keys(objectAt(part, 'definitions'))) {
        // The machinery's own are the same everywhere; of others, two may have the same name.
        if (getOwn(definitions, name) !== undefined && !name.startsWith('io.k8s.apimachinery.')) {
          renamed.set(name, freeName(name, definitions));
        }
      }
      for (const [name, definition] of entries(objectAt(part, 'definitions'))) {
        if (getOwn(definitions, name) !== undefined && !renamed.has(name)) continue;
        setOwn(definitions, renamed.get(name) ?? name, withNames(definition, renamed));
      }
      for (const [path, item] of entries(objectAt(part, 'paths'))) {
        if (getOwn(paths, path) === undefined) setOwn(paths, path, withNames(item, renamed));
      }
    }
    return { ...own, paths, definitions };
  }
}

function freeName(name: string, taken: JsonObject): string {
  let free = `${name}_v2`;
  for (let at = 3; getOwn(taken, free) !== undefined; at++) free = `${name}_v${at}`;
  return free;
}

/** The service's paths, and the definitions that they lead to. */
function partOf(document: JsonObject, { group, version }: RemoteService): JsonObject {
  const root = `/apis/${group}/${version}/`;
  const paths: JsonObject = {};
  for (const [path, item] of entries(objectAt(document, 'paths'))) {
    if (`${path}/`.startsWith(root))
      setOwn(paths, path, withParameters(item, objectAt(document, 'parameters')));
  }
  const definitions: JsonObject = {};
  const open = [...references(paths)];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const definition = getOwn(objectAt(document, 'definitions'), name);
    if (definition === undefined || getOwn(definitions, name) !== undefined) continue;
    setOwn(definitions, name, definition);
    open.push(...references(definition));
  }
  const { info, consumes, produces } = document;
  return {
    paths,
    definitions,
    ...(info !== undefined && { info }),
    ...(consumes !== undefined && { consumes }),
    ...(produces !== undefined && { produces }),
  };
}

/** A path, or one of its methods, with the parameters that it shares with others in full. */
function withParameters(value: JsonValue, shared: JsonObject): JsonValue {
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, item] of entries(value)) {
    const own = key === 'parameters' && Array.isArray(item);
    setOwn(result, key, own ? item.map((one) => parameterOf(one, shared)) : withParameters(item, shared));
  }
  return result;
}

function parameterOf(one: JsonValue, shared: JsonObject): JsonValue {
  const target = stringAt(one, '$ref');
  return (target.startsWith(PARAMETER) ? getOwn(shared, target.slice(PARAMETER.length)) : undefined) ?? one;
}

function* references(value: JsonValue): Generator<string> {
  if (Array.isArray(value)) for (const item of value) yield* references(item);
  if (!isJsonObject(value)) return;
  const target = value['$ref'];
  if (typeof target === 'string' && target.startsWith(DEFINITION)) yield target.slice(DEFINITION.length);
  for (const [, item] of entries(value)) yield* references(item);
}

function withNames(value: JsonValue, renamed: ReadonlyMap<string, string>): JsonValue {
  if (renamed.size === 0) return value;
  if (Array.isArray(value)) return value.map((item) => withNames(item, renamed));
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, item] of entries(value)) {
    const target = key === '$ref' && typeof item === 'string' ? item : undefined;
    const name = target === undefined ? undefined : renamed.get(target.slice(DEFINITION.length));
    setOwn(result, key, name === undefined ? withNames(item, renamed) : `${DEFINITION}${name}`);
  }
  return result;
}

function entries(object: JsonObject): (readonly [string, JsonValue])[] {
  return Object.keys(object).map((name) => [name, getOwn(object, name) ?? null]);
}
