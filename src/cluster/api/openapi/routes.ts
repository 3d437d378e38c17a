/** What can be asked of a resource, as upstream installs it (apiserver/pkg/endpoints/installer.go). */
import { stringAt, type JsonObject } from '../json.ts';
import type { ResourceDeclaration, SubresourceDeclaration, Verb } from '../resource-declaration.ts';
import { optionParameters, pathParameter, queryParameter } from './parameters.ts';
import type { GroupVersionKind } from './schemas.ts';

export type Method = 'get' | 'put' | 'post' | 'delete' | 'options' | 'head' | 'patch';

export interface Route {
  readonly path: string;
  readonly method: Method;
  /** The operation's name is `verb`, group and version, `noun`. */
  readonly verb: string;
  readonly noun: string;
  readonly action?: string;
  readonly gvk?: GroupVersionKind;
  readonly parameters: readonly JsonObject[];
  readonly body?: { readonly kind: GroupVersionKind; readonly required: boolean };
  /** A text when it is no object. */
  readonly answer: GroupVersionKind | undefined;
  readonly codes: readonly (200 | 201 | 202)[];
  readonly consumes: readonly string[];
  readonly produces: readonly string[];
}

const ANY = ['*/*'];
export const TEXTUAL = ['application/json', 'application/yaml'];
export const OBJECTS = [...TEXTUAL, 'application/vnd.kubernetes.protobuf'];
const STREAMS = [
  ...OBJECTS,
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf;stream=watch',
];
const PATCHES = ['application/json-patch+json', 'application/merge-patch+json'];
const STRATEGIC = 'application/strategic-merge-patch+json';
const APPLY = 'application/apply-patch+yaml';

const meta = (kind: string): GroupVersionKind => ({ group: '', version: 'v1', kind });

/** Where something is done, and on what. */
interface Place {
  readonly path: string;
  readonly noun: string;
  readonly gvk: GroupVersionKind;
  /** What is read and written there. */
  readonly kind: GroupVersionKind;
  readonly scope: readonly JsonObject[];
  /** Defined by a user: upstream builds these routes elsewhere (apiextensions-apiserver/pkg/controller/openapi/builder). */
  readonly custom: boolean;
}

type Asked = Pick<Route, 'method' | 'verb'> & Partial<Route>;

function route({ path, noun, gvk, kind, scope, custom }: Place, asked: Asked): Route {
  return {
    path,
    noun,
    gvk,
    action: asked.method,
    answer: kind,
    codes: [200],
    consumes: custom ? TEXTUAL : ANY,
    produces: custom ? TEXTUAL : OBJECTS,
    ...asked,
    parameters: [queryParameter('pretty'), ...scope, ...(asked.parameters ?? [])],
  };
}

/** Every route of one resource. */
export function routesOf(resource: ResourceDeclaration): Route[] {
  const { group, version, kind, namespaced, verbs } = resource;
  const root = group === '' ? `/api/${version}/` : `/apis/${group}/${version}/`;
  const gvk = { group, version, kind };
  const custom = resource.openApi !== undefined;
  const everywhere: Place = { path: root + resource.resource, noun: kind, gvk, kind: gvk, scope: [], custom };
  const collection = namespaced
    ? {
        ...everywhere,
        path: `${root}namespaces/{namespace}/${resource.resource}`,
        noun: `Namespaced${kind}`,
        scope: [pathParameter('namespace')],
      }
    : everywhere;
  const item = named(collection);
  const list = { group, version, kind: resource.listKind };
  const result = [
    ...collectionRoutes(collection, verbs),
    ...itemRoutes(item, verbs, resource.returnsDeleted === true),
    ...resource.subresources.flatMap((subresource) => subresourceRoutes(item, subresource)),
  ];
  if (verbs.includes('list')) {
    result.push(listRoute(collection, list));
    if (namespaced) result.push(listRoute({ ...everywhere, noun: `${kind}ForAllNamespaces` }, list));
  }
  if (verbs.includes('watch') && !custom) {
    const watched = (place: Place): Place => ({ ...place, path: place.path.replace(root, `${root}watch/`) });
    const watch = (place: Place, action: string): Route => watchRoute(watched(place), action);
    result.push(watch({ ...collection, noun: `${collection.noun}List` }, 'watchlist'), watch(item, 'watch'));
    if (namespaced) result.push(watch({ ...everywhere, noun: `${kind}ListForAllNamespaces` }, 'watchlist'));
  }
  return result;
}

function named(collection: Place): Place {
  return {
    ...collection,
    path: `${collection.path}/{name}`,
    scope: [...collection.scope, pathParameter('name')],
  };
}

function listRoute(place: Place, answer: GroupVersionKind): Route {
  return route(place, {
    method: 'get',
    verb: 'list',
    action: 'list',
    parameters: optionParameters('ListOptions'),
    answer,
    ...(!place.custom && { produces: STREAMS }),
  });
}

function watchRoute(place: Place, action: string): Route {
  return route(place, {
    method: 'get',
    verb: 'watch',
    action,
    parameters: optionParameters('ListOptions'),
    answer: meta('WatchEvent'),
    produces: STREAMS,
  });
}

function collectionRoutes(place: Place, verbs: readonly Verb[]): Route[] {
  const result: Route[] = [];
  if (verbs.includes('create')) result.push(createRoute(place));
  if (verbs.includes('deletecollection')) {
    const selected = optionParameters('ListOptions');
    // What deletes does not watch, which upstream forgets of what users define; nor does it tell of a body there.
    const ofWatches = ['watch', 'allowWatchBookmarks'];
    const asked = { method: 'delete', verb: 'delete', action: 'deletecollection' } as const;
    const about = { ...asked, noun: `Collection${place.noun}`, answer: meta('Status') };
    result.push(
      route(
        place,
        place.custom
          ? { ...about, parameters: selected }
          : {
              ...about,
              parameters: [
                ...selected.filter((one) => !ofWatches.includes(stringAt(one, 'name'))),
                ...optionParameters('DeleteOptions'),
              ],
              body: { kind: meta('DeleteOptions'), required: false },
            },
      ),
    );
  }
  return result;
}

function createRoute(place: Place): Route {
  return route(place, {
    method: 'post',
    verb: 'create',
    parameters: optionParameters('CreateOptions'),
    body: { kind: place.kind, required: true },
    codes: [200, 201, 202],
  });
}

function itemRoutes(place: Place, verbs: readonly Verb[], returnsDeleted = false): Route[] {
  const { kind, custom } = place;
  const result: Route[] = [];
  if (verbs.includes('get')) {
    const parameters = custom ? optionParameters('GetOptions') : [];
    result.push(route(place, { method: 'get', verb: 'read', parameters }));
  }
  if (verbs.includes('update')) {
    result.push(
      route(place, {
        method: 'put',
        verb: 'replace',
        parameters: optionParameters('UpdateOptions'),
        body: { kind, required: true },
        codes: [200, 201],
      }),
    );
  }
  if (verbs.includes('patch')) {
    result.push(
      route(place, {
        method: 'patch',
        verb: 'patch',
        parameters: optionParameters('PatchOptions'),
        body: { kind: meta('Patch'), required: true },
        // A definition names no merge keys, so there is nothing strategic; clients decide by this list.
        consumes: [...PATCHES, ...(custom ? [] : [STRATEGIC]), APPLY],
        codes: custom ? [200] : [200, 201],
      }),
    );
  }
  if (verbs.includes('delete')) {
    result.push(
      route(place, {
        method: 'delete',
        verb: 'delete',
        parameters: optionParameters('DeleteOptions'),
        body: { kind: meta('DeleteOptions'), required: false },
        answer: returnsDeleted ? kind : meta('Status'),
        codes: [200, 202],
      }),
    );
  }
  return result;
}

function subresourceRoutes(item: Place, { name, kind, verbs }: SubresourceDeclaration): Route[] {
  const place = {
    ...item,
    path: `${item.path}/${name}`,
    noun: item.noun + name.charAt(0).toUpperCase() + name.slice(1),
    kind: kind ?? item.kind,
    gvk: item.custom ? item.gvk : (kind ?? item.kind),
  };
  if (name === 'log') {
    const parameters = optionParameters('PodLogOptions');
    const produces = ['text/plain', ...OBJECTS];
    return [route(place, { method: 'get', verb: 'read', parameters, produces, answer: undefined })];
  }
  if (kind?.kind.endsWith('Options') === true) return connectRoutes(place, verbs);
  return [...(verbs.includes('create') ? [createRoute(place)] : []), ...itemRoutes(place, verbs)];
}

const METHODS: Readonly<Partial<Record<Verb, Method>>> = {
  create: 'post',
  delete: 'delete',
  get: 'get',
  patch: 'patch',
  update: 'put',
};

/** What is passed on. Where the options have a path it may stand in the address as well, and any method is passed on. */
function connectRoutes(place: Place, verbs: readonly Verb[]): Route[] {
  const options = optionParameters(place.kind.kind);
  const hasPath = options.some(({ name }) => name === 'path');
  const methods: Method[] = verbs.flatMap((verb) => METHODS[verb] ?? []);
  if (hasPath) methods.push('head', 'options');
  const connect = (at: Place): Route[] =>
    methods.map((method) => ({
      ...route(at, { method, verb: 'connect', action: 'connect', answer: undefined, produces: ANY }),
      noun: method.charAt(0).toUpperCase() + method.slice(1) + at.noun,
      parameters: [...at.scope, ...options],
    }));
  const below = {
    ...place,
    path: `${place.path}/{path}`,
    noun: `${place.noun}WithPath`,
    scope: [...place.scope, pathParameter('path')],
  };
  return [...connect(place), ...(hasPath ? connect(below) : [])];
}
