import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import { createClient } from './client.ts';
import { createEventRecorder, type EventRecorder } from './event-recorder.ts';
import { events } from './kinds.ts';
import { createFakeApi, statusResponse, type FakeApi } from './testing/fake-api.ts';

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop', uid: 'u1' } };

function world(): { clock: ManualClock; api: FakeApi; recorder: EventRecorder; said: () => string[] } {
  const clock = new ManualClock();
  const api = createFakeApi({ clock });
  const client = createClient({ transport: api });
  const recorder = createEventRecorder({ client, clock, component: 'kubelet', host: 'n1' });
  const said = (): string[] => api.all(events).map(({ message, count }) => `${count} × ${message}`);
  return { clock, api, recorder, said };
}

test('an event names its object and its source', async () => {
  const { api, recorder } = world();
  recorder.event(pod, 'Normal', 'Started', 'Started container web');
  await recorder.flush();
  const [event] = api.all(events);
  assert.deepEqual(event?.involvedObject, {
    apiVersion: 'v1',
    kind: 'Pod',
    name: 'web',
    namespace: 'shop',
    uid: 'u1',
  });
  assert.match(event?.metadata?.name ?? '', /^web\.[0-9a-f]+$/);
  assert.deepEqual(event?.source, { component: 'kubelet', host: 'n1' });
  assert.deepEqual([event?.type, event?.reason, event?.count], ['Normal', 'Started', 1]);
});

test('the same event again only counts, and begins anew when the server has forgotten it', async () => {
  const { api, clock, recorder, said } = world();
  for (let i = 0; i < 3; i++) {
    recorder.event(pod, 'Warning', 'BackOff', 'Back-off restarting');
    await recorder.flush();
    await clock.advance(1000);
  }
  recorder.event(pod, 'Warning', 'BackOff', 'another');
  await recorder.flush();
  assert.deepEqual(said(), ['3 × Back-off restarting', '1 × another']);
  const [first] = api.all(events);
  assert.notEqual(first?.firstTimestamp, first?.lastTimestamp);
  for (const { metadata } of api.all(events))
    api.remove(events, { name: metadata?.name ?? '', namespace: 'shop' });
  recorder.event(pod, 'Warning', 'BackOff', 'Back-off restarting');
  await recorder.flush();
  assert.deepEqual(said(), ['1 × Back-off restarting']);
});

test('many similar events become one', async () => {
  const { recorder, said } = world();
  for (let i = 0; i < 14; i++) recorder.event(pod, 'Warning', 'Failed', `try ${i}`);
  await recorder.flush();
  assert.equal(said().length, 11);
  assert.equal(said().at(-1), '4 × (combined from similar events): try 13');
});

test('a source that floods is cut off, others are not', async () => {
  const { clock, recorder, said } = world();
  for (let i = 0; i < 100; i++) recorder.event(pod, 'Normal', 'Same', 'same');
  recorder.event({ ...pod, metadata: { ...pod.metadata, uid: 'u2' } }, 'Normal', 'Other', 'other');
  await recorder.flush();
  assert.deepEqual(said(), ['25 × same', '1 × other']);
  await clock.advance(300_000);
  recorder.event(pod, 'Normal', 'Same', 'same');
  recorder.event(pod, 'Normal', 'Same', 'same');
  await recorder.flush();
  assert.deepEqual(said(), ['26 × same', '1 × other']);
});

test('retries while the server is away, gives up on a refusal, and never throws', async () => {
  const { api, clock, recorder, said } = world();
  api.intercept = () => statusResponse(new PlatformError('unavailable', 'down'));
  recorder.event(pod, 'Normal', 'A', 'a');
  await yieldToLoop();
  await clock.advance(0);
  api.intercept = undefined;
  await clock.advance(2000);
  await recorder.flush();
  assert.deepEqual(said(), ['1 × a']);
  api.intercept = () => statusResponse(new PlatformError('invalid', 'no'));
  recorder.event(pod, 'Normal', 'B', 'b');
  recorder.event({}, 'Normal', 'C', 'c');
  await recorder.flush();
  assert.equal(api.requests.length, 4);
  await recorder[Symbol.asyncDispose]();
  recorder.event(pod, 'Normal', 'D', 'd');
  assert.equal(api.requests.length, 4);
});
