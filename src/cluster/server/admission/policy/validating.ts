/** ValidatingAdmissionPolicy (KEP-3488): rules of the cluster, as expressions. */
import { PlatformError } from '../../../../base/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import { qualified } from '../../failure.ts';
import type { Resource } from '../../resource.ts';
import type { AdmissionRequest } from '../admission.ts';
import { nameIn } from '../lookup.ts';
import { matches } from '../matching/rules.ts';
import { ask } from './ask.ts';
import { paramsOf, PolicyFailure } from './params.ts';
import type { Binding, Policy } from './policies.ts';
import type { Refusal } from './validations.ts';

/** Throws for the first refusal that a binding denies; the others warn and are audited. */
export async function validatePolicies(
  request: AdmissionRequest,
  policies: readonly Policy[],
): Promise<void> {
  const audited: JsonObject[] = [];
  let denied: PlatformError | undefined;
  for (const policy of policies) {
    for (const binding of policy.bindings) {
      for (const refusal of await refusals(request, policy, binding)) {
        const { message, index } = refusal;
        for (const action of binding.actions) {
          if (action === 'Deny') denied ??= denial(request, { policy, binding, refusal });
          else if (action === 'Warn') {
            request.warn(
              `Validation failed for ValidatingAdmissionPolicy '${policy.name}' with binding '${binding.name}': ${message}`,
            );
          } else {
            audited.push({
              message,
              policy: policy.name,
              binding: binding.name,
              expressionIndex: index ?? 0,
              validationActions: [...binding.actions],
            });
          }
        }
      }
    }
  }
  if (audited.length > 0) {
    request.audit('validation.policy.admission.k8s.io/validation_failure', JSON.stringify(audited));
  }
  if (denied !== undefined) throw denied;
}

async function refusals(
  request: AdmissionRequest,
  policy: Policy,
  binding: Binding,
): Promise<readonly Refusal[]> {
  const failed = (message: string): readonly Refusal[] =>
    policy.failsOpen ? [] : [{ message, reason: 'Invalid' }];
  try {
    const as = await applies(request, policy, binding);
    if (as === undefined) return [];
    const found: Refusal[] = [];
    for (const params of await paramsOf(request, policy, binding)) {
      const { name, spec, failsOpen } = policy;
      const judgement = await ask(request, as, {
        about: 'validations',
        name,
        spec,
        failsOpen,
        ...(params !== undefined && { params }),
      });
      for (const [key, value] of judgement.annotations) request.audit(key, value);
      found.push(...judgement.refusals);
    }
    return found;
  } catch (error) {
    if (!(error instanceof PolicyFailure)) throw error;
    return failed(error.message);
  }
}

/** The resource as which policy and binding match the request; throws PolicyFailure. */
export async function applies(
  request: AdmissionRequest,
  policy: Policy,
  binding: Binding,
): Promise<Resource | undefined> {
  const as = matches(request, policy.matcher);
  if (as === undefined) return undefined;
  if (binding.matcher !== undefined && matches(request, binding.matcher) === undefined) return undefined;
  if (policy.conditions.length === 0) return as;
  const outcome = await ask(request, as, { about: 'conditions', conditions: policy.conditions });
  if (outcome === 'match') return as;
  if (outcome === 'no match') return undefined;
  throw new PolicyFailure(outcome.error);
}

const CODES: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  RequestEntityTooLarge: 413,
  Invalid: 422,
};

function denial(
  request: AdmissionRequest,
  { policy, binding, refusal }: { policy: Policy; binding: Binding; refusal: Refusal },
): PlatformError {
  const said = `ValidatingAdmissionPolicy '${policy.name}' with binding '${binding.name}' denied request: ${refusal.message}`;
  const named = nameIn(request);
  const message = `${qualified(request.resource)}${named === '' ? '' : ` "${named}"`} is forbidden: ${said}`;
  return refused(request, { message, said, reason: refusal.reason, code: CODES[refusal.reason] ?? 422 });
}

/** What a policy says, as a Status about the request's object. */
export function refused(
  request: AdmissionRequest,
  about: { readonly message: string; readonly said: string; readonly reason: string; readonly code: number },
): PlatformError {
  const { message, said, reason, code } = about;
  const { resource } = request;
  const named = nameIn(request);
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    details: {
      ...(named !== '' && { name: named }),
      ...(resource.group !== '' && { group: resource.group }),
      kind: resource.resource,
      causes: [{ message: said }],
    },
    code,
  };
  return new PlatformError('forbidden', message, { details: { status } });
}
