/** MutatingAdmissionPolicy (KEP-3962): changes that the cluster makes to what comes in, as expressions. */
import { errorMessage, PlatformError } from '../../../../base/errors.ts';
import { CelError } from '../../../api/cel/program.ts';
import { isJsonObject, jsonEqual, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { merge } from '../../../api/managed-fields/typed-value.ts';
import { jsonPatch } from '../../../api/patch.ts';
import type { KubeObject } from '../../object.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import { inVersion, outOfVersion } from '../matching/equivalent.ts';
import { replace } from '../replace.ts';
import { ask } from './ask.ts';
import { atomicsIn } from './atomics.ts';
import { paramsOf, PolicyFailure } from './params.ts';
import type { Binding, Policy } from './policies.ts';
import { applies, refused } from './validating.ts';

interface Memory {
  readonly called: Set<string>;
  readonly again: Set<string>;
  last: KubeObject | undefined;
}

export async function mutateByPolicies(
  request: AdmissionRequest,
  policies: readonly Policy[],
): Promise<void> {
  const { round, object } = request;
  if (object === undefined) return;
  const memory = round.memory('MutatingAdmissionPolicy', (): Memory => ({
    called: new Set(),
    again: new Set(),
    last: undefined,
  }));
  if (round.isSecond && !jsonEqual(object, memory.last)) askAgain(memory);
  for (const policy of policies) {
    for (const binding of policy.bindings) {
      const id = `${policy.name} ${binding.name}`;
      if (round.isSecond && !memory.again.has(id)) continue;
      const before = structuredClone(object);
      await mutate(request, policy, binding);
      if (!jsonEqual(before, object)) {
        askAgain(memory);
        round.repeat();
      }
      if (policy.reinvoked) memory.called.add(id);
    }
  }
  memory.last = structuredClone(object);
}

function askAgain({ called, again }: Memory): void {
  for (const id of called) again.add(id);
  called.clear();
}

async function mutate(request: AdmissionRequest, policy: Policy, binding: Binding): Promise<void> {
  // What keeps it from being asked is Forbidden, what comes of asking Invalid.
  let reason = 'Forbidden';
  try {
    const as = await applies(request, policy, binding);
    if (as === undefined) return;
    for (const params of await paramsOf(request, policy, binding)) {
      reason = 'Invalid';
      for (const mutation of objectsAt(policy.spec, 'mutations')) {
        await apply(request, mutation, { policy, as, params });
      }
    }
  } catch (error) {
    const isFailure = error instanceof PolicyFailure || error instanceof CelError;
    if (!isFailure) throw error;
    if (policy.failsOpen) return;
    const message = `policy '${policy.name}' with binding '${binding.name}' denied request: ${error.message}`;
    if (error instanceof CelError) reason = 'Invalid';
    throw refused(request, { message, said: message, reason, code: 403 });
  }
}

async function apply(
  request: AdmissionRequest,
  mutation: JsonObject,
  { policy, as, params }: { policy: Policy; as: Resource; params: KubeObject | undefined },
): Promise<void> {
  const { object } = request;
  if (object === undefined) return;
  const shown = await inVersion(request, object, as);
  // Each mutation sees what the one before it has made.
  const configures = stringAt(mutation, 'patchType') === 'ApplyConfiguration';
  const expression = stringAt(mutation, configures ? 'applyConfiguration' : 'jsonPatch', 'expression');
  const { spec } = policy;
  const outcome = await ask(request, as, {
    about: 'mutation',
    spec,
    expression,
    ...(params !== undefined && { params }),
  });
  if ('error' in outcome) throw new CelError(outcome.error);
  const { value } = outcome;
  const made = configures ? configured(shown, value, as) : patched(shown, value);
  if (jsonEqual(made, shown)) return;
  try {
    replace(request, object, await outOfVersion(request, made, as));
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw new PolicyFailure(`the mutated object is not one: ${errorMessage(error)}`);
  }
}

function configured(object: KubeObject, value: unknown, as: Resource): KubeObject {
  if (!isJsonObject(value)) throw new PolicyFailure('an apply configuration must be an Object');
  const { apiVersion, kind } = object as JsonObject;
  const configuration: JsonObject = { ...value, apiVersion: apiVersion ?? '', kind: kind ?? '' };
  const atomics = atomicsIn(configuration, as.type.ownership);
  if (atomics.length > 0) {
    const why = `may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`;
    throw new PolicyFailure(`error applying patch: invalid ApplyConfiguration: ${why}`);
  }
  return merge(structuredClone(object), configuration, as.type.ownership) as KubeObject;
}

function patched(object: KubeObject, steps: unknown): KubeObject {
  if (!Array.isArray(steps)) throw new PolicyFailure('a JSON patch must be a list of JSONPatch');
  try {
    return jsonPatch(structuredClone(object), steps) as KubeObject;
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    // A test in a patch is a condition: where it does not hold, nothing is to be done.
    if (error.message.startsWith('testing value ')) return object;
    throw new PolicyFailure(`JSON Patch: ${error.message}`);
  }
}
