/** What is refused of jobs, by the facts of upstream's own rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created } from '../testing/complaints.ts';

const CREATES: readonly (readonly [JsonObject, ...string[]])[] = [
  [
    { completionMode: 'Odd' },
    'spec.completionMode: Unsupported value: "Odd": supported values: "NonIndexed", "Indexed"',
  ],
  [
    { podFailurePolicy: { rules: [{ onExitCodes: { values: [1] } }] } },
    'spec.podFailurePolicy.rules[0].action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]',
    'spec.podFailurePolicy.rules[0].onExitCodes.operator: Required value: valid values: ["In" "NotIn"]',
  ],
];

for (const [spec, ...expected] of CREATES) {
  test(`a job with ${JSON.stringify(spec)}`, () => {
    assert.deepEqual(created('batch/Job', { spec }), expected);
  });
}
