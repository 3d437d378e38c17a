/** The two plugins; what evaluates is loaded when the first policy is bound. */
import { isExempt } from '../matching/rules.ts';
import type { AdmissionPlugin } from '../admission.ts';
import { Policies } from './policies.ts';

export function validatingPolicies(): AdmissionPlugin {
  const policies = new Policies('validating');
  return {
    name: 'ValidatingAdmissionPolicy',
    handles: (request) => policies.current(request.server).length > 0 && !isExempt(request),
    async validate(request) {
      const { validatePolicies } = await import('./validating.ts');
      await validatePolicies(request, policies.current(request.server));
    },
  };
}

export function mutatingPolicies(): AdmissionPlugin {
  const policies = new Policies('mutating');
  return {
    name: 'MutatingAdmissionPolicy',
    handles: (request) => policies.current(request.server).length > 0 && !isExempt(request),
    async mutate(request) {
      if (request.object === undefined) return;
      const { mutateByPolicies } = await import('./mutating.ts');
      await mutateByPolicies(request, policies.current(request.server));
    },
  };
}
