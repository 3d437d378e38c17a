import { objectAt, type JsonObject } from '../../api/json.ts';
import type { Strategy } from '../resource.ts';
import { templated } from './pod-templates.ts';

const TEMPLATE = templated('spec', 'template');

export const statefulSetStrategy: Strategy = {
  prepareForCreate(set) {
    set.status = { availableReplicas: 0, replicas: 0 };
    delete rollingUpdate(set)['maxUnavailable'];
    TEMPLATE.prepareForCreate?.(set);
  },
  prepareForUpdate(set, old) {
    if (rollingUpdate(old)['maxUnavailable'] === undefined) delete rollingUpdate(set)['maxUnavailable'];
    TEMPLATE.prepareForUpdate?.(set, old);
  },
};

/** How many may be away while it updates belongs to a feature that is off (KEP-961). */
function rollingUpdate(set: JsonObject): JsonObject {
  return objectAt(set, 'spec', 'updateStrategy', 'rollingUpdate');
}
