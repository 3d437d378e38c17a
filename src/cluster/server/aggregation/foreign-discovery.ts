/** What backends serve, as they say themselves: fetched after each check, shown as stale while they do not answer. */
import { errorMessage } from '../../../base/errors.ts';
import {
  isJsonObject,
  jsonEqual,
  listAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import type { RemoteService } from './api-services.ts';
import { ask, type Answered } from './ask.ts';
import type { ProxyParts } from './proxy.ts';

const AGGREGATED = ['v2', 'v2beta1']
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .join(',');

export interface ForeignVersion {
  /** apidiscovery.k8s.io/v2 APIVersionDiscovery. */
  readonly document: JsonObject;
  /** Of its OpenAPI v3 document, with the hash; absent when the backend has none. */
  readonly openApiUrl?: string;
}

interface Known extends ForeignVersion {
  readonly etag?: string;
}

export class ForeignDiscovery {
  readonly #parts: ProxyParts;
  readonly #server: ServerParts;
  readonly #known = new Map<string, Known>();
  #generation = 1;

  constructor(parts: ProxyParts, server: ServerParts) {
    this.#parts = parts;
    this.#server = server;
  }

  /** Another number whenever a document is another. */
  get generation(): number {
    return this.#generation;
  }

  /** Without resources and stale as long as nothing is known. */
  version({ name, version }: RemoteService): ForeignVersion {
    return this.#known.get(name) ?? { document: { version, freshness: 'Stale' } };
  }

  /** What is not an APIService any more is forgotten. */
  forget(): void {
    for (const name of this.#known.keys()) {
      if (this.#parts.services.get(name)?.backend === undefined) this.#known.delete(name);
    }
  }

  /** Never throws: what cannot be had is stale. */
  async refresh(service: RemoteService, available: boolean): Promise<void> {
    const { name, version } = service;
    const old = this.#known.get(name);
    let next: Known;
    try {
      next = available ? await this.#fetch(service, old) : stale(old, version);
    } catch (error) {
      this.#server.log.debug('cannot read what a backend serves', { name, error: errorMessage(error) });
      next = stale(old, version);
    }
    if (old !== undefined && jsonEqual(old.document, next.document) && old.openApiUrl === next.openApiUrl)
      return;
    this.#known.set(name, next);
    this.#generation++;
  }

  async #fetch(service: RemoteService, old: Known | undefined): Promise<Known> {
    const openApiUrl = await this.#openApi(service);
    const openApi = openApiUrl === undefined ? {} : { openApiUrl };
    const { group, version } = service;
    const answer = await this.#ask(service, { url: '/apis', accept: AGGREGATED, etag: old?.etag });
    if (answer.status === 304 && old !== undefined) {
      return { document: { ...old.document, freshness: 'Current' }, etag: old.etag!, ...openApi };
    }
    if (answer.status === 200 && answer.type.includes('as=APIGroupDiscoveryList')) {
      const groups = objectsAt(parsed(answer), 'items');
      const own = groups.find((item) => stringAt(item, 'metadata', 'name') === group);
      const found = objectsAt(own, 'versions').find((item) => item['version'] === version);
      const document = { ...found, version, freshness: 'Current' };
      return { document, ...(answer.etag !== undefined && { etag: answer.etag }), ...openApi };
    }
    // A server from before 1.26 answers with the plain list, one that has no such path with 404.
    const url = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const plain = await this.#ask(service, { url, accept: 'application/json' });
    if (plain.status !== 200) throw new Error(`${url}: status ${plain.status}`);
    const resources = converted(objectsAt(parsed(plain), 'resources'), { group, version });
    return { document: { version, resources, freshness: 'Current' }, ...openApi };
  }

  async #openApi({ group, version, ...service }: RemoteService): Promise<string | undefined> {
    const question = { url: '/openapi/v3', accept: 'application/json' };
    const answer = await this.#ask({ group, version, ...service }, question);
    if (answer.status !== 200) return undefined;
    const paths = parsed(answer)['paths'];
    const entry = isJsonObject(paths) ? paths[`apis/${group}/${version}`] : undefined;
    const url = stringAt(entry, 'serverRelativeURL');
    return url.startsWith(`/openapi/v3/apis/${group}/${version}`) ? url : undefined;
  }

  #ask(
    service: RemoteService,
    question: { readonly url: string; readonly accept: string; readonly etag?: string | undefined },
  ): Promise<Answered> {
    return ask(this.#parts, this.#server, {
      service,
      question: { ...question, signal: this.#server.stopping },
    });
  }
}

function stale(old: Known | undefined, version: string): Known {
  return { ...old, document: { ...(old?.document ?? { version }), freshness: 'Stale' } };
}

function parsed({ bytes }: Answered): JsonObject {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
  if (!isJsonObject(value)) throw new Error('the answer is not an object');
  return value;
}

/** meta/v1 APIResource → APIResourceDiscovery: subresources stand below what they belong to. */
function converted(
  list: readonly JsonObject[],
  { group, version }: { readonly group: string; readonly version: string },
): JsonValue {
  const byName = new Map<string, JsonObject & { subresources?: JsonValue[] }>();
  const kindOf = (item: JsonObject): JsonObject => ({
    group: stringAt(item, 'group') || group,
    version: stringAt(item, 'version') || version,
    kind: stringAt(item, 'kind'),
  });
  for (const item of list) {
    const [resource = '', ...below] = stringAt(item, 'name').split('/');
    const scope = item['namespaced'] === true ? 'Namespaced' : 'Cluster';
    const verbs = listAt(item, 'verbs');
    if (below.length === 0) {
      const more = ['shortNames', 'categories'].flatMap((key) => {
        const values = listAt(item, key);
        return values.length === 0 ? [] : [[key, values] as const];
      });
      byName.set(resource, {
        resource,
        responseKind: kindOf(item),
        scope,
        singularResource: stringAt(item, 'singularName'),
        verbs,
        ...Object.fromEntries(more),
        ...(byName.get(resource)?.subresources && { subresources: byName.get(resource)!.subresources }),
      });
      continue;
    }
    const parent = byName.get(resource) ?? { resource, scope, verbs: [] };
    (parent.subresources ??= []).push({ subresource: below.join('/'), responseKind: kindOf(item), verbs });
    byName.set(resource, parent);
  }
  return [...byName.values()];
}
