import { getPath, stringAt, textOf } from '../../../api/json.ts';
import { compareQuantities, tryParseQuantity } from '../../../api/quantity.ts';
import type { AdmissionPlugin } from '../admission.ts';
import { isFor, objectNamed, refused } from '../lookup.ts';

/** By group and resource. */
const PROTECTED: Readonly<Record<string, string>> = {
  '/persistentvolumeclaims': 'kubernetes.io/pvc-protection',
  '/persistentvolumes': 'kubernetes.io/pv-protection',
  'storage.k8s.io/volumeattributesclasses': 'kubernetes.io/vac-protection',
};

/** Storage stays for as long as something uses it: a controller takes the finalizer away. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: ({ operation, resource, subresource }) =>
    operation === 'CREATE' &&
    subresource === '' &&
    PROTECTED[`${resource.group}/${resource.resource}`] !== undefined,
  mutate({ object, resource }) {
    const finalizer = PROTECTED[`${resource.group}/${resource.resource}`];
    if (object === undefined || finalizer === undefined) return;
    const present = object.metadata.finalizers ?? [];
    if (!present.includes(finalizer)) object.metadata.finalizers = [...present, finalizer];
  },
};

/** Claims grow only where their class allows it. */
export const persistentVolumeClaimResize: AdmissionPlugin = {
  name: 'PersistentVolumeClaimResize',
  handles: (request) => request.operation === 'UPDATE' && isFor(request, '', 'persistentvolumeclaims'),
  validate(request) {
    const { object, old, server } = request;
    const size = (claim: typeof object): string =>
      textOf(getPath(claim, 'spec', 'resources', 'requests', 'storage'));
    const [now, before] = [tryParseQuantity(size(object)), tryParseQuantity(size(old))];
    if (now === undefined || before === undefined || compareQuantities(now, before) <= 0) return;
    if (stringAt(old, 'status', 'phase') !== 'Bound') {
      throw refused(request, 'Only bound persistent volume claims can be expanded');
    }
    const name =
      object?.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ??
      stringAt(object, 'spec', 'storageClassName');
    const found =
      name === '' ? undefined : objectNamed(server, ['storage.k8s.io', 'v1', 'storageclasses'], { name });
    if (found?.['allowVolumeExpansion'] === true) return;
    throw refused(
      request,
      'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    );
  },
};
