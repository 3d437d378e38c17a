import { objectsAt, type JsonObject } from '../json.ts';
import { ensureObject, fill, isEmpty } from './fill.ts';

const CLIENT_IP_TIMEOUT_SECONDS = 10_800;

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
    if (isEmpty(port['targetPort']) && port['port'] !== undefined) port['targetPort'] = port['port'];
  }
  const { type } = spec;
  if (type === 'NodePort' || type === 'LoadBalancer') fill(spec, { externalTrafficPolicy: 'Cluster' });
  if (type === 'LoadBalancer') fill(spec, { allocateLoadBalancerNodePorts: true });
  if (type !== 'ExternalName') {
    fill(spec, { internalTrafficPolicy: 'Cluster', ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
  }
}
