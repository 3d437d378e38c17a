import assert from 'node:assert/strict';
import { test } from 'node:test';

import { systemClock } from '../../../base/clock.ts';
import { wholeBody } from '../encoding/list-body.ts';
import { Metrics } from './metrics.ts';
import { metricsResponse } from './scrape.ts';

test('thousands of label sets are written in slices, each label set as a whole', async () => {
  let now = 0;
  const clock = { ...systemClock, monotonic: () => now++ };
  const metrics = new Metrics();
  const seconds = metrics.histogram('seconds', 'Time.', { labels: ['kind'], buckets: [0.5, 2] });
  const plain = metrics.histogram('plain', 'Without labels.', { labels: [], buckets: [1] });
  plain.observe([], 3);
  for (let i = 0; i < 3000; i++) seconds.observe([`kind "${i}"`], 1);
  let turns = 0;
  const count = (): void => {
    if (turns++ < 10_000) setImmediate(count);
  };
  setImmediate(count);
  const { body } = metricsResponse(metrics.text(), clock);
  const text = Buffer.from(await wholeBody(body)).toString();
  assert.ok(turns >= 1000, `the loop had ${turns} turns meanwhile`);
  turns = Infinity;
  const [head = '', ...rest] = text.split('# HELP seconds ');
  assert.equal(
    head,
    '# HELP plain Without labels.\n# TYPE plain histogram\n' +
      'plain_bucket{le="1"} 0\nplain_bucket{le="+Inf"} 1\nplain_sum 3\nplain_count 1\n',
  );
  const kind = (i: number): string => String.raw`kind="kind \"${i}\""`;
  const expected = Array.from({ length: 3000 }, (_, i) =>
    [
      `seconds_bucket{${kind(i)},le="0.5"} 0`,
      `seconds_bucket{${kind(i)},le="2"} 1`,
      `seconds_bucket{${kind(i)},le="+Inf"} 1`,
      `seconds_sum{${kind(i)}} 1`,
      `seconds_count{${kind(i)}} 1\n`,
    ].join('\n'),
  );
  assert.equal(rest.join(), `Time.\n# TYPE seconds histogram\n${expected.join('')}`);
});
