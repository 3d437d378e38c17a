/** policy/v1 Eviction: a delete that disruption budgets may refuse (https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/). */
import { rfc3339 } from '../../../base/clock.ts';
import { assert, isPlatformError } from '../../../base/errors.ts';
import { invalid } from '../../api/field-error.ts';
import {
  getOwn,
  isJsonObject,
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  setOwn,
  stringAt,
  type JsonObject,
} from '../../api/json.ts';
import { recordUpdate } from '../../api/managed-fields/managed-fields.ts';
import { builtinType, type ObjectType } from '../../api/object-type.ts';
import { kindSchema } from '../../api/schema.ts';
import { selectorFromObject } from '../../api/selector.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { listOf } from '../admission/lookup.ts';
import { authored } from '../writes/authorship.ts';
import type { ResourceContext } from '../context.ts';
import { checkPreconditions, parsePropagation, type DeleteRequest } from '../writes/deletion.ts';
import { badRequest, disruptionRefused, forbidden, invalidObject, unexplained } from '../failure.ts';
import { admitCreation } from '../writes/gate.ts';
import { negotiate } from '../encoding/negotiate.ts';
import type { KubeObject } from '../object.ts';
import type { Changed } from '../writes/registry.ts';
import { checkUnknown, decodeBody } from '../encoding/request-body.ts';
import { jsonResponse, warningHeader } from '../encoding/respond.ts';
import { toBytes } from '../encoding/view.ts';
import { checkDeleteOptions } from '../writes/write-options.ts';
import { otherNamespace } from '../writes/writing.ts';
import { remove } from './remove.ts';

const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
const BREAKING = 'ignoreStoreReadErrorWithClusterBreakingPotential';
const BUDGETS = ['policy', 'v1', 'poddisruptionbudgets'] as const;

/** Evictions that the controller has not seen the end of; more are not kept track of. */
const MAX_DISRUPTED = 2000;
/** Tries against others who write the same pod. */
const MAX_TRIES = 20;

interface Eviction {
  /** Looked at when it comes to the delete: a budget that refuses says so first. */
  readonly request: () => DeleteRequest;
  readonly dryRun: boolean;
}

export async function evictPod(context: ResourceContext): Promise<ApiResponse> {
  const { info, request } = context;
  // It is no pod that is shown, so that there is no table.
  negotiate(request.headers['accept'], { protobuf: true, table: false });
  const kind = evictionType();
  const { object, unknown } = await decodeBody(request, kind, 'policy/v1beta1');
  const warnings = checkUnknown(unknown, kind, info.query);
  const namespace = stringAt(object, 'metadata', 'namespace');
  if (namespace !== '' && namespace !== info.namespace) throw otherNamespace();
  if (stringAt(object, 'metadata', 'name') !== info.name) {
    throw badRequest('name in URL does not match name in Eviction object');
  }
  const options = objectAt(object, 'deleteOptions');
  if (options[BREAKING] === true) {
    const why = 'can not be set for pod eviction, try after removing the option';
    const about = { group: 'policy', kind: 'Eviction', name: info.name };
    throw invalidObject(about, [invalid(`deleteOptions.${BREAKING}`, true, why)]);
  }
  const dryRun = dryRunOf(info.query.getAll('dryRun'), listAt(options, 'dryRun') as string[]);
  await admitCreation(context, object as KubeObject);
  const eviction: Eviction = {
    request: () => deleteRequestOf(options, dryRun),
    dryRun: dryRun.length > 0,
  };
  const several = await evict(context, eviction);
  const headers = warningHeader(warnings);
  if (!several) return jsonResponse(201, toBytes({ ...SUCCESS, code: 201 }), headers);
  const message =
    'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
  return jsonResponse(500, toBytes({ ...SUCCESS, status: 'Failure', message, code: 500 }), headers);
}

/** Where both the query and the options have a say they must say the same. */
function dryRunOf(query: readonly string[], options: readonly string[]): readonly string[] {
  const asked = query.filter((value) => value !== '');
  if (options.length === 0) return asked;
  if (asked.length === 0 || jsonEqual([...asked], [...options])) return options;
  const shown = `[${asked.join(' ')}] and [${options.join(' ')}]`;
  throw unexplained(`Non-matching dry-run options in request and content: ${shown}`);
}

function evictionType(): ObjectType {
  const schema = kindSchema('policy', 'v1', 'Eviction');
  assert(schema !== undefined, 'policy Eviction has a schema');
  return builtinType(schema);
}

function deleteRequestOf(options: JsonObject, dryRun: readonly string[]): DeleteRequest {
  const preconditions = objectAt(options, 'preconditions');
  const uid = stringAt(preconditions, 'uid');
  const resourceVersion = stringAt(preconditions, 'resourceVersion');
  const propagationPolicy = options['propagationPolicy'] as string | undefined;
  const orphanDependents = options['orphanDependents'] as boolean | undefined;
  checkDeleteOptions({ propagationPolicy, orphanDependents, dryRun });
  return {
    gracePeriodSeconds: numberAt(options, 'gracePeriodSeconds'),
    propagationPolicy: parsePropagation(propagationPolicy, orphanDependents),
    ...(uid !== '' && { uid }),
    ...(resourceVersion !== '' && { resourceVersion }),
  };
}

/** True when several budgets select the pod: nothing happens then. */
async function evict(context: ResourceContext, eviction: Eviction): Promise<boolean> {
  const { server, resource, info } = context;
  for (let tries = 1; ; tries++) {
    const pod = (await server.registry.get(resource, info)).object;
    if (!isUnguarded(pod)) break;
    try {
      await removePod(context, eviction, isOver(pod) ? undefined : pod);
      return false;
    } catch (error) {
      // It may have become ready meanwhile: then the budget counts.
      const again = isPlatformError(error, 'conflict') && eviction.request().resourceVersion === undefined;
      if (!again || tries >= MAX_TRIES) throw error;
    }
  }
  const pod = (await server.registry.get(resource, info)).object;
  const budgets = listOf(server, BUDGETS, info.namespace).filter((budget) => selects(budget, pod));
  const [budget, another] = budgets;
  if (another !== undefined) return true;
  if (budget === undefined) {
    await removePod(context, eviction);
    return false;
  }
  if (!isReady(pod) && mayGoUnready(budget)) {
    await removeUnready(context, eviction, { pod, budget });
    return false;
  }
  await takeFromBudget(context, budget, eviction.dryRun);
  await removePod(context, eviction);
  return false;
}

function isOver(pod: KubeObject): boolean {
  const phase = stringAt(pod, 'status', 'phase');
  return phase === 'Succeeded' || phase === 'Failed' || pod.metadata.deletionTimestamp !== undefined;
}

/** Its end disrupts nothing: it has not begun, or it has ended already. */
function isUnguarded(pod: KubeObject): boolean {
  return isOver(pod) || stringAt(pod, 'status', 'phase') === 'Pending';
}

function isReady(pod: KubeObject): boolean {
  return objectsAt(pod, 'status', 'conditions').some(
    ({ type, status }) => type === 'Ready' && status === 'True',
  );
}

function selects(budget: KubeObject, pod: KubeObject): boolean {
  const selector = getOwn(objectAt(budget, 'spec'), 'selector');
  if (!isJsonObject(selector)) return false;
  try {
    return selectorFromObject(selector).matches(pod.metadata.labels);
  } catch {
    // An invalid selector selects nothing.
    return false;
  }
}

const count = (budget: JsonObject, field: string): number => numberAt(objectAt(budget, 'status'), field) ?? 0;

/** A pod that is not ready is not counted as healthy, so its end takes nothing away (KEP-3017). */
function mayGoUnready(budget: KubeObject): boolean {
  if (stringAt(budget, 'spec', 'unhealthyPodEvictionPolicy') === 'AlwaysAllow') return true;
  const wanted = count(budget, 'desiredHealthy');
  return wanted > 0 && count(budget, 'currentHealthy') >= wanted;
}

async function removeUnready(
  context: ResourceContext,
  eviction: Eviction,
  { pod, budget }: { readonly pod: KubeObject; readonly budget: KubeObject },
): Promise<void> {
  try {
    await removePod(context, eviction, pod);
  } catch (error) {
    if (!isPlatformError(error, 'conflict') || eviction.request().resourceVersion !== undefined) throw error;
    throw stillProcessed(budget.metadata.name ?? '');
  }
}

function stillProcessed(name: string): Error {
  return disruptionRefused(`The disruption budget ${name} is still being processed by the server.`, 10);
}

/** Counts one disruption against the budget, or throws because it allows none. */
async function takeFromBudget(
  { server, info }: ResourceContext,
  { metadata }: KubeObject,
  dryRun: boolean,
): Promise<void> {
  const resource = server.resources.get(...BUDGETS);
  const ref = { namespace: info.namespace, name: metadata.name ?? '' };
  const author = authored(resource, {
    manager: 'kube-apiserver',
    subresource: 'status',
    clock: server.clock,
  });
  await server.registry.modify(resource, ref, {
    dryRun,
    change(budget) {
      checkBudget(budget);
      const status = { ...budget.status };
      const left = count(budget, 'disruptionsAllowed') - 1;
      status['disruptionsAllowed'] = left;
      const now = rfc3339(server.clock.now());
      // The controller does not count it as healthy from now on, or until it has been waited for in vain.
      const disrupted: JsonObject = { ...objectAt(budget, 'status', 'disruptedPods') };
      setOwn(disrupted, info.name, now);
      status['disruptedPods'] = disrupted;
      if (left === 0) {
        const conditions = objectsAt(status, 'conditions');
        status['conditions'] = withoutDisruptions(conditions, count(budget, 'observedGeneration'), now);
      }
      const object = { ...budget, metadata: { ...budget.metadata }, status };
      recordUpdate(budget, object, author);
      return { type: 'put', object };
    },
  });
}

function withoutDisruptions(
  conditions: readonly JsonObject[],
  observedGeneration: number,
  now: string,
): JsonObject[] {
  const before = conditions.find(({ type }) => type === 'DisruptionAllowed');
  const lastTransitionTime = before?.['status'] === 'False' ? (before['lastTransitionTime'] ?? now) : now;
  const condition = {
    ...before,
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'InsufficientPods',
    message: '',
    lastTransitionTime,
    ...(observedGeneration !== 0 && { observedGeneration }),
  };
  return [...conditions.filter(({ type }) => type !== 'DisruptionAllowed'), condition];
}

function checkBudget(budget: KubeObject): void {
  const name = budget.metadata.name ?? '';
  const refused = (why: string): Error =>
    forbidden({ group: 'policy', resource: 'poddisruptionbudget' }, name, why);
  if (count(budget, 'observedGeneration') < (budget.metadata.generation ?? 0)) throw stillProcessed(name);
  const allowed = count(budget, 'disruptionsAllowed');
  if (allowed < 0) throw refused('pdb disruptions allowed is negative');
  if (Object.keys(objectAt(budget, 'status', 'disruptedPods')).length > MAX_DISRUPTED) {
    throw refused('DisruptedPods map too big - too many evictions not confirmed by PDB controller');
  }
  if (allowed === 0) throw disruptionRefused(whyNone(budget, name));
}

function whyNone(budget: KubeObject, name: string): string {
  const [wanted, healthy] = [count(budget, 'desiredHealthy'), count(budget, 'currentHealthy')];
  const condition = objectsAt(budget, 'status', 'conditions').find(
    (one) => one['type'] === 'DisruptionAllowed' && one['status'] === 'False',
  );
  const [reason, message] = [stringAt(condition, 'reason'), stringAt(condition, 'message')];
  const refused = `The disruption budget ${name} does not allow evicting pods currently`;
  // After a failed sync the numbers are not to be trusted.
  if (message !== '' && reason === 'SyncFailed') return `${refused} because it failed sync: ${message}`;
  if (healthy <= wanted) {
    return `The disruption budget ${name} needs ${wanted} healthy pods and has ${healthy} currently`;
  }
  return message === '' ? refused : `${refused} (${reason}): ${message}`;
}

/** Says on the pod why it goes, then deletes it; with `seen` only if it is still as it was seen. */
async function removePod(context: ResourceContext, eviction: Eviction, seen?: KubeObject): Promise<void> {
  const { info } = context;
  const { dryRun } = eviction;
  const asked = eviction.request();
  const resourceVersion = asked.resourceVersion ?? seen?.metadata.resourceVersion;
  const request: DeleteRequest = { ...asked, resourceVersion };
  const marked = dryRun ? undefined : (await mark(context, request)).object.revision;
  await remove(context, {
    admitted: true,
    name: info.name,
    namespace: info.namespace,
    dryRun,
    request: {
      ...request,
      ...(resourceVersion !== undefined && marked !== undefined && { resourceVersion: String(marked) }),
    },
  });
}

/** The condition by which controllers tell an eviction from a failure (KEP-3329). */
async function mark(context: ResourceContext, request: DeleteRequest): Promise<Changed> {
  const { server, resource, info } = context;
  return await server.registry.modify(resource, info, {
    change(pod) {
      checkPreconditions(resource, pod, request);
      const conditions = objectsAt(pod, 'status', 'conditions');
      const before = conditions.find(({ type }) => type === 'DisruptionTarget');
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'EvictionByEvictionAPI',
        message: 'Eviction API: evicting',
        lastTransitionTime:
          (before?.['status'] === 'True' ? before['lastTransitionTime'] : undefined) ??
          rfc3339(server.clock.now()),
      };
      const others = conditions.filter(({ type }) => type !== 'DisruptionTarget');
      const status = { ...pod.status, conditions: [...others, condition] };
      return { type: 'put', object: { ...pod, status } };
    },
  });
}
