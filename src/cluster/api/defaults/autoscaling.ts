import { AUTOSCALER_ANNOTATIONS } from '../autoscaler-versions.ts';
import { isJsonObject, listAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { ensureObject, fill } from './fill.ts';

const CPU_UTILIZATION = 80;
const OTHER_METRICS = 'autoscaling.alpha.kubernetes.io/metrics';

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

/** Of both versions. */
function autoscalerDefaults(autoscaler: JsonObject): void {
  const spec = ensureObject(autoscaler, 'spec');
  fill(spec, { minReplicas: 1 });
}

/** The older version, which names but one metric: what else there is stands in an annotation. */
export function cpuAutoscalerDefaults(autoscaler: JsonObject): void {
  autoscalerDefaults(autoscaler);
  if (stringAt(autoscaler, 'metadata', 'annotations', OTHER_METRICS) === '')
    fill(ensureObject(autoscaler, 'spec'), { targetCPUUtilizationPercentage: CPU_UTILIZATION });
}

/** The newer one names all metrics, and behavior; what the older one has annotations for is never annotated here. */
export function metricAutoscalerDefaults(autoscaler: JsonObject): void {
  autoscalerDefaults(autoscaler);
  const annotations = objectAt(autoscaler, 'metadata', 'annotations');
  for (const key of Object.values(AUTOSCALER_ANNOTATIONS).flat()) {
    if (annotations[key] === undefined) continue;
    delete annotations[key];
    if (Object.keys(annotations).length === 0) delete objectAt(autoscaler, 'metadata')['annotations'];
  }
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
