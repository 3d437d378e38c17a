/** autoscaling/v1 Scale: a small window on the replicas of whatever declares where they are. */
import { assert } from '../../../base/errors.ts';
import { getPath, isJsonObject, type JsonObject } from '../../api/json.ts';
import type { ScalePaths } from '../../api/resource-declaration.ts';
import { builtinType, type ObjectType } from '../../api/object-type.ts';
import { kindSchema } from '../../api/schema.ts';
import { formatLabelSelector, selectorFromLabels, selectorFromObject } from '../../api/selector.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { recordUpdate, unownedWith } from '../../api/managed-fields/managed-fields.ts';
import { ownersAfterScale, SCALE_VERSION, scaleOwners } from '../../api/managed-fields/scale-owners.ts';
import { authorOf } from '../writes/authorship.ts';
import type { ResourceContext } from '../context.ts';
import { badRequest, conflict, invalidObject, methodNotAllowed, MODIFIED } from '../failure.ts';
import { patchFormat } from '../encoding/negotiate.ts';
import type { KubeObject } from '../object.ts';
import type { Change } from '../writes/registry.ts';
import { bodyOf, checkUnknown, decodeBody, isDryRun } from '../encoding/request-body.ts';
import { flag } from '../request-info.ts';
import { shownAs, type Resource } from '../resource.ts';
import { jsonResponse, respondWith, warningHeader } from '../encoding/respond.ts';
import { toBytes } from '../encoding/view.ts';
import { AdmissionGate, type Window } from '../writes/gate.ts';
import { otherUid, planUpdate } from '../writes/writing.ts';
import { checkType, merged, readApplied, typed } from './apply.ts';
import { shownTo, storedFrom } from './converted.ts';
import { patchedObject } from './patched.ts';
import { checkAddress, readPatch } from './write.ts';

const IGNORED = unownedWith([]);

function scaleKind(): ObjectType {
  const kind = kindSchema('autoscaling', 'v1', 'Scale');
  assert(kind !== undefined, 'autoscaling/v1 Scale has a schema');
  return builtinType(kind);
}

function scaleOf(object: KubeObject, paths: ScalePaths): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = paths.labelSelector.length === 0 ? undefined : getPath(object, ...paths.labelSelector);
  // Custom resources hold it as text.
  const text = isJsonObject(selector)
    ? formatLabelSelector(isLabels(selector) ? selectorFromLabels(selector) : selectorFromObject(selector))
    : typeof selector === 'string'
      ? selector
      : '';
  const metadata = { name, namespace, uid, resourceVersion, creationTimestamp };
  const replicas = getPath(object, ...paths.specReplicas) ?? 0;
  return {
    kind: 'Scale',
    apiVersion: SCALE_VERSION,
    metadata: JSON.parse(JSON.stringify(metadata)) as JsonObject,
    // Go leaves a zero out.
    spec: replicas === 0 ? {} : { replicas },
    status: {
      replicas: getPath(object, ...paths.statusReplicas) ?? 0,
      ...(text !== '' && { selector: text }),
    },
  };
}

/** Replication controllers select by a plain map. */
function isLabels(selector: JsonObject): selector is Record<string, string> {
  return Object.values(selector).every((value) => typeof value === 'string');
}

export async function scaleObject(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info, request } = context;
  const paths = resource.declaration.scale;
  assert(paths !== undefined, `${resource.resource} declares its scale`);
  if (info.verb === 'get')
    return respondWith(
      scaleOf(await shownTo(context, (await server.registry.get(resource, info)).object), paths),
    );
  if (info.verb !== 'update' && info.verb !== 'patch') throw methodNotAllowed();
  const kind = scaleKind();
  const isDefined = resource.type.wire === undefined;
  const applied =
    info.verb === 'patch' && patchFormat(request.headers['content-type'], isDefined) === 'apply';
  const patch = info.verb === 'patch' && !applied ? await readPatch(context) : undefined;
  const decoded = info.verb === 'update' ? await decodeBody(request, kind) : undefined;
  let warnings: readonly string[] = [];
  if (decoded !== undefined) {
    warnings = checkUnknown(decoded.unknown, kind, info.query);
    checkAddress(context, decoded.object as KubeObject);
  }
  const configuration = applied ? await configurationOf(context, kind) : undefined;
  const author = {
    ...authorOf(context),
    schema: kind.ownership,
    apiVersion: SCALE_VERSION,
    ignored: IGNORED,
    force: flag(info.query, 'force'),
  };
  const path = paths.specReplicas;
  const window: Window = {
    show: (object) => scaleOf(object, paths),
    apply: (object, shown) => setReplicas(object, path, shown.spec?.['replicas'] as number | undefined),
  };
  await using gate = new AdmissionGate(context, 'UPDATE', { window });
  const changed = await server.registry.modify(resource, info, {
    dryRun: isDryRun(info.query.getAll('dryRun')),
    change: async (current) => {
      const old = await shownTo(context, current);
      const before = scaleOf(old, paths);
      const { metadata } = before;
      const owners = scaleOwners(old, path);
      before.metadata = { ...metadata, managedFields: owners };
      let wanted: KubeObject;
      if (configuration !== undefined)
        wanted = await merged(before, configuration, author, { type: kind, pause: () => gate.pause() });
      else {
        if (patch === undefined) wanted = structuredClone(decoded!.object as KubeObject);
        else ({ object: wanted, warnings } = patchedObject(before, { patch, kind, query: info.query }));
        recordUpdate(before, wanted, author);
      }
      // What is defined here is judged by itself, with its new number.
      const errors = isDefined ? [] : kind.validateCreate({ ...wanted, metadata });
      if (errors.length > 0)
        throw invalidObject({ group: kind.group, kind: kind.kind, name: info.name }, errors);
      const { uid = '', resourceVersion: version = '' } = wanted.metadata;
      if (uid !== '' && uid !== old.metadata.uid) {
        if (decoded !== undefined) throw otherUid(resource, old, uid);
        if (!isDefined) throw patchesAnother(resource, old, uid);
      }
      if (version !== '' && version !== old.metadata.resourceVersion)
        throw conflict(resource, info.name, MODIFIED);
      const replicas = wanted.spec?.['replicas'] as number | undefined;
      if (isDefined && decoded === undefined && (replicas ?? getPath(old, ...path)) === undefined)
        throw badRequest(`the spec replicas field ".${path.join('.')}" cannot be empty`);
      const object = structuredClone(old);
      setReplicas(object, path, replicas);
      const { apiVersion } = resource;
      setOwners(object, ownersAfterScale(old, wanted, { path, apiVersion }));
      return await stored(
        context,
        planUpdate(resource, object, { old, endpoint: 'main', author: { ...author, isApplied: true }, gate }),
      );
    },
  });
  if (changed.type !== 'keep') gate.written();
  const scale = toBytes(scaleOf(await shownAs(resource, changed.object.object), paths));
  return jsonResponse(200, scale, warningHeader([...warnings, ...gate.warnings]));
}

/** Of what is sent as a whole storage tells it. */
function patchesAnother({ group, resource }: Resource, { metadata }: KubeObject, uid: string): Error {
  const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`;
  return conflict({ group, resource: `${resource}/scale` }, metadata.name ?? '', why);
}

async function stored(context: ResourceContext, planned: Promise<Change>): Promise<Change> {
  const change = await planned;
  return change.type === 'put' ? { type: 'put', object: await storedFrom(context, change.object) } : change;
}

async function configurationOf(context: ResourceContext, kind: ObjectType): Promise<KubeObject> {
  const { value } = await readApplied(bodyOf(context.request));
  checkType(value, { apiVersion: SCALE_VERSION, kind: 'Scale' });
  const scale = await typed(value, kind, () => undefined);
  checkAddress(context, scale);
  return scale;
}

function setOwners({ metadata }: KubeObject, owners: readonly JsonObject[]): void {
  if (owners.length > 0) metadata.managedFields = [...owners];
  else delete metadata.managedFields;
}

function setReplicas(object: KubeObject, path: readonly string[], replicas = 0): void {
  let at: JsonObject = object;
  for (const field of path.slice(0, -1)) at = (at[field] ??= {}) as JsonObject;
  at[path.at(-1)!] = replicas;
}
