/** v1 keeps in annotations what it has no fields for (api/autoscaler-versions.ts): who writes one half leaves the other's alone. */
import { AUTOSCALER_ANNOTATIONS } from '../../api/autoscaler-versions.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';

export const autoscalerStrategy: Strategy = {
  prepareForCreate(autoscaler) {
    // As Go writes a status that nothing was said of: each version leaves out other fields.
    autoscaler.status =
      autoscaler.apiVersion === 'autoscaling/v1'
        ? { currentReplicas: 0, desiredReplicas: 0 }
        : { desiredReplicas: 0, currentMetrics: null };
    keep(autoscaler, 'status');
  },
  prepareForUpdate: (autoscaler, old) => keep(autoscaler, 'status', old),
  prepareForStatus: (autoscaler, old) => keep(autoscaler, 'spec', old),
};

function keep(autoscaler: KubeObject, half: 'spec' | 'status', old?: KubeObject): void {
  if (autoscaler.apiVersion !== 'autoscaling/v1') return;
  const annotations = { ...autoscaler.metadata.annotations };
  for (const key of AUTOSCALER_ANNOTATIONS[half]) {
    const before = old?.metadata.annotations?.[key];
    if (before === undefined) delete annotations[key];
    else annotations[key] = before;
  }
  if (Object.keys(annotations).length > 0) autoscaler.metadata.annotations = annotations;
  else delete autoscaler.metadata.annotations;
}
