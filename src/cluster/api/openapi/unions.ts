/**
 * Messages of which one field is set, and the field that says which: `+union` in upstream's types, which protocol buffers
 * know nothing of. A field's value of the discriminator is its own name with a capital.
 */
import type { JsonObject } from '../json.ts';

const UNIONS: Readonly<Record<string, { readonly by?: string; readonly fields: readonly string[] }>> = {
  'io.k8s.api.core.v1.AppArmorProfile': { by: 'type', fields: ['localhostProfile'] },
  'io.k8s.api.core.v1.PodSchedulingGroup': { fields: ['podGroupName'] },
  'io.k8s.api.core.v1.SeccompProfile': { by: 'type', fields: ['localhostProfile'] },
  'io.k8s.api.flowcontrol.v1.LimitResponse': { by: 'type', fields: ['queuing'] },
  'io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec': { by: 'type', fields: ['exempt', 'limited'] },
  'io.k8s.api.flowcontrol.v1.Subject': { by: 'kind', fields: ['group', 'serviceAccount', 'user'] },
};

/** Of a message, by the name that OpenAPI has for it. */
export function unionOf(message: string): JsonObject {
  const union = UNIONS[message];
  if (union === undefined) return {};
  const { by, fields } = union;
  const values = fields.map((name) => [name, name.charAt(0).toUpperCase() + name.slice(1)]);
  const discriminator = by === undefined ? {} : { discriminator: by };
  return {
    'x-kubernetes-unions': [{ ...discriminator, 'fields-to-discriminateBy': Object.fromEntries(values) }],
  };
}
