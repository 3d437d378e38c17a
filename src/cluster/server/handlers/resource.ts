/** From a request for a resource to the function that answers it. */
import type { Verb } from '../../api/resource-declaration.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { Answer, RequestContext, ResourceContext } from '../context.ts';
import { badRequest, methodNotAllowed, noSuchPath, unkeyable, verbNotSupported } from '../failure.ts';
import { isLongRunning } from '../request-info.ts';
import type { Resource } from '../resource.ts';
import { pageNotFound, warningHeader } from '../encoding/respond.ts';
import { checkWriteOptions, isWrite } from '../writes/write-options.ts';
import { bodyFormat, patchFormat, type PatchFormat } from '../encoding/negotiate.ts';
import { applyObject } from './apply.ts';
import { connectToPod, podLog } from './connect/to-pod.ts';
import { proxyRequest } from './connect/proxy.ts';
import { componentStatus } from './component-status.ts';
import { finalizeNamespace } from './finalize.ts';
import { evictPod } from './eviction.ts';
import { bindNamed, bindPod } from './pod.ts';
import { getObject, listResource, viewOf, watchResource } from './read.ts';
import { deleteCollection, deleteObject } from './remove.ts';
import { review } from './review.ts';
import { scaleObject } from './scale.ts';
import { requestToken } from './token.ts';
import { createObject, endpointOf, patchObject, updateObject } from './write.ts';

function patchFormatOf({ request, resource }: ResourceContext): PatchFormat {
  return patchFormat(request.headers['content-type'], resource.type.wire === undefined);
}

const patchOrApply: Answer = (context) =>
  patchFormatOf(context) === 'apply' ? applyObject(context) : patchObject(context);

const VERBS: Readonly<Record<Verb, Answer>> = {
  get: getObject,
  list: listResource,
  watch: watchResource,
  create: createObject,
  update: updateObject,
  patch: patchOrApply,
  delete: deleteObject,
  deletecollection: deleteCollection,
};

const OF_STATUS: Readonly<Record<string, Answer>> = {
  get: getObject,
  update: updateObject,
  patch: patchOrApply,
};

const SUBRESOURCES: Readonly<Record<string, Answer>> = {
  scale: scaleObject,
  binding: bindPod,
  eviction: evictPod,
  log: podLog,
  exec: connectToPod,
  attach: connectToPod,
  portforward: connectToPod,
  proxy: proxyRequest,
  finalize: finalizeNamespace,
  token: requestToken,
};

export function answerResource(context: RequestContext): Promise<ApiResponse> {
  const { info, server } = context;
  const resource = server.resources.find(info.group, info.version, info.resource);
  if (resource === undefined) return Promise.resolve(notServed(context));
  // What is defined here has no router of upstream's before it.
  const isRouted = resource.type.wire !== undefined && info.subresource !== 'proxy';
  if (context.request.method === 'HEAD' && isRouted) throw methodNotAllowed();
  const { deprecation } = resource.declaration;
  return deprecation === undefined
    ? answerFor(context, resource)
    : answerDeprecated(context, resource, deprecation);
}

async function answerDeprecated(
  context: RequestContext,
  resource: Resource,
  deprecation: string,
): Promise<ApiResponse> {
  context.warnings?.push(deprecation);
  const answer = await answerFor(context, resource);
  const { warning } = warningHeader([deprecation]);
  const others = answer.headers['warning'];
  const all = others === undefined ? warning! : `${warning!}, ${others}`;
  return { ...answer, headers: { ...answer.headers, warning: all } };
}

const ACROSS_NAMESPACES = new Set(['list', 'watch']);

/** Only below what is built in does a Status say so. */
export function notServed({ info, server }: RequestContext): ApiResponse {
  const [, root, group] = info.path.split('/');
  if (
    root === 'api' ||
    (root === 'apis' &&
      server.resources.all.some((one) => one.group === group && one.type.wire !== undefined))
  )
    throw noSuchPath();
  return pageNotFound();
}

/** As upstream does when it makes a key of it, so for whatever is done with one object. */
function checkName(name: string): void {
  const why = name === '.' || name === '..' ? `may not be '${name}'` : "may not contain '%'";
  if (name === '.' || name === '..' || name.includes('%')) throw unkeyable(name, why);
}

/** Its lists are read on a path on which others are watched. */
function isListed({ declaration: { verbs } }: Resource): boolean {
  return verbs.includes('list') && !verbs.includes('watch');
}

/** Those of a write in its query, after the media types. What a connection asks for is another server's business. */
function checkOptions(context: ResourceContext): void {
  const { info, request } = context;
  const type = request.headers['content-type'];
  const isApplied = info.verb === 'patch' && patchFormatOf(context) === 'apply';
  if ((info.query.size === 0 && !isApplied) || isLongRunning(info) || !isWrite(info)) return;
  viewOf(context);
  if (info.verb === 'create') bodyFormat(type);
  checkWriteOptions(info, request);
}

/** Answers a request for a resource that is served, whatever may be said of it besides. */
export function answerFor(context: RequestContext, resource: Resource): Promise<ApiResponse> {
  const { info } = context;
  if (resource.declaration.virtual) {
    if (info.name !== '') throw noSuchPath();
    checkOptions({ ...context, resource });
    return (resource.kind === 'Binding' ? bindNamed : review)({ ...context, resource });
  }
  // Everything of one namespace only exists below its path; the namespace's own path is not inside one.
  const misplaced = !resource.namespaced && info.namespace !== '' && resource.resource !== 'namespaces';
  if (misplaced || (resource.namespaced && info.name !== '' && info.namespace === '')) throw noSuchPath();
  // What changes something is in one namespace.
  if (resource.namespaced && info.namespace === '' && !ACROSS_NAMESPACES.has(info.verb))
    throw methodNotAllowed();
  const asked = { ...context, resource, info: resource.namespaced ? info : { ...info, namespace: '' } };
  if (info.subresource === '') {
    const verb = info.verb as Verb;
    if (verb === 'watch' && isListed(resource)) throw verbNotSupported(resource, verb);
    if (!resource.declaration.verbs.includes(verb) || VERBS[verb] === undefined) throw methodNotAllowed();
    if (info.name === '' && (verb === 'update' || verb === 'patch')) throw methodNotAllowed();
    checkOptions(asked);
    checkName(info.name);
    if (resource.kind === 'ComponentStatus') return componentStatus(asked);
    return answered(asked, VERBS[verb]);
  }
  const subresource = resource.declaration.subresources.find(({ name }) => name === info.subresource);
  if (subresource === undefined) throw noSuchPath();
  if (info.name === '')
    throw resource.type.wire === undefined
      ? verbNotSupported(resource, info.verb)
      : badRequest('name must be provided');
  if (!(subresource.verbs as readonly string[]).includes(info.verb)) throw methodNotAllowed();
  checkOptions(asked);
  checkName(info.name);
  const ofStatus = endpointOf(info.subresource) !== 'main';
  const answer = ofStatus ? OF_STATUS[info.verb] : SUBRESOURCES[info.subresource];
  if (answer === undefined) throw noSuchPath();
  return answered(asked, answer);
}

function answered(context: ResourceContext, answer: Answer): Promise<ApiResponse> {
  const { offload } = context.server;
  return offload === undefined ? answer(context) : offload.answer(context, answer);
}
