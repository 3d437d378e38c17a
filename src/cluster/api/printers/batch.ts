import { getPath, listAt, numberAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { humanDuration, timeToMs } from '../time.ts';
import { age, ageColumn, containerColumns, labelSelectorText, nameColumn, textColumn } from './columns.ts';

/** Containers, images and selector of a job's spec at `path`. */
function templateColumns(path: readonly string[]): readonly PrinterColumn[] {
  return [
    ...containerColumns((object) => objectsAt(object, ...path, 'template', 'spec', 'containers')),
    {
      name: 'Selector',
      type: 'string',
      priority: 1,
      cell: (object) => labelSelectorText(getPath(object, ...path, 'selector')),
    },
  ];
}

export const jobColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Status', type: 'string', cell: jobStatus },
  { name: 'Completions', type: 'string', cell: completions },
  { name: 'Duration', type: 'string', cell: duration },
  ageColumn,
  ...templateColumns(['spec']),
];

function jobStatus(job: JsonObject): string {
  const conditions = objectsAt(job, 'status', 'conditions');
  const has = (type: string): boolean =>
    conditions.find((condition) => condition['type'] === type)?.['status'] === 'True';
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (stringAt(job, 'metadata', 'deletionTimestamp') !== '') return 'Terminating';
  if (has('Suspended')) return 'Suspended';
  if (has('FailureTarget')) return 'FailureTarget';
  return has('SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running';
}

function completions(job: JsonObject): string {
  const succeeded = numberAt(job, 'status', 'succeeded') ?? 0;
  const wanted = numberAt(job, 'spec', 'completions');
  if (wanted !== undefined) return `${succeeded}/${wanted}`;
  const parallelism = numberAt(job, 'spec', 'parallelism') ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function duration(job: JsonObject, now: number): string {
  const start = timeToMs(stringAt(job, 'status', 'startTime'));
  if (start === undefined) return '';
  return humanDuration((timeToMs(stringAt(job, 'status', 'completionTime')) ?? now) - start);
}

export const cronJobColumns: readonly PrinterColumn[] = [
  nameColumn,
  textColumn('Schedule', ['spec', 'schedule']),
  textColumn('Timezone', ['spec', 'timeZone'], '<none>'),
  {
    name: 'Suspend',
    type: 'boolean',
    cell: (object) => {
      const suspend = getPath(object, 'spec', 'suspend');
      return suspend === undefined ? '<unset>' : suspend === true ? 'True' : 'False';
    },
  },
  { name: 'Active', type: 'integer', cell: (object) => listAt(object, 'status', 'active').length },
  {
    name: 'Last Schedule',
    type: 'string',
    cell: (object, now) => {
      const last = stringAt(object, 'status', 'lastScheduleTime');
      return last === '' ? '<none>' : age(last, now);
    },
  },
  ageColumn,
  ...templateColumns(['spec', 'jobTemplate', 'spec']),
];
