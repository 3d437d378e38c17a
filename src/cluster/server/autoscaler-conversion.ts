/**
 * autoscaling/v1 knows of a target for the cpu and nothing else. What a v2 autoscaler has beyond that travels in annotations,
 * as JSON, so that a client of v1 that writes back what it has read loses nothing
 * (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v1/).
 */
import { applyDefaults } from '../api/defaults.ts';
import { isJsonObject, numberAt, objectsAt, stringAt, type JsonObject, type JsonValue } from '../api/json.ts';
import { kindSchema } from '../api/schema.ts';
import type { KubeObject } from './object.ts';
import type { Conversion } from './resource.ts';

const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const CURRENT = 'autoscaling.alpha.kubernetes.io/current-metrics';
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';

export const autoscalerConversion: Conversion = { fromStorage, toStorage };

function fromStorage(stored: KubeObject): KubeObject {
  const { metrics: _metrics, behavior, ...spec } = stored.spec ?? {};
  const { currentMetrics: _current, conditions, ...status } = stored.status ?? {};
  const all = objectsAt(stored, 'spec', 'metrics');
  const cpu = all.findIndex(isCpu);
  const current = objectsAt(stored, 'status', 'currentMetrics');
  const currentCpu = current.findIndex(
    (metric) =>
      stringAt(metric, 'resource', 'name') === 'cpu' &&
      numberAt(metric, 'resource', 'current', 'averageUtilization') !== undefined,
  );
  const annotations: Record<string, string> = { ...stored.metadata.annotations };
  put(
    annotations,
    METRICS,
    all.filter((_, index) => index !== cpu).map((metric) => older(metric, 'target')),
  );
  put(
    annotations,
    CURRENT,
    current.map((metric) => older(metric, 'current')),
  );
  put(annotations, CONDITIONS, conditions);
  put(annotations, BEHAVIOR, behavior);
  const target = numberAt(all[cpu], 'resource', 'target', 'averageUtilization');
  const percent = numberAt(current[currentCpu], 'resource', 'current', 'averageUtilization');
  return {
    ...stored,
    apiVersion: 'autoscaling/v1',
    metadata: withAnnotations(stored, annotations),
    spec: { ...spec, ...(target !== undefined && { targetCPUUtilizationPercentage: target }) },
    ...(stored.status !== undefined && {
      status: { ...status, ...(percent !== undefined && { currentCPUUtilizationPercentage: percent }) },
    }),
  };
}

function toStorage(object: KubeObject): KubeObject {
  const { targetCPUUtilizationPercentage: target, ...spec } = object.spec ?? {};
  const { currentCPUUtilizationPercentage: _percent, ...status } = object.status ?? {};
  const annotations: Record<string, string> = { ...object.metadata.annotations };
  const metrics = takeList(annotations, METRICS).map((metric) => newer(metric, 'target'));
  const current = takeList(annotations, CURRENT).map((metric) => newer(metric, 'current'));
  const conditions = takeList(annotations, CONDITIONS);
  const behavior = take(annotations, BEHAVIOR);
  if (typeof target === 'number') {
    metrics.push({
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: target } },
    });
  }
  const stored: KubeObject = {
    ...object,
    apiVersion: 'autoscaling/v2',
    metadata: withAnnotations(object, annotations),
    spec: {
      ...spec,
      ...(metrics.length > 0 && { metrics }),
      ...(isJsonObject(behavior) && { behavior }),
    },
    ...(object.status !== undefined && {
      status: {
        ...status,
        ...(current.length > 0 && { currentMetrics: current }),
        ...(conditions.length > 0 && { conditions }),
      },
    }),
  };
  const kind = kindSchema('autoscaling', 'v2', 'HorizontalPodAutoscaler');
  if (kind !== undefined) applyDefaults(kind, stored);
  return stored;
}

function isCpu(metric: JsonObject): boolean {
  return (
    metric['type'] === 'Resource' &&
    stringAt(metric, 'resource', 'name') === 'cpu' &&
    numberAt(metric, 'resource', 'target', 'averageUtilization') !== undefined
  );
}

function withAnnotations(object: KubeObject, annotations: Record<string, string>): KubeObject['metadata'] {
  const { annotations: _before, ...metadata } = object.metadata;
  return Object.keys(annotations).length === 0 ? metadata : { ...metadata, annotations };
}

function put(annotations: Record<string, string>, key: string, value: JsonValue | undefined): void {
  const empty = value === undefined || (Array.isArray(value) && value.length === 0);
  if (empty) delete annotations[key];
  else annotations[key] = JSON.stringify(value);
}

/** Text that is not JSON is a client's own mistake: it is dropped, as upstream drops it. */
function take(annotations: Record<string, string>, key: string): JsonValue | undefined {
  const text = annotations[key];
  delete annotations[key];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function takeList(annotations: Record<string, string>, key: string): JsonObject[] {
  const value = take(annotations, key);
  return Array.isArray(value) ? value.filter((item) => isJsonObject(item)) : [];
}

/** Where the two versions put what a metric is measured against. */
interface Names {
  readonly source: string;
  /** v2 keeps the metric's name and selector in `metric`, v1 beside the rest under these names. */
  readonly metric?: readonly [name: string, selector: string];
  /** v2's `describedObject` is v1's `target`. */
  readonly object?: boolean;
}

const SOURCES: readonly Names[] = [
  { source: 'resource' },
  { source: 'containerResource' },
  { source: 'pods', metric: ['metricName', 'selector'] },
  { source: 'object', metric: ['metricName', 'selector'], object: true },
  { source: 'external', metric: ['metricName', 'metricSelector'] },
];

/** v2's member of `target` or `current`, then v1's name for it after `target` or `current`. */
const VALUES: readonly (readonly [string, string])[] = [
  ['value', 'Value'],
  ['averageValue', 'AverageValue'],
  ['averageUtilization', 'AverageUtilization'],
];

function older(metric: JsonObject, side: 'target' | 'current'): JsonObject {
  const result: JsonObject = { type: metric['type'] };
  for (const { source, metric: names, object } of SOURCES) {
    const value = metric[source];
    if (!isJsonObject(value)) continue;
    const { metric: named, describedObject, [side]: amounts, ...rest } = value;
    const flat: JsonObject = { ...rest };
    if (object === true && describedObject !== undefined) flat['target'] = describedObject;
    if (names !== undefined && isJsonObject(named)) {
      flat[names[0]] = named['name'];
      if (named['selector'] !== undefined) flat[names[1]] = named['selector'];
    }
    for (const [key, suffix] of VALUES) {
      const amount = isJsonObject(amounts) ? amounts[key] : undefined;
      if (amount !== undefined) flat[amountName({ source, side, suffix })] = amount;
    }
    result[source] = flat;
  }
  return result;
}

/** The average of an object metric stands without prefix in v1. */
function amountName(of: { source: string; side: string; suffix: string }): string {
  return of.source === 'object' && of.suffix === 'AverageValue' ? 'averageValue' : `${of.side}${of.suffix}`;
}

function newer(metric: JsonObject, side: 'target' | 'current'): JsonObject {
  const result: JsonObject = { type: metric['type'] };
  for (const { source, metric: names, object } of SOURCES) {
    const value = metric[source];
    if (!isJsonObject(value)) continue;
    const { ...rest } = value;
    const amounts: JsonObject = {};
    for (const [key, suffix] of VALUES) {
      const name = amountName({ source, side, suffix });
      if (rest[name] === undefined) continue;
      amounts[key] = rest[name];
      delete rest[name];
    }
    if (side === 'target') amounts['type'] = targetType(amounts);
    if (object === true && isJsonObject(rest['target'])) {
      rest['describedObject'] = rest['target'];
      delete rest['target'];
    }
    if (names !== undefined) {
      const [name, selector] = names;
      rest['metric'] = {
        name: rest[name],
        ...(rest[selector] !== undefined && { selector: rest[selector] }),
      };
      delete rest[name];
      delete rest[selector];
    }
    result[source] = { ...rest, [side]: amounts };
  }
  return result;
}

function targetType(amounts: JsonObject): string {
  if (amounts['averageUtilization'] !== undefined) return 'Utilization';
  return amounts['averageValue'] === undefined ? 'Value' : 'AverageValue';
}
