import { getPath, numberAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, countColumn, nameColumn } from './columns.ts';

const UNKNOWN = '<unknown>';
/** So many metrics are shown. */
const SHOWN = 2;

/** Columns of the stored form, autoscaling/v2. */
export const autoscalerColumns: readonly PrinterColumn[] = [
  nameColumn,
  {
    name: 'Reference',
    type: 'string',
    cell: (object) => {
      const target = objectAt(object, 'spec', 'scaleTargetRef');
      return `${stringAt(target, 'kind')}/${stringAt(target, 'name')}`;
    },
  },
  { name: 'Targets', type: 'string', cell: targets },
  {
    name: 'MinPods',
    type: 'string',
    cell: (object) => String(numberAt(object, 'spec', 'minReplicas') ?? '<unset>'),
  },
  { ...countColumn('MaxPods', ['spec', 'maxReplicas']), type: 'string' },
  { ...countColumn('Replicas', ['status', 'currentReplicas']), type: 'string' },
  ageColumn,
];

/** The same columns of an object in its autoscaling/v1 form, which knows of one metric only. */
export const oldAutoscalerColumns: readonly PrinterColumn[] = autoscalerColumns.map((column) =>
  column.name === 'Targets' ? { ...column, cell: cpuTarget } : column,
);

function cpuTarget(object: JsonObject): string {
  const target = numberAt(object, 'spec', 'targetCPUUtilizationPercentage');
  if (target === undefined) return '<none>';
  const current = numberAt(object, 'status', 'currentCPUUtilizationPercentage');
  return `cpu: ${current === undefined ? UNKNOWN : `${current}%`}/${target}%`;
}

function targets(object: JsonObject): string {
  const statuses = objectsAt(object, 'status', 'currentMetrics');
  const texts = objectsAt(object, 'spec', 'metrics').map((metric, index) =>
    metricText(metric, statuses[index] ?? {}),
  );
  if (texts.length === 0) return '<none>';
  const more = texts.length - SHOWN;
  return more > 0 ? `${texts.slice(0, SHOWN).join(', ')} + ${more} more...` : texts.join(', ');
}

const SOURCES: Readonly<Record<string, string>> = {
  External: 'external',
  Pods: 'pods',
  Object: 'object',
  Resource: 'resource',
  ContainerResource: 'containerResource',
};

function metricText(metric: JsonObject, status: JsonObject): string {
  const source = SOURCES[stringAt(metric, 'type')];
  if (source === undefined) return '<unknown type>';
  const target = objectAt(metric, source, 'target');
  const current = getPath(status, source, 'current');
  const average = stringAt(target, 'averageValue');
  const currentAverage = stringAt(current, 'averageValue');
  if (source === 'resource' || source === 'containerResource') {
    const name = stringAt(metric, source, 'name');
    if (average !== '')
      return `${name}: ${current === undefined ? UNKNOWN : currentAverage || '0'}/${average}`;
    return `${name}: ${percent(current, UNKNOWN)}/${percent(target, '<auto>')}`;
  }
  if (source === 'pods')
    return `${current === undefined ? UNKNOWN : currentAverage || '0'}/${average || '0'}`;
  if (average !== '') return `${currentAverage || UNKNOWN}/${average} (avg)`;
  return `${current === undefined ? UNKNOWN : stringAt(current, 'value') || '0'}/${stringAt(target, 'value') || '0'}`;
}

function percent(value: Parameters<typeof numberAt>[0], missing: string): string {
  const number = numberAt(value, 'averageUtilization');
  return number === undefined ? missing : `${number}%`;
}
