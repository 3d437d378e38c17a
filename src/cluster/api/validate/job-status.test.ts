/** What a job's status may become: upstream's words, in its order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created, updated } from '../testing/complaints.ts';

const START = '2026-01-01T00:00:00Z';
const END = '2026-01-01T00:01:00Z';

function are(...types: readonly string[]): JsonObject[] {
  return types.map((type) => ({ type, status: 'True' }));
}

const INDEXED: JsonObject = { completionMode: 'Indexed', completions: 3, parallelism: 1 };

const NEGATIVE = 'status.active: Invalid value: -1: must be greater than or equal to 0';

/** What it becomes, what it was, complaints. */
const STATUSES: readonly (readonly [JsonObject, JsonObject, ...string[]])[] = [
  [
    { status: { conditions: are('SuccessCriteriaMet', 'Complete'), startTime: START, completionTime: END } },
    { status: { conditions: are('SuccessCriteriaMet'), startTime: START } },
  ],
  [
    { status: { conditions: are('Complete', 'Failed'), active: 1, ready: 2 } },
    {},
    'status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions',
    'status.completionTime: Required value: completionTime is required for Complete jobs',
    'status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition',
    'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
    'status.active: Invalid value: 1: active>0 is invalid for finished job',
    'status.startTime: Required value: startTime is required for finished job',
    'status.ready: Invalid value: 2: cannot set more ready pods than active',
  ],
  [
    {
      status: {
        completionTime: START,
        startTime: END,
        conditions: are('SuccessCriteriaMet', 'FailureTarget'),
      },
    },
    {},
    `status.completionTime: Invalid value: "${START}": cannot set completionTime when there is no Complete=True condition`,
    `status.completionTime: Invalid value: "${START}": completionTime cannot be set before startTime`,
    'status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and FailureTarget=true conditions',
  ],
  [
    { status: { failed: 1, succeeded: 1, conditions: are(), startTime: null } },
    { status: { failed: 2, succeeded: 2, conditions: are('FailureTarget'), startTime: START } },
    'status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition',
    'status.failed: Invalid value: 1: cannot decrease the failed counter',
    'status.succeeded: Invalid value: 1: cannot decrease the succeeded counter',
    'status.startTime: Invalid value: null: field is immutable for unsuspended job once set',
  ],
  [
    { status: { startTime: null, completionTime: END, conditions: are('SuccessCriteriaMet', 'Complete') } },
    { spec: { suspend: true, completions: 0 } },
  ],
  // Starts anew.
  [
    { status: { startTime: END, conditions: [{ type: 'Suspended', status: 'False' }] } },
    { status: { startTime: START, conditions: [{ type: 'Suspended', status: 'True' }] } },
  ],
  [{ status: { ready: null, active: -1 } }, { status: { active: 1 } }, NEGATIVE],
  [{ status: { startTime: null } }, { spec: { suspend: true }, status: { startTime: START } }],
  [
    { status: { completedIndexes: '0,2-1', failedIndexes: '0' } },
    { spec: INDEXED },
    'status.completedIndexes: Invalid value: "0,2-1": error parsing completedIndexes: non-increasing order, previous: 2, current: 1',
    'status.failedIndexes: Invalid value: "0": cannot set non-null failedIndexes when backoffLimitPerIndex is null',
    'status.failedIndexes: Invalid value: "0": failedIndexes and completedIndexes overlap at index: 0',
  ],
  [
    { status: { completedIndexes: '1', uncountedTerminatedPods: { succeeded: ['', 'a'], failed: ['a'] } } },
    { spec: { completions: 1 } },
    'status.uncountedTerminatedPods.succeeded[0]: Invalid value: "": must not be empty',
    'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
    'status.completedIndexes: Invalid value: "1": error parsing completedIndexes: too large index: "1"',
    'status.completedIndexes: Invalid value: "1": cannot set non-empty completedIndexes when non-indexed completion mode',
  ],
];

for (const [patch, before, ...expected] of STATUSES) {
  test(`a job whose status becomes ${JSON.stringify(patch).slice(0, 120)}`, () => {
    assert.deepEqual(updated('batch/Job', patch, before, 'status'), expected);
  });
}

test('a success policy names indexes that there are', () => {
  const rules = [
    { succeededIndexes: '0-1-2' },
    { succeededIndexes: 'a' },
    { succeededIndexes: '0,0' },
    { succeededIndexes: '0-1', succeededCount: 4 },
  ];
  const at = 'spec.successPolicy.rules';
  assert.deepEqual(created('batch/Job', { spec: { ...INDEXED, successPolicy: { rules } } }), [
    `${at}[0].succeededIndexes: Invalid value: "0-1-2": error parsing succeededIndexes: the fragment "0-1-2" violates the requirement that an index interval can have at most two parts separated by '-'`,
    `${at}[1].succeededIndexes: Invalid value: "a": error parsing succeededIndexes: cannot convert string to integer for index: "a"`,
    `${at}[2].succeededIndexes: Invalid value: "0,0": error parsing succeededIndexes: non-increasing order, previous: 0, current: 0`,
    `${at}[3].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)`,
    `${at}[3].succeededCount: Invalid value: 4: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)`,
  ]);
});

test('an older cron job keeps its long name and the zone in its schedule', () => {
  const schedule = 'CRON_TZ=UTC */5 * * * *';
  const name = 'n'.repeat(53);
  const both = 'cannot use both timeZone field and TZ or CRON_TZ in schedule';
  assert.deepEqual(created('batch/CronJob', { metadata: { name } }), [
    `metadata.name: Invalid value: "${name}": must be no more than 52 characters`,
  ]);
  assert.deepEqual(updated('batch/CronJob', {}, { metadata: { name }, spec: { schedule } }), []);
  assert.deepEqual(updated('batch/CronJob', { spec: { timeZone: 'Etc/UTC' } }, { spec: { schedule } }), [
    `spec.schedule: Invalid value: "${schedule}": ${both}`,
  ]);
});
