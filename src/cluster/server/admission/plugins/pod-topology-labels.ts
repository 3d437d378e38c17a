import type { KubeObject } from '../../object.ts';
import { stringAt } from '../../../api/json.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { objectNamed } from '../lookup.ts';

const COPIED = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

/** A pod that gets a node is labelled with where that is (KEP-4742); a binding's labels become the pod's. */
export const podTopologyLabels: AdmissionPlugin = {
  name: 'PodTopologyLabels',
  handles: ({ resource, subresource, operation }) =>
    operation === 'CREATE' &&
    resource.group === '' &&
    resource.resource === 'pods' &&
    (subresource === '' || subresource === 'binding'),
  mutate(request) {
    const { object } = request;
    const node = nodeOf(request);
    if (object === undefined || node === undefined) return;
    const { labels = {} } = node.metadata;
    for (const key of COPIED) {
      const value = labels[key];
      if (value !== undefined) object.metadata.labels = { ...object.metadata.labels, [key]: value };
    }
  },
};

function nodeOf({ object, subresource, server }: AdmissionRequest): KubeObject | undefined {
  const ofPod = subresource === '';
  if (!ofPod && stringAt(object, 'target', 'kind') !== 'Node') return undefined;
  const name = ofPod ? stringAt(object, 'spec', 'nodeName') : stringAt(object, 'target', 'name');
  return name === '' ? undefined : objectNamed(server, ['', 'v1', 'nodes'], { name });
}
