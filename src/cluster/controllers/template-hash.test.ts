import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodTemplateSpec } from '../api/generated/core-v1.ts';
import { templateHash } from './template-hash.ts';

const template = (count: number): PodTemplateSpec => ({
  metadata: { labels: { app: 'web' } },
  spec: {
    containers: [
      {
        name: 'c',
        image: 'i',
        env: Array.from({ length: count }, (_, i) => ({ name: `NAME_${i}`, value: 'é' })),
      },
    ],
  },
});

test('names of replica sets stay what they were', async () => {
  assert.equal(await templateHash(template(1)), '4d7fps2pc8');
  assert.equal(await templateHash(template(1), 2), 'pv4bzj87v4');
  assert.equal(await templateHash(template(5000)), 'mxxgbpjr55');
});

test('the order of fields, null and empty lists make no difference, all else does', async () => {
  const { metadata, spec } = template(3);
  const other = { spec: { volumes: [], hostname: null, ...spec }, metadata } as unknown as PodTemplateSpec;
  assert.equal(await templateHash(other), await templateHash(template(3)));
  assert.notEqual(await templateHash(template(4)), await templateHash(template(3)));
  assert.notEqual(
    await templateHash({ ...other, spec: { ...spec!, hostname: '' } }),
    await templateHash(other),
  );
});

test('others have a turn while a long template is hashed', async () => {
  let turns = 0;
  let over = false;
  const turn = (): void => {
    turns++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  await templateHash(template(5000));
  over = true;
  assert.ok(turns >= 10, `${turns} turns`);
});
