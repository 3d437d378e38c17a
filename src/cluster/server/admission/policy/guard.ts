import { fieldErrorsError, invalid, type FieldError } from '../../../api/field-error.ts';
import { jsonEqual, objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';

const GROUP = 'admissionregistration.k8s.io';

/** Policies and webhooks whose expressions do not compile are refused; what was taken before may stay. */
export const expressionGuard: AdmissionPlugin = {
  name: 'AdmissionExpressions',
  handles: ({ resource, subresource, operation }) =>
    resource.group === GROUP && subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'),
  async validate(request) {
    const found = expressionsIn(request);
    if (found.length === 0) return;
    const { ask } = await import('./ask.ts');
    const spec = structuredClone(objectAt(request.object, 'spec'));
    const problems = await ask(request, request.resource, { about: 'texts', spec, texts: found });
    const errors: FieldError[] = [];
    for (const [index, { path, text }] of found.entries()) {
      const problem = problems[index] ?? null;
      if (problem !== null) errors.push(invalid(path, text, problem));
    }
    if (errors.length > 0) throw fieldErrorsError(errors);
  },
};

const ANY: readonly string[] = [];

interface Found {
  readonly path: string;
  readonly text: string;
  /** Types that it may be of, any when there are none. */
  readonly wanted: readonly string[];
  readonly isMessage: boolean;
}

function expressionsIn({ resource, object, old }: AdmissionRequest): readonly Found[] {
  const found: Found[] = [];
  const add = (
    list: readonly JsonObject[],
    path: string,
    fields: Readonly<Record<string, Found['wanted']>>,
  ): void => {
    list.forEach((item, index) => {
      for (const [field, wanted] of Object.entries(fields)) {
        const text = stringAt(item, ...field.split('.'));
        if (text === '') continue;
        const isMessage = field === 'messageExpression';
        found.push({ path: `${path}[${index}].${field}`, text, wanted, isMessage });
      }
    });
  };
  if (resource.resource.endsWith('webhookconfigurations')) {
    objectsAt(object, 'webhooks').forEach((webhook, index) => {
      const before = objectsAt(old, 'webhooks').find(({ name }) => name === webhook['name']);
      if (jsonEqual(before?.['matchConditions'], webhook['matchConditions'])) return;
      add(objectsAt(webhook, 'matchConditions'), `webhooks[${index}].matchConditions`, {
        expression: ['bool'],
      });
    });
    return found;
  }
  const spec = objectAt(object, 'spec');
  if (old !== undefined && jsonEqual(old.spec, spec)) return [];
  add(objectsAt(spec, 'variables'), 'spec.variables', { expression: ANY });
  add(objectsAt(spec, 'matchConditions'), 'spec.matchConditions', { expression: ['bool'] });
  add(objectsAt(spec, 'validations'), 'spec.validations', {
    expression: ['bool'],
    messageExpression: ['string'],
  });
  add(objectsAt(spec, 'auditAnnotations'), 'spec.auditAnnotations', {
    valueExpression: ['string', 'null_type'],
  });
  add(objectsAt(spec, 'mutations'), 'spec.mutations', {
    'applyConfiguration.expression': ['Object'],
    'jsonPatch.expression': ['list(JSONPatch)'],
  });
  return found;
}
