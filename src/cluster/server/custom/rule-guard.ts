import { loadPatterns } from '../../api/pattern/lazy.ts';
import { loadRules } from '../../api/structural/lazy-rules.ts';
import type { AdmissionPlugin } from '../admission/admission.ts';

/** Validation of definitions cannot wait: what it takes to check their patterns and rules is loaded before. */
export const ruleGuard: AdmissionPlugin = {
  name: 'CustomResourceRules',
  ignoresObject: true,
  handles: ({ resource, subresource, operation }) =>
    subresource === '' &&
    operation !== 'DELETE' &&
    resource.group === 'apiextensions.k8s.io' &&
    resource.resource === 'customresourcedefinitions',
  async mutate() {
    await Promise.all([loadPatterns(), loadRules()]);
  },
};
