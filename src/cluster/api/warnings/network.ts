/** What is warned of in ingresses, network policies and endpoint slices. */
import { listAt, objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { addressWarnings, cidrWarnings } from './addresses.ts';

const CLASS = 'kubernetes.io/ingress.class';

export function ingressWarnings(ingress: JsonObject, old?: JsonObject): string[] {
  if (old !== undefined || objectAt(ingress, 'metadata', 'annotations')[CLASS] === undefined) return [];
  return [`annotation "${CLASS}" is deprecated, please use 'spec.ingressClassName' instead`];
}

export function networkPolicyWarnings(policy: JsonObject): string[] {
  const spec = objectAt(policy, 'spec');
  return [['ingress', 'from'] as const, ['egress', 'to'] as const].flatMap(([direction, peers]) =>
    objectsAt(spec, direction).flatMap((rule, index) =>
      objectsAt(rule, peers).flatMap((peer, position) => {
        const block = objectAt(peer, 'ipBlock');
        const at = `spec.${direction}[${index}].${peers}[${position}].ipBlock`;
        return [
          ...cidrWarnings(stringAt(block, 'cidr'), `${at}.cidr`),
          ...listAt(block, 'except').flatMap((range, place) =>
            cidrWarnings(textOf(range), `${at}.except[${place}]`),
          ),
        ];
      }),
    ),
  );
}

/** They write what they were given, after having put it right. */
const TRUSTED = new Set(['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io']);

export function endpointSliceWarnings(slice: JsonObject, old?: JsonObject): string[] {
  const named = old === undefined && slice['addressType'] === 'FQDN';
  const warnings = named ? ['spec.addressType: FQDN endpoints are deprecated'] : [];
  const labels = objectAt(slice, 'metadata', 'labels');
  if (TRUSTED.has(textOf(labels['endpointslice.kubernetes.io/managed-by']))) return warnings;
  return [
    ...warnings,
    ...objectsAt(slice, 'endpoints').flatMap((endpoint, index) =>
      listAt(endpoint, 'addresses').flatMap((address, position) =>
        addressWarnings(textOf(address), `endpoints[${index}].addresses[${position}]`),
      ),
    ),
  ];
}
