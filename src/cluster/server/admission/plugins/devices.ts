import { fieldErrorsError, forbidden } from '../../../api/field-error.ts';
import { objectsAt } from '../../../api/json.ts';
import { loadDeviceExpressions } from '../../../api/validate/expressions.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { objectNamed } from '../lookup.ts';

const LABEL = 'resource.kubernetes.io/admin-access';
const REFUSAL = `admin access to devices requires the \`${LABEL}: true\` label on the containing namespace`;

/** Claims and classes of devices: who may look at others' devices (KEP-5018), and what it takes to check selectors. */
export const devices: AdmissionPlugin = {
  name: 'Devices',
  ignoresObject: true,
  handles: ({ resource, operation }) => resource.group === 'resource.k8s.io' && operation !== 'DELETE',
  /** Validation cannot wait; what it takes is loaded before. */
  mutate: loadDeviceExpressions,
  validate(request) {
    const at = adminAccessAt(request);
    if (at === undefined || mayAdminister(request)) return;
    throw fieldErrorsError([forbidden(at, REFUSAL)]);
  },
};

function adminAccessAt({
  resource,
  subresource,
  operation,
  object,
  old,
}: AdmissionRequest): string | undefined {
  const { resource: name } = resource;
  if (subresource === 'status' && name === 'resourceclaims') {
    const results = (claim: AdmissionRequest['object']): number =>
      objectsAt(claim, 'status', 'allocation', 'devices', 'results').findIndex(
        (result) => result['adminAccess'] === true,
      );
    const index = results(object);
    const isNew = index !== -1 && results(old) === -1;
    return isNew ? `status.allocation.devices.results[${index}].adminAccess` : undefined;
  }
  const isClaim = name === 'resourceclaims' || name === 'resourceclaimtemplates';
  // What has been asked for is never asked for differently.
  if (!isClaim || subresource !== '' || operation !== 'CREATE') return undefined;
  const path = name === 'resourceclaims' ? ['spec'] : ['spec', 'spec'];
  const requests = objectsAt(object, ...path, 'devices', 'requests');
  const index = requests.findIndex(
    ({ exactly }) => (exactly as { readonly adminAccess?: unknown } | undefined)?.adminAccess === true,
  );
  return index === -1 ? undefined : `spec.devices.requests[${index}].adminAccess`;
}

function mayAdminister({ server, namespace }: AdmissionRequest): boolean {
  const found = objectNamed(server, ['', 'v1', 'namespaces'], { name: namespace });
  return found?.metadata.labels?.[LABEL] === 'true';
}
