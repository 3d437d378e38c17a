/** autoscaling/v1 Scale: a small window on the replicas of whatever declares where they are. */
import { assert } from '../../../base/errors.ts';
import { fieldErrorsError } from '../../api/field-error.ts';
import { getPath, isJsonObject, jsonEqual, type JsonObject } from '../../api/json.ts';
import type { ScalePaths } from '../../api/resource-declaration.ts';
import { builtinType, type ObjectType } from '../../api/object-type.ts';
import { kindSchema } from '../../api/schema.ts';
import { formatLabelSelector, selectorFromLabels, selectorFromObject } from '../../api/selector.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { authorOf } from '../authorship.ts';
import type { ResourceContext } from '../context.ts';
import { conflict, methodNotAllowed, MODIFIED } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import { checkUnknown, decodeBody, isDryRun } from '../request-body.ts';
import { shownAs, storedAs } from '../resource.ts';
import { respondWith } from '../respond.ts';
import { AdmissionGate, type Window } from '../gate.ts';
import { planUpdate } from '../writing.ts';
import { patchedObject, readPatch } from './write.ts';

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
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: JSON.parse(JSON.stringify(metadata)) as JsonObject,
    spec: { replicas: getPath(object, ...paths.specReplicas) ?? 0 },
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
      scaleOf(await shownAs(resource, (await server.registry.get(resource, info)).object), paths),
    );
  if (info.verb !== 'update' && info.verb !== 'patch') throw methodNotAllowed();
  const kind = scaleKind();
  const patch = info.verb === 'patch' ? await readPatch(context) : undefined;
  const decoded = patch === undefined ? await decodeBody(request, kind) : undefined;
  if (decoded !== undefined) checkUnknown(decoded.unknown, kind, info.query);
  const window: Window = {
    show: (object) => scaleOf(object, paths),
    apply: (object, shown) =>
      setReplicas(object, paths.specReplicas, shown.spec?.['replicas'] as number | undefined),
  };
  await using gate = new AdmissionGate(context, 'UPDATE', { window });
  const changed = await server.registry.modify(resource, info, {
    dryRun: isDryRun(info.query.getAll('dryRun')),
    change: async (current) => {
      const old = await shownAs(resource, current);
      const before = scaleOf(old, paths);
      const wanted =
        patch === undefined
          ? (decoded!.object as KubeObject)
          : patchedObject(before, { patch, kind, query: info.query }).object;
      const errors = kind.validateCreate({ ...wanted, metadata: before.metadata });
      if (errors.length > 0) throw fieldErrorsError(errors);
      const version = wanted.metadata?.resourceVersion ?? '';
      if (version !== '' && version !== old.metadata.resourceVersion)
        throw conflict(resource, info.name, MODIFIED);
      if (jsonEqual(wanted.spec, before.spec)) return { type: 'keep' };
      const object = structuredClone(old);
      setReplicas(object, paths.specReplicas, wanted.spec?.['replicas'] as number | undefined);
      const change = await planUpdate(resource, object, {
        old,
        endpoint: 'main',
        author: authorOf(context),
        gate,
      });
      return change.type === 'put'
        ? { type: 'put', object: await storedAs(resource, change.object) }
        : change;
    },
  });
  if (changed.type !== 'keep') gate.written();
  return respondWith(scaleOf(await shownAs(resource, changed.object.object), paths));
}

function setReplicas(object: KubeObject, path: readonly string[], replicas = 0): void {
  let at: JsonObject = object;
  for (const field of path.slice(0, -1)) at = (at[field] ??= {}) as JsonObject;
  at[path.at(-1)!] = replicas;
}
