/** What is served, in the documents that clients ask for: legacy lists, aggregated discovery, OpenAPI. */
import { createHash } from 'node:crypto';

import type { Clock } from '../../base/clock.ts';
import { assert } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../api/json.ts';
import type { SubresourceDeclaration } from '../api/resource-declaration.ts';
import { apiVersionOf, kindSchema } from '../api/schema.ts';
import type { ApiResponse } from '../api/transport.ts';
import type { Aggregation } from './aggregation/aggregation.ts';
import { isRemote, REGISTRATION_GROUP } from './aggregation/api-services.ts';
import { compareVersions, localPriority } from './aggregation/priorities.ts';
import type { Advertised } from './membership/master-leases.ts';
import type { RequestContext } from './context.ts';
import { Documents, inSlices, jsonSteps, type Steps } from './encoding/document.ts';
import { methodNotAllowed } from './failure.ts';
import { aggregatedFormat, documentFormat, PROTOBUF, unroutedFormat } from './encoding/negotiate.ts';
import { encodeEnvelope, encodeMessage } from './encoding/protobuf-writer.ts';
import { byGroupVersion, pathOf, type GroupVersion } from './group-version.ts';
import type { Describer } from './offload/protocol.ts';
import { OpenApiDocuments } from './openapi-documents.ts';
import type { Resource } from './resource.ts';
import type { ResourceTable } from './resource-table.ts';
import { jsonDocument, jsonResponse, protobufResponse, respondWith } from './encoding/respond.ts';
import { toBytes } from './encoding/view.ts';

const AGGREGATED = ';g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

export class Discovery {
  readonly #table: ResourceTable;
  readonly #aggregation: Aggregation;
  readonly #clock: Clock;
  readonly #advertised: () => Advertised | undefined;
  #generation = 0;
  #foreign = 0;
  #localVersions: readonly GroupVersion[] = [];
  #versions: readonly GroupVersion[] = [];
  readonly #legacyLists = new Map<string, Uint8Array>();
  readonly #aggregated: Documents;
  readonly #openApi: OpenApiDocuments;

  /** `advertised` is where clients reach the server; nothing while that is not known. */
  constructor(
    table: ResourceTable,
    aggregation: Aggregation,
    {
      advertised,
      ...making
    }: {
      readonly clock: Clock;
      readonly describe: Describer;
      readonly advertised: () => Advertised | undefined;
    },
  ) {
    this.#table = table;
    this.#advertised = advertised;
    this.#aggregation = aggregation;
    this.#aggregated = new Documents(making.clock);
    this.#openApi = new OpenApiDocuments(aggregation, making);
    this.#clock = making.clock;
  }

  /** Documents are made anew when something else is served, here or elsewhere. */
  #refresh(): void {
    if (this.#generation !== this.#table.generation) {
      this.#generation = this.#table.generation;
      this.#foreign = 0;
      this.#localVersions = [...byGroupVersion(this.#table.all).values()].map((resources) => {
        const { group, version } = resources[0]!;
        return { group, version, priority: localPriority(group, version), resources };
      });
    }
    if (this.#foreign === this.#aggregation.generation) return;
    this.#foreign = this.#aggregation.generation;
    this.#legacyLists.clear();
    const { services, remotes, discovery } = this.#aggregation;
    const local = this.#localVersions.flatMap((one) => {
      const service = services.get(`${one.version}.${one.group}`);
      if (isRemote(service)) return [];
      return service === undefined ? [one] : [{ ...one, priority: service.priority }];
    });
    const foreign = remotes.map((service) => {
      const { group, version, priority } = service;
      return { group, version, priority, resources: [], foreign: discovery.version(service) };
    });
    this.#versions = inOrder([...local, ...foreign]);
    this.#openApi.serve(this.#versions);
  }

  /** Where documents are. */
  paths(): readonly string[] {
    this.#refresh();
    const groups = this.#groups().map((name) => `/apis/${name}`);
    return ['/api', '/apis', '/apis/', ...groups, ...this.#versions.map((version) => pathOf(version))];
  }

  /** Answers discovery and OpenAPI paths, undefined for any other. */
  async answer(context: RequestContext): Promise<ApiResponse | undefined> {
    const { request, info } = context;
    this.#refresh();
    const { accept, 'if-none-match': known } = request.headers;
    if (info.path.startsWith('/openapi/')) {
      context.verbatim = true;
      return await this.#openApi.answer(info.path, { query: info.query, accept, known });
    }
    const path = info.path.replace(/\/+$/, '');
    const document = this.#legacy(path);
    if (document === undefined) return undefined;
    const isRoot = path === '/api' || path === '/apis';
    // No router is before what tells of groups, which heeds no method.
    const isRouted = this.#isRouted(path);
    if (isRouted && request.method !== 'GET') throw methodNotAllowed();
    const aggregated = isRoot ? aggregatedFormat(accept) : undefined;
    if (aggregated !== undefined) return await this.#answerAggregated(path === '/api', aggregated, known);
    const format = isRouted ? documentFormat(accept) : unroutedFormat(accept);
    if (format === 'protobuf') return protobufResponse(document());
    // The address in it may still change.
    if (path === '/api') return respondWith(document());
    let bytes = this.#legacyLists.get(path);
    if (bytes === undefined) this.#legacyLists.set(path, (bytes = toBytes(document())));
    return jsonResponse(200, bytes);
  }

  /** Nor is it before the versions of what is defined here. */
  #isRouted(path: string): boolean {
    if (/^\/apis(\/[^/]+)?$/.test(path)) return false;
    const version = this.#versions.find((one) => pathOf(one) === path);
    return version?.resources.some(({ type }) => type.wire !== undefined) ?? true;
  }

  #legacy(path: string): (() => unknown) | undefined {
    if (path === '/api') return () => this.#apiVersions();
    if (path === '/apis') {
      return () => ({
        kind: 'APIGroupList',
        apiVersion: 'v1',
        groups: this.#groups().map((name) => this.#group(name)),
      });
    }
    const version = this.#versions.find((one) => pathOf(one) === path);
    if (version !== undefined) return () => resourceList(version);
    const group = this.#groups().find((name) => path === `/apis/${name}`);
    if (group === undefined) return undefined;
    return () => ({ kind: 'APIGroup', apiVersion: 'v1', ...this.#group(group) });
  }

  /** Only of the core: groups of aggregating servers do not say where they are. */
  #apiVersions(): unknown {
    const at = this.#advertised();
    const addresses =
      at === undefined ? [] : [{ clientCIDR: '0.0.0.0/0', serverAddress: `${at.address}:${at.port}` }];
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: addresses };
  }

  #groups(): readonly string[] {
    return [...new Set(this.#versions.map(({ group }) => group))].filter((name) => name !== '');
  }

  #group(name: string): Readonly<Record<string, unknown>> {
    const versions = this.#versions
      .filter(({ group }) => group === name)
      .map(({ group, version }) => ({ groupVersion: apiVersionOf(group, version), version }));
    return { name, versions, preferredVersion: versions[0] };
  }

  async #answerAggregated(
    core: boolean,
    format: 'json' | 'protobuf',
    known: string | undefined,
  ): Promise<ApiResponse> {
    const versions = this.#versions;
    const names = core ? [''] : this.#groups();
    const { bytes, hash } = await this.#aggregated.get(`${core ? '/api' : '/apis'} ${format}`, versions, () =>
      inSlices(aggregatedSteps(names, versions, format), this.#clock),
    );
    const etag = JSON.stringify(hash);
    const type = format === 'json' ? 'application/json' : PROTOBUF;
    const headers = { 'content-type': type + AGGREGATED, etag, vary: 'Accept', 'cache-control': 'public' };
    if (known === etag) return { status: 304, headers, body: new Uint8Array(0) };
    return format === 'json' ? jsonResponse(200, bytes, headers) : jsonDocument(200, bytes, headers);
  }
}

const AGGREGATED_LIST = { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2' };

/** apidiscovery.k8s.io/v2 APIGroupDiscoveryList. */
function* aggregatedSteps(
  names: readonly string[],
  versions: readonly GroupVersion[],
  format: 'json' | 'protobuf',
): Steps<Uint8Array> {
  const items: JsonValue[] = [];
  for (const name of names) {
    const own = versions.filter(({ group }) => group === name);
    const metadata = name === '' ? {} : { name };
    items.push({ metadata, versions: own.map((version) => aggregatedVersion(version) as JsonObject) });
    yield;
  }
  if (format === 'json') return yield* jsonSteps({ ...AGGREGATED_LIST, metadata: {}, items });
  const schema = kindSchema('apidiscovery.k8s.io', 'v2', AGGREGATED_LIST.kind);
  assert(schema !== undefined, 'aggregated discovery has a schema');
  // One after the other, the lists of one message are one list.
  const parts = [encodeMessage({ metadata: {} }, schema.message)];
  for (const item of items) {
    parts.push(encodeMessage({ items: [item] }, schema.message));
    yield;
  }
  return encodeEnvelope(AGGREGATED_LIST, Buffer.concat(parts));
}

/** Changes when the version does that a kind is stored in: storage migrators compare it. */
function storageVersionHash({ storage, kind }: Resource['declaration']): string {
  const name = `${storage.group}/${storage.version}/${kind}`;
  return createHash('sha256').update(name).digest().subarray(0, 8).toString('base64');
}

function isStored({ virtual, verbs }: Resource['declaration']): boolean {
  return !virtual && verbs.includes('create');
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function byName(subresources: readonly SubresourceDeclaration[]): readonly SubresourceDeclaration[] {
  return subresources.toSorted((a, b) => compare(a.name, b.name));
}

/** A subresource without a kind has that of its resource. */
function isOf(
  kind: SubresourceDeclaration['kind'],
  { group, version }: { readonly group: string; readonly version: string },
): boolean {
  return kind === undefined || (kind.group === group && kind.version === version);
}

/** Those of what is defined here are in an order of their own. */
function subresourcesOf(
  { subresources }: Resource['declaration'],
  { wire }: Resource['type'],
): typeof subresources {
  return wire === undefined ? subresources : byName(subresources);
}

/** meta/v1 APIResourceList. */
function resourceList({ group, version, resources }: GroupVersion): unknown {
  const list = resources.flatMap(({ declaration, type }) => {
    const { resource, singular, namespaced, kind, verbs, shortNames, categories } = declaration;
    const own = {
      name: resource,
      singularName: singular,
      namespaced,
      kind,
      verbs,
      ...(shortNames.length > 0 && { shortNames }),
      ...(categories.length > 0 && { categories }),
      ...(isStored(declaration) && { storageVersionHash: storageVersionHash(declaration) }),
    };
    const below = subresourcesOf(declaration, type).map((sub) => ({
      name: `${resource}/${sub.name}`,
      singularName: '',
      namespaced,
      ...(sub.kind !== undefined &&
        (sub.kind.group !== group || sub.kind.version !== version) && {
          group: sub.kind.group,
          version: sub.kind.version,
        }),
      kind: sub.kind?.kind ?? kind,
      verbs: sub.verbs,
    }));
    return [own, ...below];
  });
  return {
    kind: 'APIResourceList',
    // The core's is older than the field.
    ...(group !== '' && { apiVersion: 'v1' }),
    groupVersion: apiVersionOf(group, version),
    resources: list,
  };
}

/** Groups by their highest priority, then by name; what registers others comes first. */
function inOrder(versions: readonly GroupVersion[]): readonly GroupVersion[] {
  const groups = Map.groupBy(versions, ({ group }) => group);
  const rank = (group: string): number =>
    group === REGISTRATION_GROUP
      ? Number.POSITIVE_INFINITY
      : Math.max(...groups.get(group)!.map(({ priority }) => priority.group));
  return [...groups.keys()]
    .map((group) => ({ group, rank: rank(group) }))
    .toSorted((a, b) => (a.rank === b.rank ? (a.group < b.group ? -1 : 1) : b.rank - a.rank))
    .flatMap(({ group }) =>
      groups
        .get(group)!
        .toSorted((a, b) => b.priority.version - a.priority.version || compareVersions(a.version, b.version)),
    );
}

/** apidiscovery.k8s.io/v2 APIVersionDiscovery. */
function aggregatedVersion({ group, version, resources, foreign }: GroupVersion): unknown {
  if (foreign !== undefined) return foreign.document;
  const list = resources.map(({ declaration, type }) => {
    const { resource, singular, namespaced, kind, verbs, shortNames, categories, subresources } = declaration;
    // Upstream says the version of what is defined here; of what is built in, only of other versions' kinds.
    const own = type.wire === undefined ? { group, version } : { group: '', version: '' };
    return {
      resource,
      responseKind: { ...own, kind },
      scope: namespaced ? 'Namespaced' : 'Cluster',
      singularResource: singular,
      verbs,
      ...(shortNames.length > 0 && { shortNames }),
      ...(categories.length > 0 && { categories }),
      ...(subresources.length > 0 && {
        subresources: subresourcesOf(declaration, type).map((sub) => ({
          subresource: sub.name,
          responseKind: isOf(sub.kind, { group, version })
            ? { ...own, kind: sub.kind?.kind ?? kind }
            : sub.kind,
          verbs: sub.verbs,
        })),
      }),
    };
  });
  return { version, resources: list, freshness: 'Current' };
}
