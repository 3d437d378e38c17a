import type { ApiResponse } from '../../api/transport.ts';
import type { ResourceContext } from '../context.ts';
import { isPlatformError } from '../../../base/errors.ts';
import { Slice } from '../../../base/yield-to-loop.ts';
import { AdmissionGate } from '../writes/gate.ts';
import { planDelete, type DeleteRequest } from '../writes/deletion.ts';
import { listResponse } from '../encoding/list-body.ts';
import { listOptionsOf, type ListOptions } from '../cache/list-options.ts';
import { listObjects } from '../cache/listing.ts';
import type { Changed } from '../writes/registry.ts';
import { deleteOptionsOf } from '../writes/delete-options.ts';
import { jsonResponse, warningHeader } from '../encoding/respond.ts';
import { isWideObject } from '../offload/wide.ts';
import { selectionOf } from '../cache/selection.ts';
import { toBytes } from '../encoding/view.ts';
import { shownTo } from './converted.ts';
import { limitOf, showObject, viewOf } from './read.ts';

export async function deleteObject(context: ResourceContext): Promise<ApiResponse> {
  const { resource, request, info } = context;
  const view = viewOf(context);
  const { dryRun, ...options } = await deleteOptionsOf(request, info.query);
  const changed = await remove(context, {
    name: info.name,
    namespace: info.namespace,
    request: options,
    dryRun,
  });
  const headers = warningHeader(changed.warnings);
  if (changed.type !== 'delete' || resource.declaration.returnsDeleted === true)
    return showObject(context, changed.object, { headers, view });
  const { uid } = changed.object.object.metadata;
  const details = {
    name: info.name,
    ...(resource.group !== '' && { group: resource.group }),
    kind: resource.resource,
    uid,
  };
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
  return jsonResponse(200, toBytes(status), headers);
}

export async function remove(
  context: ResourceContext,
  what: {
    readonly name: string;
    readonly namespace: string;
    readonly request: DeleteRequest;
    readonly dryRun: boolean;
    /** Under another name: as an eviction. */
    readonly admitted?: boolean;
  },
): Promise<Changed & { readonly warnings: readonly string[] }> {
  const { server, resource } = context;
  await using gate = new AdmissionGate(context, 'DELETE', {
    dryRun: what.dryRun,
    deleting: what.request,
  });
  const changed = await server.registry.modify(resource, what, {
    dryRun: what.dryRun,
    change: async (object) => {
      if (what.admitted !== true) {
        await gate.validate(
          undefined,
          resource.conversion === undefined ? object : await shownTo(context, object),
        );
      }
      return planDelete(resource, object, { request: what.request, now: server.clock.now() });
    },
  });
  if (changed.type !== 'keep') gate.written();
  const unsaid =
    what.request.propagationPolicy === undefined ? resource.strategy.orphaningWarning : undefined;
  return { ...changed, warnings: [...new Set(gate.warnings), ...(unsaid === undefined ? [] : [unsaid])] };
}

/** Objects of a collection that are deleted at once: they share the store's commits. */
const AT_ONCE = 8;

/** It is listed page by page upstream, and a page of a version is of that version and no newer one. */
function pageOf(asked: ListOptions): ListOptions {
  const { resourceVersion: version, resourceVersionMatch: match } = asked;
  const isExact = version !== '' && version !== '0' && match === '' && asked.continueToken === '';
  return isExact ? { ...asked, resourceVersionMatch: 'Exact' } : asked;
}

/** Deletes what a list with the same query would show, and answers with that list. */
export async function deleteCollection(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info, request } = context;
  const view = viewOf(context);
  const { query, namespace } = info;
  // Without a body the version in the query is that of the list and a precondition of each object too.
  const { dryRun, ...options } = await deleteOptionsOf(request, query);
  const asked = pageOf(listOptionsOf(query, false));
  const { objects, ...page } = await listObjects(
    { ...asked, limit: limitOf(asked), resource, selection: selectionOf({ resource, namespace, query }) },
    server,
  );
  const waiting = objects.values();
  const warnings = new Set<string>();
  const told: string[] = [];
  const state: { failed: boolean; refusal?: ApiResponse } = { failed: false };
  // A store in memory answers within the same turn.
  const slice = new Slice(server.clock);
  const work = async (): Promise<void> => {
    for (const object of waiting) {
      if (slice.over) await slice.next();
      if (state.failed) return;
      const { name = '', namespace: from = '' } = object.head.metadata;
      if (server.offload !== undefined && isWideObject(object, server.limits.wideValues)) {
        // The same request, of one object.
        const one = { ...context, info: { ...info, verb: 'delete', name, namespace: from } };
        const answer = await server.offload.answer(one, deleteObject);
        told.push(answer.headers['warning'] ?? '');
        if (answer.status < 400 || answer.status === 404) continue;
        state.failed = true;
        state.refusal ??= answer;
        return;
      }
      try {
        const changed = await remove(context, { name, namespace: from, request: options, dryRun });
        for (const warning of changed.warnings) warnings.add(warning);
      } catch (error) {
        // Gone in the meantime: that is what was asked for.
        if (isPlatformError(error, 'not-found')) continue;
        state.failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (state.refusal !== undefined) return state.refusal;
  // As they were before. Of a defined resource it says that there are no more; of ours, as in any list, only that there are.
  const isDefined = resource.type.wire === undefined && view.shape === 'object';
  const { status, headers, body } = await listResponse({
    ...page,
    ...(isDefined && { continueToken: page.continueToken ?? '' }),
    resource,
    view,
    objects,
    clock: server.clock,
  });
  return { status, headers: { ...headers, ...allWarnings([...warnings], told) }, body };
}

/** Those of this thread, and headers of the other one, each warning once. */
function allWarnings(warnings: readonly string[], told: readonly string[]): Readonly<Record<string, string>> {
  const { warning = '' } = warningHeader(warnings);
  const each = [warning, ...told].flatMap((header) => (header === '' ? [] : header.split(/, (?=299 - ")/)));
  return each.length === 0 ? {} : { warning: [...new Set(each)].join(', ') };
}
