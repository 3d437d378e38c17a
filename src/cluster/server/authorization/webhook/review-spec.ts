/** A question as a SubjectAccessReviewSpec (authorization.k8s.io/v1): what webhooks are asked, and conditions see. */
import type { JsonObject } from '../../../api/json.ts';
import type { FieldTerm, LabelRequirement } from '../../../api/selector.ts';
import type { Attributes } from '../authorizer.ts';

export function reviewSpec(asked: Attributes): JsonObject {
  const { user, verb, path } = asked;
  const { name, uid, groups, extra } = user;
  return {
    ...(path === undefined
      ? { resourceAttributes: resourceAttributes(asked) }
      : { nonResourceAttributes: { path, verb } }),
    ...(name !== '' && { user: name }),
    ...(groups.length > 0 && { groups: [...groups] }),
    ...(extra !== undefined &&
      Object.keys(extra).length > 0 && {
        extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
      }),
    ...(uid !== undefined && uid !== '' && { uid }),
  };
}

function resourceAttributes(asked: Attributes): JsonObject {
  const { verb, group, version, resource, subresource, namespace, name } = asked;
  const texts = { namespace, verb, group, version, resource, subresource, name };
  const fields = (asked.fieldSelector ?? []).map(fieldRequirement);
  const labels = (asked.labelSelector ?? []).flatMap((requirement) => labelRequirement(requirement));
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== '')),
    ...(fields.length > 0 && { fieldSelector: { requirements: fields } }),
    ...(labels.length > 0 && { labelSelector: { requirements: labels } }),
  };
}

function fieldRequirement({ field, operator, value }: FieldTerm): JsonObject {
  return { key: field, operator: operator === '=' ? 'In' : 'NotIn', values: [value] };
}

/** Comparisons have no form there; to leave one out is to ask for more. */
function labelRequirement({ key, operator, values }: LabelRequirement): JsonObject[] {
  if (operator === 'Gt' || operator === 'Lt') return [];
  return [{ key, operator, ...(values.length > 0 && { values: [...values] }) }];
}

/** With every text there, empty ones too: expressions need not ask whether they are. */
export function conditionRequest(spec: JsonObject): JsonObject {
  const { resourceAttributes: on, nonResourceAttributes: path } = spec;
  return {
    user: '',
    uid: '',
    groups: [],
    extra: {},
    ...spec,
    ...(on !== undefined && {
      resourceAttributes: {
        namespace: '',
        verb: '',
        group: '',
        version: '',
        resource: '',
        subresource: '',
        name: '',
        ...(on as JsonObject),
      },
    }),
    ...(path !== undefined && { nonResourceAttributes: path }),
  };
}
