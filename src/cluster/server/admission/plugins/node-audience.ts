/**
 * A node gets tokens for those audiences only that the pod itself mounts tokens for, or that somebody has granted it
 * (ServiceAccountNodeAudienceRestriction, KEP-4412).
 */
import { listAt, objectAt, objectsAt, stringAt } from '../../../api/json.ts';
import type { KubeObject } from '../../object.ts';
import type { AdmissionRequest } from '../admission.ts';
import { objectNamed, refused } from '../lookup.ts';

const VERB = 'request-serviceaccounts-token-audience';

/** Of a TokenRequest that is bound to the pod. Throws `forbidden`. */
export async function checkAudience(request: AdmissionRequest, pod: KubeObject): Promise<void> {
  const { user, namespace, name, server } = request;
  const [wanted = '', ...more] = listAt(request.object, 'spec', 'audiences') as string[];
  if (more.length > 0) throw refused(request, 'node may only request 0 or 1 audiences');
  if (mounted(request, pod).has(wanted)) return;
  const asked = {
    user,
    verb: VERB,
    group: '',
    version: 'v1',
    resource: wanted,
    subresource: '',
    namespace,
    name,
  };
  const { answer } = await server.authorizer.decide(asked);
  if (answer === 'allow') return;
  throw refused(
    request,
    `audience ${JSON.stringify(wanted)} not found in pod spec volume, ${user.name} is not authorized to request tokens for this audience`,
  );
}

/** By a projected volume, or by the driver of a CSI volume. */
function mounted({ namespace, server }: AdmissionRequest, pod: KubeObject): ReadonlySet<string> {
  const audiences = new Set<string>();
  const ofDriver = (name: string): void => {
    const driver =
      name === '' ? undefined : objectNamed(server, ['storage.k8s.io', 'v1', 'csidrivers'], { name });
    for (const each of objectsAt(driver, 'spec', 'tokenRequests')) audiences.add(stringAt(each, 'audience'));
  };
  const ofClaim = (name: string): void => {
    const claim = objectNamed(server, ['', 'v1', 'persistentvolumeclaims'], { namespace, name });
    const volume = stringAt(claim, 'spec', 'volumeName');
    if (volume === '') return;
    ofDriver(
      stringAt(
        objectNamed(server, ['', 'v1', 'persistentvolumes'], { name: volume }),
        'spec',
        'csi',
        'driver',
      ),
    );
  };
  for (const volume of objectsAt(pod, 'spec', 'volumes')) {
    for (const source of objectsAt(volume, 'projected', 'sources')) {
      if (source['serviceAccountToken'] === undefined) continue;
      audiences.add(stringAt(objectAt(source, 'serviceAccountToken'), 'audience'));
    }
    ofDriver(stringAt(volume, 'csi', 'driver'));
    const claim = stringAt(volume, 'persistentVolumeClaim', 'claimName');
    if (claim !== '') ofClaim(claim);
    if (volume['ephemeral'] !== undefined) ofClaim(`${pod.metadata.name}-${stringAt(volume, 'name')}`);
  }
  return audiences;
}
