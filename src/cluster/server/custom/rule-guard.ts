import { fieldErrorsError } from '../../api/field-error.ts';
import { isJsonObject, jsonEqual, objectAt, objectsAt } from '../../api/json.ts';
import { loadPatterns } from '../../api/pattern/lazy.ts';
import { checkStructural } from '../../api/structural/check.ts';
import { hasRules, parseStructural } from '../../api/structural/schema.ts';
import { schemaPath } from '../../api/validate/extensions.ts';
import type { AdmissionPlugin } from '../admission/admission.ts';

/** Definitions whose rules cannot be evaluated, or would cost too much, are refused; what was taken before may stay. */
export const ruleGuard: AdmissionPlugin = {
  name: 'CustomResourceRules',
  handles: ({ resource, subresource, operation }) =>
    (subresource === '' || subresource === 'status') &&
    operation !== 'DELETE' &&
    resource.group === 'apiextensions.k8s.io' &&
    resource.resource === 'customresourcedefinitions',
  /** Validation cannot wait; what it takes to check patterns is loaded before. */
  mutate: loadPatterns,
  async validate({ object, old }) {
    const errors = [];
    // Versions with the same schema share it, and what is wrong with it is said once.
    const seen = new Set<string>();
    for (const [index, version] of objectsAt(object, 'spec', 'versions').entries()) {
      const path = schemaPath(objectAt(object, 'spec'), index);
      if (seen.has(path)) continue;
      seen.add(path);
      const json = objectAt(version, 'schema')['openAPIV3Schema'];
      if (!isJsonObject(json) || checkStructural(json, '').length > 0) continue;
      const before = objectsAt(old, 'spec', 'versions').find(({ name }) => name === version['name']);
      if (before !== undefined && jsonEqual(objectAt(before, 'schema')['openAPIV3Schema'], json)) continue;
      const schema = parseStructural(json);
      if (!hasRules(schema)) continue;
      const { checkRules } = await import('../../api/structural/rule-definitions.ts');
      errors.push(...checkRules(schema, `${path}.openAPIV3Schema`));
    }
    if (errors.length > 0) throw fieldErrorsError(errors);
  },
};
