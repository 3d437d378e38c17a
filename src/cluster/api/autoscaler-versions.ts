/**
 * autoscaling/v1 knows of a target for the cpu and nothing else. What a v2 autoscaler has beyond that travels in annotations,
 * as JSON, so that a client of v1 that writes back what it has read loses nothing
 * (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v1/).
 */
import { decodeValue } from './decode.ts';
import { isJsonObject, numberAt, objectAt, objectsAt, stringAt, textOf } from './json.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { kindSchema } from './schema.ts';

const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const CURRENT = 'autoscaling.alpha.kubernetes.io/current-metrics';
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';
/** Which annotations say what is wanted, and which how it stands. */
export const AUTOSCALER_ANNOTATIONS = { spec: [METRICS, BEHAVIOR], status: [CURRENT, CONDITIONS] } as const;

const V1 = 'autoscaling/v1';
const V2 = 'autoscaling/v2';
const CPU_UTILIZATION = 80;

/** The v1 form of a v2 autoscaler. */
export function autoscalerV1<T extends JsonObject>(stored: T): T {
  const { metrics: _metrics, behavior: _behavior, ...spec } = objectAt(stored, 'spec');
  const { currentMetrics: _current, conditions: _conditions, ...status } = objectAt(stored, 'status');
  const all = objectsAt(stored, 'spec', 'metrics');
  const cpu = all.find((metric) => isCpu(metric, 'target'));
  const current = objectsAt(stored, 'status', 'currentMetrics');
  const currentCpu = current.findLast((metric) => isCpu(metric, 'current'));
  const annotations: JsonObject = { ...objectAt(stored, 'metadata', 'annotations') };
  const others = all.filter((metric) => metric !== cpu);
  put(
    annotations,
    METRICS,
    others.map((metric) => older(metric, 'target')),
  );
  put(
    annotations,
    CURRENT,
    current.map((metric) => older(metric, 'current')),
  );
  put(
    annotations,
    CONDITIONS,
    objectsAt(stored, 'status', 'conditions').map((condition) => writtenCondition(condition)),
  );
  const behavior = objectAt(stored, 'spec')['behavior'];
  put(annotations, BEHAVIOR, isJsonObject(behavior) ? writtenBehavior(behavior) : undefined);
  const target = numberAt(cpu, 'resource', 'target', 'averageUtilization');
  const percent = numberAt(currentCpu, 'resource', 'current', 'averageUtilization');
  return {
    ...stored,
    apiVersion: V1,
    metadata: withAnnotations(stored, annotations),
    spec: { ...spec, ...(target !== undefined && { targetCPUUtilizationPercentage: target }) },
    ...(stored['status'] !== undefined && {
      status: {
        currentReplicas: 0,
        desiredReplicas: 0,
        ...status,
        ...(percent !== undefined && { currentCPUUtilizationPercentage: percent }),
      },
    }),
  };
}

/** The v2 form of a v1 autoscaler, without the defaults of that version; any other is returned as it is. */
export function autoscalerV2<T extends JsonObject>(object: T): T {
  if (object['apiVersion'] !== V1) return object;
  const { targetCPUUtilizationPercentage: target, ...spec } = objectAt(object, 'spec');
  const { currentCPUUtilizationPercentage: percent, ...status } = objectAt(object, 'status');
  const annotations: JsonObject = { ...objectAt(object, 'metadata', 'annotations') };
  const metrics = takeList(annotations, METRICS).map((metric) => newer(metric, 'target'));
  const current = takeList(annotations, CURRENT).map((metric) => newer(metric, 'current'));
  const conditions = takeList(annotations, CONDITIONS);
  const behavior = readBehavior(take(annotations, BEHAVIOR));
  const wanted = known('spec', 'metrics', metrics);
  const cpu = typeof target === 'number' ? target : wanted === undefined ? CPU_UTILIZATION : undefined;
  const all = [...(Array.isArray(wanted) ? wanted : []), ...(cpu === undefined ? [] : [cpuMetric(cpu)])];
  const percentage =
    typeof percent === 'number'
      ? [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: percent } } }]
      : undefined;
  return {
    ...object,
    apiVersion: V2,
    metadata: withAnnotations(object, annotations),
    spec: { ...spec, ...given({ metrics: all, behavior: known('spec', 'behavior', behavior) }) },
    ...(object['status'] !== undefined && {
      status: {
        ...status,
        ...given({
          currentMetrics: known('status', 'currentMetrics', current) ?? percentage,
          conditions: known('status', 'conditions', conditions),
        }),
      },
    }),
  };
}

function given(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function cpuMetric(percent: number): JsonObject {
  const target = { type: 'Utilization', averageUtilization: percent };
  return { type: 'Resource', resource: { name: 'cpu', target } };
}

function isCpu(metric: JsonObject, side: 'target' | 'current'): boolean {
  return (
    metric['type'] === 'Resource' &&
    stringAt(metric, 'resource', 'name') === 'cpu' &&
    numberAt(metric, 'resource', side, 'averageUtilization') !== undefined
  );
}

function withAnnotations(object: JsonObject, annotations: JsonObject): JsonObject {
  const { annotations: _before, ...metadata } = objectAt(object, 'metadata');
  return Object.keys(annotations).length === 0 ? metadata : { ...metadata, annotations };
}

function put(annotations: JsonObject, key: string, value: JsonValue | undefined): void {
  const empty = value === undefined || (Array.isArray(value) && value.length === 0);
  if (empty) delete annotations[key];
  else annotations[key] = JSON.stringify(value);
}

/** Text that is not JSON is a client's own mistake: it is dropped, as upstream drops it. */
function take(annotations: JsonObject, key: string): JsonValue | undefined {
  const text = annotations[key];
  delete annotations[key];
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function takeList(annotations: JsonObject, key: string): JsonObject[] {
  const value = take(annotations, key);
  return Array.isArray(value) ? value.filter((item) => isJsonObject(item)) : [];
}

/** A field by the schema of v2; undefined when it is empty, or does not fit. */
function known(half: 'spec' | 'status', field: string, value: JsonValue | undefined): JsonValue | undefined {
  const kind = kindSchema('autoscaling', 'v2', 'HorizontalPodAutoscaler');
  if (kind === undefined || value === undefined || (Array.isArray(value) && value.length === 0)) {
    return undefined;
  }
  try {
    return objectAt(decodeValue({ [half]: { [field]: value } }, kind).object, half)[field];
  } catch {
    return undefined;
  }
}

const CONDITION = ['type', 'status', 'lastTransitionTime', 'reason', 'message'];

/** In Go's order; a time that there is none of is written all the same. */
function writtenCondition(condition: JsonObject): JsonObject {
  return inOrder({ lastTransitionTime: null, ...condition }, CONDITION);
}

function inOrder(value: JsonObject, order: readonly string[]): JsonObject {
  const keys = order.filter((key) => value[key] !== undefined);
  return Object.fromEntries(keys.map((key) => [key, value[key]]));
}

const RULES = ['stabilizationWindowSeconds', 'selectPolicy', 'policies', 'tolerance'];
const POLICY = ['type', 'value', 'periodSeconds'];

/** Upstream writes its own form of it, whose fields have no names for JSON. */
function writtenBehavior(behavior: JsonObject): JsonObject {
  const named = (value: JsonObject, keys: readonly string[]): JsonObject =>
    Object.fromEntries(keys.map((key) => [capital(key), value[key] ?? null]));
  const rules = (key: string): JsonObject | null => {
    const value = behavior[key];
    if (!isJsonObject(value)) return null;
    const policies = value['policies'];
    return named(
      {
        ...value,
        policies: Array.isArray(policies)
          ? objectsAt(value, 'policies').map((item) => named(item, POLICY))
          : null,
      },
      RULES,
    );
  };
  return { ScaleUp: rules('scaleUp'), ScaleDown: rules('scaleDown') };
}

/** Go takes names in any case. */
function readBehavior(value: JsonValue | undefined): JsonObject | undefined {
  if (!isJsonObject(value)) return undefined;
  const behavior = withoutCase(value, ['scaleUp', 'scaleDown']);
  const entries = Object.entries(behavior).flatMap(([key, item]): [string, JsonObject][] => {
    if (!isJsonObject(item)) return [];
    const rules = withoutCase(item, RULES);
    const { policies } = rules;
    if (!Array.isArray(policies)) return [[key, rules]];
    return [
      [
        key,
        { ...rules, policies: policies.map((one) => (isJsonObject(one) ? withoutCase(one, POLICY) : one)) },
      ],
    ];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function withoutCase(value: JsonObject, names: readonly string[]): JsonObject {
  const entries = Object.entries(value).flatMap(([key, item]): [string, JsonValue][] => {
    const name = names.find((candidate) => candidate.toLowerCase() === key.toLowerCase());
    return name === undefined || item === null || item === undefined ? [] : [[name, item]];
  });
  return Object.fromEntries(entries);
}

function capital(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

/** One amount of a metric: where v1 has it and where v2, and whether v1 always writes it, as 0 if need be. */
interface Amount {
  readonly v1: string;
  readonly v2: 'value' | 'averageValue' | 'averageUtilization';
  readonly always?: boolean;
}

/** Where the two versions put what a metric is measured against. */
interface Names {
  readonly source: string;
  /** v2 keeps the metric's name and selector in `metric`, v1 beside the rest under these names. */
  readonly metric?: readonly [name: string, selector: string];
  readonly target: readonly Amount[];
  readonly current: readonly Amount[];
}

const USED: Pick<Names, 'target' | 'current'> = {
  target: [
    { v1: 'targetAverageUtilization', v2: 'averageUtilization' },
    { v1: 'targetAverageValue', v2: 'averageValue' },
  ],
  current: [
    { v1: 'currentAverageUtilization', v2: 'averageUtilization' },
    { v1: 'currentAverageValue', v2: 'averageValue', always: true },
  ],
};

const SOURCES: readonly Names[] = [
  {
    source: 'object',
    metric: ['metricName', 'selector'],
    target: [
      { v1: 'targetValue', v2: 'value', always: true },
      { v1: 'averageValue', v2: 'averageValue' },
    ],
    current: [
      { v1: 'currentValue', v2: 'value', always: true },
      { v1: 'averageValue', v2: 'averageValue' },
    ],
  },
  {
    source: 'pods',
    metric: ['metricName', 'selector'],
    target: [{ v1: 'targetAverageValue', v2: 'averageValue', always: true }],
    current: [{ v1: 'currentAverageValue', v2: 'averageValue', always: true }],
  },
  { source: 'resource', ...USED },
  { source: 'containerResource', ...USED },
  {
    source: 'external',
    metric: ['metricName', 'metricSelector'],
    target: [
      { v1: 'targetValue', v2: 'value' },
      { v1: 'targetAverageValue', v2: 'averageValue' },
    ],
    current: [
      { v1: 'currentValue', v2: 'value', always: true },
      { v1: 'currentAverageValue', v2: 'averageValue' },
    ],
  },
];

/** The order in which Go writes them, of all sources together. */
const ORDER = [
  'target',
  'name',
  'metricName',
  'metricSelector',
  'targetValue',
  'currentValue',
  'targetAverageUtilization',
  'currentAverageUtilization',
  'targetAverageValue',
  'currentAverageValue',
  'selector',
  'averageValue',
  'container',
];

type Side = 'target' | 'current';

function older(metric: JsonObject, side: Side): JsonObject {
  const result: JsonObject = { type: metric['type'] };
  for (const { source, metric: names, [side]: amounts } of SOURCES) {
    const value = metric[source];
    if (!isJsonObject(value)) continue;
    const { metric: named, describedObject, [side]: measured, ...rest } = value;
    const flat: JsonObject = { ...rest };
    // v2's `describedObject` is v1's `target`.
    if (isJsonObject(describedObject))
      flat['target'] = inOrder(describedObject, ['kind', 'name', 'apiVersion']);
    if (names !== undefined && isJsonObject(named)) {
      flat[names[0]] = named['name'];
      if (named['selector'] !== undefined) flat[names[1]] = named['selector'];
    }
    for (const { v1, v2, always } of amounts) {
      const amount = isJsonObject(measured) ? measured[v2] : undefined;
      if (amount !== undefined) flat[v1] = amount;
      else if (always === true) flat[v1] = '0';
    }
    result[source] = inOrder(flat, ORDER);
  }
  return result;
}

function newer(metric: JsonObject, side: Side): JsonObject {
  const result: JsonObject = { type: metric['type'] };
  for (const { source, metric: names, [side]: amounts } of SOURCES) {
    const value = metric[source];
    if (!isJsonObject(value)) continue;
    const rest = { ...value };
    const measured: JsonObject = {};
    for (const { v1, v2, always } of amounts) {
      const amount = rest[v1] ?? (always === true ? '0' : undefined);
      delete rest[v1];
      if (amount !== undefined && amount !== null) measured[v2] = amount;
    }
    if (source === 'object') {
      rest['describedObject'] = rest['target'] ?? {};
      delete rest['target'];
      // v1 cannot leave the value out of a metric that is measured by the average.
      const both = side === 'target' && measured['averageValue'] !== undefined;
      if (both && /^0+$/.test(textOf(measured['value']))) delete measured['value'];
    }
    if (side === 'target') measured['type'] = targetType(source, measured);
    if (names !== undefined) {
      const [name, selector] = names;
      rest['metric'] = {
        name: rest[name] ?? '',
        ...(isJsonObject(rest[selector]) && { selector: rest[selector] }),
      };
      delete rest[name];
      delete rest[selector];
    }
    result[source] = { ...rest, [side]: measured };
  }
  return result;
}

function targetType(source: string, measured: JsonObject): string {
  if (source === 'object') return measured['averageValue'] === undefined ? 'Value' : 'AverageValue';
  if (source === 'external') return measured['value'] === undefined ? 'AverageValue' : 'Value';
  return measured['averageUtilization'] === undefined ? 'AverageValue' : 'Utilization';
}
