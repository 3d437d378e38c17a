/** Content negotiation: what a client accepts, and what its body is in. */
import { notAcceptable, notShownSo, unsupportedMediaType, unsupportedPatchType } from '../failure.ts';

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

export type BodyFormat = 'json' | 'yaml' | 'protobuf';
export type PatchFormat = 'json' | 'merge' | 'strategic' | 'apply';
/** How an answer is shaped: objects as they are, a table, or metadata alone. */
export type Shape = 'object' | 'table' | 'metadata';

interface Range {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly q: number;
}

export function parseAccept(accept: string | undefined): readonly Range[] {
  if (accept === undefined || accept.trim() === '') return [{ type: '*/*', parameters: new Map(), q: 1 }];
  const ranges = accept.split(',').map((part) => {
    const [type = '', ...rest] = part.split(';').map((field) => field.trim());
    const parameters = new Map(
      rest.map((field): [string, string] => {
        const at = field.indexOf('=');
        return at === -1 ? [field, ''] : [field.slice(0, at), field.slice(at + 1)];
      }),
    );
    return { type, parameters, q: qualityOf(parameters.get('q')) };
  });
  return ranges.toSorted((a, b) => b.q - a.q);
}

/** One that is not a number says nothing, and 0 keeps nothing out: it comes last. */
function qualityOf(text: string | undefined): number {
  const q = Number(text ?? 1);
  return Number.isFinite(q) ? q : 1;
}

/** No other wildcard is understood. */
function isJson(range: Range): boolean {
  return range.type === 'application/json' || range.type === '*/*';
}

export interface Negotiated {
  readonly shape: Shape;
  readonly format: 'json' | 'protobuf';
  /** Of tables and metadata: the same under both names. */
  readonly metaVersion: MetaVersion;
  /** Why what is answered with cannot be shown so, once there is something to show. */
  readonly unshown?: string | undefined;
}

export type MetaVersion = 'meta.k8s.io/v1' | 'meta.k8s.io/v1beta1';
const META: MetaVersion = 'meta.k8s.io/v1';

export interface Offered {
  readonly protobuf: boolean;
  /** What is made on the way, like a review, has none. */
  readonly table: boolean;
  /** Also what its path answers as a watch. */
  readonly list?: boolean;
  /** It is one. */
  readonly stream?: boolean;
  /** In Go's words; absent where either name does: a watch, or what is both. */
  readonly metadataOf?: { readonly type: string; readonly list: boolean } | undefined;
}

export const OFFERED: readonly string[] = ['application/json', 'application/yaml', PROTOBUF];
const STREAMS = ['application/json;stream=watch', `${PROTOBUF};stream=watch`];

/** What protobuf has whatever the object is. */
const METADATA: ReadonlySet<string> = new Set(['PartialObjectMetadata', 'PartialObjectMetadataList']);

/** The first of the client's ranges that we can answer with; tables and metadata never come for what is not kept. */
export function negotiate(accept: string | undefined, offered: Offered): Negotiated {
  // What nearly everybody sends.
  if (accept === undefined || accept === 'application/json' || accept === '*/*')
    return { shape: 'object', format: 'json', metaVersion: META };
  let known = false;
  for (const range of parseAccept(accept)) {
    // YAML is made of the JSON at the end (present.ts).
    const format =
      isJson(range) || range.type === 'application/yaml'
        ? 'json'
        : range.type === PROTOBUF && (offered.protobuf || METADATA.has(range.parameters.get('as') ?? ''))
          ? 'protobuf'
          : undefined;
    if (format === undefined) continue;
    // Nobody streams YAML.
    if (offered.stream === true && range.type === 'application/yaml') throw notShownSo(STREAMS);
    known = true;
    const as = range.parameters.get('as');
    if (as === undefined) return { shape: 'object', format, metaVersion: META };
    const metaVersion = metaVersionOf(range);
    if (metaVersion === undefined) continue;
    if (as === 'Table' && format === 'json' && offered.table) return { shape: 'table', format, metaVersion };
    if (!METADATA.has(as)) continue;
    return { shape: 'metadata', format, metaVersion, ...mismatch(as, offered.metadataOf) };
  }
  // What users define is served by another part of upstream, with words of its own.
  if (known || !offered.protobuf) throw notShownSo(offered.stream === true ? STREAMS : OFFERED);
  throw notAcceptable(offered.list === true ? [...OFFERED, ...STREAMS] : OFFERED);
}

/** A list has another name for it than an object. */
function mismatch(as: string, of: Offered['metadataOf']): Pick<Negotiated, 'unshown'> {
  if (of === undefined || (as === 'PartialObjectMetadataList') === of.list) return {};
  const what = of.list ? `a list (*${of.type}List)` : `not a list (*${of.type})`;
  return { unshown: `you requested ${as}, but the requested object is ${what}` };
}

function metaVersionOf({ parameters }: Range): MetaVersion | undefined {
  const version = `${parameters.get('g')}/${parameters.get('v')}`;
  return version === META || version === 'meta.k8s.io/v1beta1' ? version : undefined;
}

/** The first type we know; of a failure that of the first range that takes a Status, which is never shown as something else. */
export function preferredType(accept: string, isFailure: boolean): string | undefined {
  const known = parseAccept(accept).find(
    (range) => isKnown(range) && !(isFailure && range.parameters.has('as')),
  );
  return known?.type;
}

function isKnown(range: Range): boolean {
  return isJson(range) || OFFERED.includes(range.type);
}

/** How the client has aggregated discovery (apidiscovery.k8s.io/v2), undefined when it prefers the older documents. */
export function aggregatedFormat(accept: string | undefined): 'json' | 'protobuf' | undefined {
  for (const range of parseAccept(accept)) {
    if (!isKnown(range)) continue;
    const { type, parameters } = range;
    if (parameters.get('as') === undefined) return undefined;
    if (parameters.get('g') === 'apidiscovery.k8s.io' && parameters.get('v') === 'v2')
      return type === PROTOBUF ? 'protobuf' : 'json';
  }
  return undefined;
}

/** Throws for a client that takes none of the types there are of an answer. */
export function checkTakes(accept: string | undefined, types: readonly string[]): void {
  if (!takes(accept, types)) throw notAcceptable(types);
}

type OpenApiVersion = 'v2' | 'v3';

/** What documents of OpenAPI come as: some versions of client-go take no other name of the second than its old one. */
export const OPENAPI_TYPES: Readonly<Record<'json' | 'protobuf', (version: OpenApiVersion) => string>> = {
  json: () => 'application/json',
  protobuf: (version) => `application/com.github.proto-openapi.spec.${version}.v1.0+protobuf`,
};

const OF_OPENAPI = /^application\/com\.github\.proto-openapi\.spec\.(v[23])[@.]v1\.0\+protobuf$/;

/** The first that the client takes. */
export function openApiFormat(
  accept: string | undefined,
  version: OpenApiVersion,
): 'json' | 'protobuf' | undefined {
  for (const { type } of parseAccept(accept)) {
    if (OF_OPENAPI.exec(type)?.[1] === version) return 'protobuf';
    if (type === '*/*' || type === 'application/*' || type === 'application/json') return 'json';
  }
  return undefined;
}

export function takes(accept: string | undefined, types: readonly string[]): boolean {
  return parseAccept(accept).some(({ type }) => type === '*/*' || types.includes(type));
}

/** For a document that is an object of its own kind: `protobuf` when the client prefers it. */
export function documentFormat(accept: string | undefined): 'json' | 'protobuf' {
  return negotiate(accept, { protobuf: true, table: false }).format;
}

/** The same where upstream's router does not look at what is accepted first. */
export function unroutedFormat(accept: string | undefined): 'json' | 'protobuf' {
  if (accept !== undefined && preferredType(accept, false) === undefined) throw notShownSo(OFFERED);
  return documentFormat(accept);
}

function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';')[0]!.trim();
}

export function bodyFormat(contentType: string | undefined): BodyFormat {
  const type = mediaType(contentType).toLowerCase();
  const [, ...parameters] = contentType?.includes(';') === true ? contentType.split(';') : [];
  if (parameters.some((one) => one.trim() !== '' && !one.includes('='))) throw unsupportedMediaType(OFFERED);
  if (type === '' || type === 'application/json') return 'json';
  if (type === 'application/yaml') return 'yaml';
  if (type === PROTOBUF) return 'protobuf';
  throw unsupportedMediaType(OFFERED);
}

const PATCHES: Readonly<Record<string, PatchFormat>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** Those that every patchable thing takes. */
export const PATCH_TYPES: readonly string[] = Object.keys(PATCHES).filter(
  (type) => PATCHES[type] !== 'apply',
);

/** `isDefined`: of a kind that a user has defined, whose lists nobody knows how to merge; upstream refuses it in other words. */
export function patchFormat(contentType: string | undefined, isDefined = false): PatchFormat {
  const type = mediaType(contentType);
  const format = Object.hasOwn(PATCHES, type) ? PATCHES[type] : undefined;
  if (isDefined && (format === undefined || format === 'strategic'))
    throw unsupportedMediaType(Object.keys(PATCHES).filter((known) => PATCHES[known] !== 'strategic'));
  if (format === undefined) throw unsupportedPatchType();
  return format;
}

export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  return (acceptEncoding ?? '')
    .split(',')
    .some((part) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/.test(part));
}
