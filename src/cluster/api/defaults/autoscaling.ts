import { isJsonObject, listAt, type JsonObject } from '../json.ts';
import { ensureObject, fill } from './fill.ts';

const CPU_UTILIZATION = 80;

const SCALE_UP: JsonObject = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};
const SCALE_DOWN: JsonObject = {
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};

/** Both versions; only the newer one names metrics and behavior. */
export function autoscalerDefaults(autoscaler: JsonObject): void {
  const spec = ensureObject(autoscaler, 'spec');
  fill(spec, { minReplicas: 1 });
}

export function metricAutoscalerDefaults(autoscaler: JsonObject): void {
  autoscalerDefaults(autoscaler);
  const spec = ensureObject(autoscaler, 'spec');
  if (listAt(spec, 'metrics').length === 0) {
    const target = { type: 'Utilization', averageUtilization: CPU_UTILIZATION };
    spec['metrics'] = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
  const { behavior } = spec;
  if (!isJsonObject(behavior)) return;
  fill(ensureObject(behavior, 'scaleUp'), SCALE_UP);
  fill(ensureObject(behavior, 'scaleDown'), SCALE_DOWN);
}
