import { listAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { ensureObject, fill, isEmpty } from './fill.ts';

const CLIENT_IP_TIMEOUT_SECONDS = 10_800;

/** Families of addresses are the strategy's to choose: they follow from what the cluster has. */
export function serviceDefaults(service: JsonObject): void {
  const spec = ensureObject(service, 'spec');
  if (isEmpty(spec['sessionAffinity'])) spec['sessionAffinity'] = 'None';
  if (spec['sessionAffinity'] === 'None') delete spec['sessionAffinityConfig'];
  if (spec['sessionAffinity'] === 'ClientIP') {
    const clientIp = ensureObject(ensureObject(spec, 'sessionAffinityConfig'), 'clientIP');
    fill(clientIp, { timeoutSeconds: CLIENT_IP_TIMEOUT_SECONDS });
  }
  if (isEmpty(spec['type'])) spec['type'] = 'ClusterIP';
  for (const port of objectsAt(spec, 'ports')) {
    if (isEmpty(port['protocol'])) port['protocol'] = 'TCP';
    if (isEmpty(port['targetPort'])) port['targetPort'] = port['port'] ?? 0;
  }
  const { type } = spec;
  const balanced = type === 'LoadBalancer';
  const accessible =
    balanced || type === 'NodePort' || (type === 'ClusterIP' && listAt(spec, 'externalIPs').length > 0);
  if (accessible && isEmpty(spec['externalTrafficPolicy'])) spec['externalTrafficPolicy'] = 'Cluster';
  if (type === 'ClusterIP' || balanced || type === 'NodePort')
    fill(spec, { internalTrafficPolicy: 'Cluster' });
  if (!balanced) return;
  fill(spec, { allocateLoadBalancerNodePorts: true });
  for (const ingress of objectsAt(service, 'status', 'loadBalancer', 'ingress')) {
    if (stringAt(ingress, 'ip') !== '') fill(ingress, { ipMode: 'VIP' });
  }
}
