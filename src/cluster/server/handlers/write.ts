import { isPlatformError, PlatformError } from '../../../base/errors.ts';
import { jsonTypeName } from '../../api/go-errors.ts';
import { MAX_COMPLAINTS, parseLargeJson } from '../../api/decode.ts';
import { fieldErrorsError, invalid } from '../../api/field-error.ts';
import { isJsonObject, sharing, type JsonValue, jsonCopy } from '../../api/json.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { attributesOf, refusal } from '../authorization/authorizer.ts';
import type { ResourceContext } from '../context.ts';
import { AdmissionGate } from '../writes/gate.ts';
import { authorOf } from '../writes/authorship.ts';
import { badRequest, methodNotAllowed, revisionRequired, unsupportedMediaType } from '../failure.ts';
import { bodyFormat, PATCH_TYPES, patchFormat } from '../encoding/negotiate.ts';
import type { KubeObject } from '../object.ts';
import type { Change, Changed } from '../writes/registry.ts';
import { bodyOf, checkUnknown, decodeBody, isDryRun } from '../encoding/request-body.ts';
import { warningHeader } from '../encoding/respond.ts';
import type { CachedObject } from '../cache/watch-cache.ts';
import { readAsOther } from '../encoding/other-versions.ts';
import { replicasOf } from '../writes/replicas.ts';
import {
  draft,
  otherNamespace,
  otherUid,
  planUpdate,
  prepareCreate,
  type Authorship,
  type CreateOptions,
  type Endpoint,
} from '../writes/writing.ts';
import { shownTo, storedFrom } from './converted.ts';
import { patchedObject, type Patch } from './patched.ts';
import { showObject, viewOf } from './read.ts';

export async function createObject(context: ResourceContext): Promise<ApiResponse> {
  const { info } = context;
  if (info.name !== '') throw methodNotAllowed();
  const view = viewOf(context);
  const dryRun = isDryRun(info.query.getAll('dryRun'));
  const author = authorOf(context);
  const { object, warnings, ...how } = await drafted(context, author);
  context.warnings?.push(...warnings);
  const { created, admissionWarnings } = await storeNew(context, object, {
    ...how,
    dryRun,
    author,
    isDraft: true,
  });
  const headers = warningHeader([...warnings, ...admissionWarnings]);
  return showObject(context, created, { status: 201, headers, view });
}

interface Drafted {
  readonly object: KubeObject;
  readonly namespace: string;
  readonly warnings: readonly string[];
  readonly settle?: CreateOptions['settle'];
}

/** What the body becomes before anybody has a say in it. */
async function drafted(context: ResourceContext, author: Authorship): Promise<Drafted> {
  const { resource, info, request } = context;
  const { namespace } = info;
  if (resource.strategy.isReplicated !== true || namespace === '') return await readDraft(context, author);
  const body = bodyOf(request);
  const sent = { body, format: bodyFormat(request.headers['content-type']), namespace, author };
  const replicas = replicasOf(resource.type);
  const known = replicas.find(sent);
  if (known !== undefined) return { ...known, namespace, warnings: [] };
  const made = await readDraft(context, author);
  if (made.isPlain)
    await replicas.remember(sent, made.object, async (other) => {
      const again = { ...context, request: { ...request, body: other } };
      return (await readDraft(again, author)).object;
    });
  return made;
}

/** `isPlain`: there is nothing to be said of the body beside what became of it. */
async function readDraft(
  context: ResourceContext,
  author: Authorship,
): Promise<Drafted & { readonly isPlain: boolean }> {
  const { resource, info, request, slice } = context;
  const decoded = await decodeBody(request, resource.type);
  const warnings = [...checkUnknown(decoded.unknown, resource.type, info.query)];
  const object = decoded.object as KubeObject;
  const namespace =
    info.namespace === '' && resource.namespaced ? (object.metadata?.namespace ?? '') : info.namespace;
  if (resource.namespaced && namespace === '') {
    throw badRequest('an empty namespace may not be set during creation');
  }
  const saysOwners = object.metadata?.managedFields !== undefined;
  await draft(resource, object, { namespace, author, gate: { warnings, pause: () => slice.pause() } });
  const isPlain = decoded.unknown.length === 0 && warnings.length === 0 && !saysOwners;
  return { object, namespace, warnings, isPlain };
}

/** Stores a decoded object as a new one. */
export async function storeNew(
  context: ResourceContext,
  object: KubeObject,
  how: {
    readonly namespace: string;
    readonly dryRun: boolean;
    readonly author: Authorship;
    readonly isDraft?: boolean;
    readonly settle?: CreateOptions['settle'];
    /** What was asked for, and allowed, is a change. */
    readonly unasked?: boolean;
  },
): Promise<{ readonly created: CachedObject; readonly admissionWarnings: readonly string[] }> {
  const { server, resource } = context;
  const { clock, random, registry } = server;
  const { unasked = false } = how;
  await using gate = new AdmissionGate(context, 'CREATE', unasked ? { first: () => mayCreate(context) } : {});
  const ready = await prepareCreate(resource, object, {
    ...how,
    clock,
    random,
    gate,
    user: context.user,
  });
  await gate.pause();
  const stored = resource.conversion === undefined ? ready : await storedFrom(context, ready);
  const created = await registry.create(resource, stored, how.dryRun);
  gate.written();
  return { created, admissionWarnings: gate.warnings };
}

async function mayCreate({ server, user, info }: ResourceContext): Promise<void> {
  const attributes = { ...attributesOf(user, info), verb: 'create' };
  const decision = await server.authorizer.decide(attributes);
  if (decision.answer !== 'allow') throw refusal(attributes, decision);
}

/** Tries against others that create and delete the same object meanwhile. */
const MAX_TRIES = 5;

/** Makes what is not there and changes what is, whatever others do to it meanwhile. */
export async function makeOrChange(
  context: ResourceContext,
  { make, change }: Readonly<Record<'make' | 'change', () => Promise<ApiResponse>>>,
): Promise<ApiResponse> {
  const { server, resource, info } = context;
  const isThere = async (): Promise<boolean> => (await server.registry.find(resource, info)) !== undefined;
  for (let tries = 1; ; tries++) {
    const there = await isThere();
    try {
      return await (there ? change() : make());
    } catch (error) {
      const lostRace = isPlatformError(error, there ? 'not-found' : 'already-exists');
      if (!lostRace || tries >= MAX_TRIES || (await isThere()) === there) throw error;
    }
  }
}

const ENDPOINTS: readonly Endpoint[] = ['status', 'approval', 'ephemeralcontainers', 'resize'];

export function endpointOf(subresource: string): Endpoint {
  return ENDPOINTS.find((endpoint) => endpoint === subresource) ?? 'main';
}

/** Applies a plan that was made in the resource's version to an object in the stored one. */
export async function modifyAs(
  context: ResourceContext,
  plan: (old: KubeObject, gate: AdmissionGate) => Change | Promise<Change>,
): Promise<Changed & { readonly admissionWarnings: readonly string[] }> {
  const { server, resource, info } = context;
  const { conversion } = resource;
  await using gate = new AdmissionGate(context, 'UPDATE');
  const changed = await server.registry.modify(resource, info, {
    dryRun: isDryRun(info.query.getAll('dryRun')),
    change: async (current) => {
      const change = await plan(conversion === undefined ? current : await shownTo(context, current), gate);
      await gate.pause();
      if (change.type !== 'put' || conversion === undefined) return change;
      return { type: 'put', object: await storedFrom(context, change.object) };
    },
  });
  if (changed.type !== 'keep') gate.written();
  return { ...changed, admissionWarnings: [...new Set(gate.warnings)] };
}

export async function updateObject(context: ResourceContext): Promise<ApiResponse> {
  const { resource, info, request } = context;
  const view = viewOf(context);
  const decoded = await decodeBody(request, resource.type);
  const warnings = checkUnknown(decoded.unknown, resource.type, info.query);
  context.warnings?.push(...warnings);
  const sent = decoded.object as KubeObject;
  checkAddress(context, sent);
  const endpoint = endpointOf(info.subresource);
  const author = authorOf(context);
  const { resourceVersion: version = '', uid = '' } = sent.metadata;
  const change = async (): Promise<ApiResponse> => {
    const changed = await modifyAs(context, (old, gate) => {
      if (resource.strategy.conditional === true && (version === '' || version === '0')) {
        throw revisionRequired(resource);
      }
      return planUpdate(resource, sharing(sent, old), { old, endpoint, author, gate });
    });
    const headers = warningHeader([...warnings, ...changed.admissionWarnings]);
    return showObject(context, changed.object, { headers, view });
  };
  if (resource.strategy.createdByUpdate !== true || endpoint !== 'main') return await change();
  const make = async (): Promise<ApiResponse> => {
    const { name, namespace } = info;
    if (uid !== '') throw otherUid(resource, { ...sent, metadata: { name, namespace } }, uid);
    const object = jsonCopy(sent);
    delete object.metadata.resourceVersion;
    const dryRun = isDryRun(info.query.getAll('dryRun'));
    const how = { namespace, dryRun, author, unasked: true };
    const { created, admissionWarnings } = await storeNew(context, object, how);
    const headers = warningHeader([...warnings, ...admissionWarnings]);
    return showObject(context, created, { status: 201, headers, view });
  };
  return await makeOrChange(context, { make, change });
}

/** The object must say the same name and namespace as the path, or nothing. */
export function checkAddress({ resource, info }: ResourceContext, object: KubeObject): void {
  const metadata = (object.metadata ??= {});
  const name = metadata.name ?? '';
  if (name === '')
    throw badRequest(
      `the name of the object (${info.name} based on URL) was undeterminable: name must be provided`,
    );
  if (name !== info.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${info.name})`);
  }
  if (!resource.namespaced) return;
  if ((metadata.namespace ?? '') === '') metadata.namespace = info.namespace;
  else if (metadata.namespace !== info.namespace) throw otherNamespace();
}

export async function patchObject(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info } = context;
  const view = viewOf(context);
  const patch = await readPatch(context);
  const author = authorOf(context);
  let warnings: readonly string[] = [];
  const changed = await modifyAs(context, (old, gate) => {
    const result = patchedObject(old, {
      patch,
      kind: resource.type,
      query: info.query,
      asOther: (made) => readAsOther(server.resources, resource, made),
    });
    warnings = result.warnings;
    context.warnings?.push(...warnings);
    checkAddress(context, result.object);
    checkUnchanged(result.object, old);
    return planUpdate(resource, result.object, { old, endpoint: endpointOf(info.subresource), author, gate });
  });
  const headers = warningHeader([...warnings, ...changed.admissionWarnings]);
  return showObject(context, changed.object, { headers, view });
}

export async function readPatch({ request, server, resource, info }: ResourceContext): Promise<Patch> {
  const format = patchFormat(request.headers['content-type'], resource.type.wire === undefined);
  if (format === 'apply') throw unsupportedMediaType(PATCH_TYPES);
  const body = bodyOf(request);
  try {
    return await decodedPatch(body, format);
  } catch (error) {
    // Nobody looks at it before there is something to change.
    await server.registry.get(resource, info);
    throw error;
  }
}

async function decodedPatch(body: Uint8Array, format: Patch['format']): Promise<Patch> {
  const { value, duplicates } = await parsedPatch(body, format);
  if (format === 'json') return { format, value, complaints: complaintsAbout(value, duplicates) };
  if (isJsonObject(value)) return { format, value, complaints: duplicates.map(twice) };
  if (format === 'merge' && value === null) throw badRequest('Invalid JSON Patch');
  throw undecodedPatch(
    format,
    `json: cannot unmarshal ${jsonTypeName(value)} into Go value of type map[string]interface {}`,
  );
}

function twice(path: string): string {
  return `duplicate field "${path}"`;
}

const OPERATION = new Set(['op', 'path', 'from', 'value']);

/** Members of operations that mean nothing, and such as come twice. */
function complaintsAbout(operations: JsonValue, duplicates: readonly string[]): string[] {
  if (!Array.isArray(operations)) return [];
  const complaints: string[] = [];
  for (const [index, operation] of operations.entries()) {
    if (complaints.length >= MAX_COMPLAINTS) break;
    if (!isJsonObject(operation)) continue;
    for (const name of Object.keys(operation)) {
      const at = `[${index}].${name}`;
      if (!OPERATION.has(name)) complaints.push(`unknown field "${at}"`);
      else if (duplicates.length > 0)
        complaints.push(...duplicates.filter((path) => isWithin(path, at)).map(twice));
    }
  }
  return complaints.slice(0, MAX_COMPLAINTS).map((complaint) => `json patch ${complaint}`);
}

function isWithin(path: string, at: string): boolean {
  return path.startsWith(at) && (path.length === at.length || '.['.includes(path[at.length]!));
}

async function parsedPatch(
  body: Uint8Array,
  format: Patch['format'],
): Promise<Awaited<ReturnType<typeof parseLargeJson>>> {
  try {
    return await parseLargeJson(body, 'Patch');
  } catch (error) {
    const cause = error instanceof PlatformError ? error.cause : undefined;
    throw cause instanceof SyntaxError ? undecodedPatch(format, cause.message) : error;
  }
}

function undecodedPatch(format: Patch['format'], why: string): PlatformError {
  return badRequest(format === 'strategic' ? why : `error decoding patch: ${why}`);
}

/** A patch must leave the server's part of the metadata alone; other writes have their own answers to that. */
export function checkUnchanged(object: KubeObject, old: KubeObject): void {
  const { uid = '' } = object.metadata ?? {};
  if (uid !== '' && uid !== old.metadata.uid)
    throw fieldErrorsError([invalid('metadata.uid', uid, 'field is immutable')]);
}
