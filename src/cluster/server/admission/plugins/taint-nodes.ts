import { objectAt, objectsAt } from '../../../api/json.ts';
import type { AdmissionPlugin } from '../admission.ts';
import { isFor } from '../lookup.ts';

const TAINT = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };

/** No pods for a node before it has said that it is ready; the node's controller takes the taint away. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: (request) => request.operation === 'CREATE' && isFor(request, '', 'nodes'),
  mutate({ object }) {
    const taints = objectsAt(object, 'spec', 'taints');
    if (object === undefined) return;
    if (taints.some(({ key, effect }) => key === TAINT.key && effect === TAINT.effect)) return;
    object.spec = { ...objectAt(object, 'spec'), taints: [...taints, { ...TAINT }] };
  },
};
