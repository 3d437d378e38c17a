/**
 * OpenAPI of what is served: an index and a document each of group versions and of the paths above them in version 3, one
 * document of everything in version 2. They are made in a thread when somebody asks, and kept for as long as what they are
 * made of stays as it is.
 */
import type { Clock } from '../../base/clock.ts';
import { rootPaths } from '../api/openapi/root-paths.ts';
import type { ApiResponse } from '../api/transport.ts';
import type { Aggregation } from './aggregation/aggregation.ts';
import { Documents, type Document } from './encoding/document.ts';
import { OPENAPI_TYPES, openApiFormat } from './encoding/negotiate.ts';
import { bare, jsonDocument } from './encoding/respond.ts';
import { toBytes } from './encoding/view.ts';
import { pathOf, type GroupVersion } from './group-version.ts';
import { definitionName, own, type Describer } from './offload/protocol.ts';
import type { Resource } from './resource.ts';

const V2 = '/openapi/v2';
const V3 = '/openapi/v3';

/** What has a document of version 3: a group version, or a path above them. */
type Subject = GroupVersion | { readonly root: string };

interface Question {
  readonly query: URLSearchParams;
  readonly accept: string | undefined;
  /** The etag that the client has. */
  readonly known: string | undefined;
}

export class OpenApiDocuments {
  readonly #aggregation: Aggregation;
  readonly #describe: Describer;
  readonly #documents: Documents;
  #versions: readonly GroupVersion[] = [];

  constructor(
    aggregation: Aggregation,
    { clock, describe }: { readonly clock: Clock; readonly describe: Describer },
  ) {
    this.#aggregation = aggregation;
    this.#describe = describe;
    this.#documents = new Documents(clock);
  }

  /** What there is from now on. */
  serve(versions: readonly GroupVersion[]): void {
    this.#versions = versions;
    const ids = new Set([V2, ...this.#subjects().map(([path]) => path)].flatMap((path) => idsOf(path)));
    this.#documents.keepOnly((id) => ids.has(id));
  }

  /** Undefined for paths without a document. What is wrong is said by the status alone. */
  async answer(path: string, question: Question): Promise<ApiResponse | undefined> {
    if (path === V2) return await this.#answerV2(question);
    if (path === V3) return await this.#answerIndex();
    if (path.startsWith(`${V3}/`)) return await this.#answerV3(path.slice(V3.length), question);
    return undefined;
  }

  async #answerV2({ accept, known }: Question): Promise<ApiResponse> {
    const { openApi } = this.#aggregation;
    await openApi.refresh();
    const format = openApiFormat(accept, 'v2');
    const varies = { vary: 'Accept' };
    if (format === undefined) return bare(406, varies);
    const versions = this.#versions.filter(({ foreign }) => foreign === undefined);
    const resources = versions.flatMap((version) => version.resources);
    const { parts } = openApi;
    const make = (): Promise<Uint8Array> => {
      const of = {
        versions: versions.map(({ group, version }) => ({ group, version })),
        roots: this.#roots(),
        parts: parts.map((part) => own(part)),
      };
      return this.#describe({ document: 'v2', ...of, format }, definitionsOf(resources));
    };
    const document = await this.#documents.get(idOf(V2, format), [...resources, ...parts], make);
    const etag = JSON.stringify(hashOf(document));
    const headers = { 'content-type': OPENAPI_TYPES[format]('v2'), etag, ...varies };
    if (known === etag) return bare(304, headers);
    return { status: 200, headers, body: document.bytes };
  }

  /** Where the documents of version 3 are, by path. */
  async #answerIndex(): Promise<ApiResponse> {
    await this.#refreshOlder();
    const subjects = this.#subjects().toSorted(([a], [b]) => (a < b ? -1 : 1));
    const hashes = await Promise.all(subjects.map(([path, about]) => this.#hashOf(path, about)));
    const paths = subjects.flatMap(([path, about], i): [string, unknown][] => {
      const hash = hashes[i];
      const elsewhere = 'root' in about ? undefined : about.foreign?.openApiUrl;
      const serverRelativeURL = elsewhere ?? (hash && urlOf(path, hash));
      return serverRelativeURL === undefined ? [] : [[path.slice(1), { serverRelativeURL }]];
    });
    // Upstream leaves it to its HTTP library to guess what this is.
    const headers = { 'content-type': 'text/plain; charset=utf-8' };
    return jsonDocument(200, toBytes({ paths: Object.fromEntries(paths) }), headers);
  }

  /** `path` is that of a group's version, or one above them. */
  async #answerV3(path: string, { query, accept, known }: Question): Promise<ApiResponse> {
    await this.#refreshOlder();
    const about = this.#subjects().find(([one]) => one === path)?.[1];
    const hash = about && (await this.#hashOf(path, about));
    if (about === undefined || hash === undefined) return bare(404);
    const vary = { vary: 'Accept' };
    const format = openApiFormat(accept, 'v3');
    if (format === undefined) return bare(406, vary);
    const asked = query.get('hash') ?? '';
    if (asked !== '' && asked !== hash)
      return bare(301, { ...vary, 'content-type': 'application/json', location: urlOf(path, hash) });
    const etag = JSON.stringify(hash);
    if (known === etag) return bare(304, { ...vary, etag });
    // The hash names the content, so what is under it never changes.
    const forever = asked === hash ? { 'cache-control': 'public, immutable, max-age=31536000' } : {};
    const headers = { 'content-type': OPENAPI_TYPES[format]('v3'), ...vary, etag, ...forever };
    const shown = await this.#v3(path, about, format);
    return shown === undefined ? bare(404) : { status: 200, headers, body: shown.bytes };
  }

  /** Those that say nothing in version 3 are asked for version 2. */
  async #refreshOlder(): Promise<void> {
    const isOlder = ({ foreign }: GroupVersion): boolean =>
      foreign !== undefined && foreign.openApiUrl === undefined;
    if (this.#versions.some((version) => isOlder(version))) await this.#aggregation.openApi.refresh();
  }

  /** By path. */
  #subjects(): (readonly [string, Subject])[] {
    return [
      ...this.#versions.map((version) => [pathOf(version), version] as const),
      ...this.#roots().map((root) => [root.slice(0, -1), { root }] as const),
    ];
  }

  #roots(): readonly string[] {
    const published = this.#versions.filter(({ resources }) =>
      resources.some(({ declaration }) => declaration.openApi === undefined),
    );
    return rootPaths([...new Set(published.map(({ group }) => group))].filter((name) => name !== ''));
  }

  /** Of the document in JSON; what is built in says the same in every server. */
  async #hashOf(path: string, about: Subject): Promise<string | undefined> {
    const isBuiltIn =
      'root' in about ||
      (about.foreign === undefined &&
        about.resources.every(({ declaration }) => declaration.openApi === undefined));
    if (isBuiltIn) {
      const { BUILT_IN_HASHES } = await import('../api/openapi/generated/hashes.ts');
      return BUILT_IN_HASHES[path];
    }
    const document = await this.#v3(path, about, 'json');
    return document && hashOf(document);
  }

  /** Undefined for what another server has, unless it has to be made here. */
  async #v3(path: string, about: Subject, format: 'json' | 'protobuf'): Promise<Document | undefined> {
    const id = idOf(path, format);
    if ('root' in about) {
      return await this.#documents.get(id, [], () =>
        this.#describe({ document: 'v3 root', path: about.root, format }),
      );
    }
    const { group, version, resources, foreign } = about;
    if (foreign === undefined) {
      return await this.#documents.get(id, resources, () =>
        this.#describe({ document: 'v3', group, version, format }, definitionsOf(resources)),
      );
    }
    const service = this.#aggregation.services.remote(group, version);
    if (service === undefined || foreign.openApiUrl !== undefined) return undefined;
    const part = this.#aggregation.openApi.part(service);
    if (part === undefined) return undefined;
    return await this.#documents.get(id, [part], () =>
      this.#describe({ document: 'v3 of part', part: own(part), format }),
    );
  }
}

/**
 * Of the resources that somebody has defined. The thread may read a definition in a newer state than the one that these
 * resources are from: then others take their place before long, and the document is made anew.
 */
function definitionsOf(resources: readonly Resource[]): string[] {
  const custom = resources.filter(({ declaration }) => declaration.openApi !== undefined);
  return [...new Set(custom.map((resource) => definitionName(resource)))];
}

function idOf(path: string, format: 'json' | 'protobuf'): string {
  return `${path} ${format}`;
}

function idsOf(path: string): string[] {
  return [idOf(path, 'json'), idOf(path, 'protobuf')];
}

function hashOf({ hash }: Document): string {
  return hash.toUpperCase();
}

function urlOf(path: string, hash: string): string {
  return `${V3}${path}?hash=${hash}`;
}
