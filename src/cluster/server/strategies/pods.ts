import { getPath, objectsAt, stringAt } from '../../api/json.ts';
import { qosClass } from '../../api/quota/pod-class.ts';
import type { Json } from '../object.ts';
import type { Strategy } from '../resource.ts';

const GATED: Json = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};

export const podStrategy: Strategy = {
  prepareForCreate(pod) {
    const spec = (pod.spec ??= {});
    pod.status = { phase: 'Pending', qosClass: qosClass(spec) };
    // The scheduler leaves gated pods alone, so the server says why they wait (KEP-3521).
    if (objectsAt(pod, 'spec', 'schedulingGates').length > 0) pod.status['conditions'] = [{ ...GATED }];
  },
  graceSeconds(pod, requested) {
    const wanted = requested ?? getPath(pod, 'spec', 'terminationGracePeriodSeconds');
    const phase = stringAt(pod, 'status', 'phase');
    // Nobody runs it: neither a node that has it nor one that still has to stop it.
    if (stringAt(pod, 'spec', 'nodeName') === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
    return typeof wanted === 'number' ? Math.max(wanted, 0) : 30;
  },
};
