import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { Client } from '../client/contract.ts';
import { StatusWriter } from './status-writer.ts';

test('a condition that has become true takes back why it was not', async () => {
  const bodies: { status: { conditions: unknown } }[] = [];
  const client = {
    patch: async (_type: unknown, _name: unknown, patch: { body: (typeof bodies)[number] }) =>
      void bodies.push(patch.body),
  } as unknown as Client;
  using writer = new StatusWriter({ client, clock: new ManualClock(), log: silentLogger });
  const pod: Pod = { metadata: { name: 'p', namespace: 'default', uid: 'u' } };
  const no = { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'unready: [web]' };
  writer.set(pod, { conditions: [no] });
  assert.equal(await writer.flush('u'), true);
  writer.set(pod, { conditions: [{ type: 'Ready', status: 'True' }] });
  assert.equal(await writer.flush('u'), true);
  assert.deepEqual(
    bodies.map(({ status }) => status.conditions),
    [[no], [{ type: 'Ready', status: 'True', reason: null, message: null }]],
  );
});
