import assert from 'node:assert/strict';
import test from 'node:test';
import type { Job } from '../api/generated/batch-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { jobs, pods } from '../client/kinds.ts';
import { createJobController } from './job-controller.ts';
import { running, type Running } from './testing/running.ts';
import { createTtlAfterFinishedController } from './ttl-after-finished-controller.ts';

const ref = { name: 'j', namespace: 'default' };
const labels = { 'batch.kubernetes.io/job-name': 'j' };

const plane = (spec: Job['spec']): Running =>
  running({
    create: (environment) => [
      createJobController(environment),
      createTtlAfterFinishedController(environment),
    ],
    before: (api) => {
      const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
      api.put(jobs, { metadata: ref, spec: { selector: { matchLabels: labels }, template, ...spec } });
    },
  });

const read = (on: Running): Job | undefined => on.api.read(jobs, ref);
const unfinished = (on: Running): readonly Pod[] =>
  on.api.all(pods).filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
const end = (on: Running, pod: Pod, phase: string): void =>
  void on.api.put(pods, { ...pod, status: { phase } });

test('pods are made until enough have succeeded; each is counted once', async () => {
  await using on = plane({ completions: 4, parallelism: 2 });
  for (let done = 0; done < 4; done++) {
    await on.until('pods', () => unfinished(on).length === Math.min(2, 4 - done));
    end(on, unfinished(on)[0]!, 'Succeeded');
    await on.until('the count', () => read(on)?.status?.succeeded === done + 1);
  }
  await on.until('the end', () => read(on)?.status?.completionTime !== undefined);
  await on.quiet();
  assert.equal(on.api.all(pods).length, 4);
  assert.equal(read(on)?.status?.succeeded, 4);
  assert.ok(on.api.all(pods).every((pod) => (pod.metadata?.finalizers ?? []).length === 0));
  assert.equal(on.reasons.filter((reason) => reason === 'Completed').length, 1);
});

test('a job that fails too often ends, and its other pods with it', async () => {
  await using on = plane({ completions: 2, parallelism: 2, backoffLimit: 0 });
  await on.until('pods', () => unfinished(on).length === 2);
  end(on, unfinished(on)[0]!, 'Failed');
  const conditions = () => (read(on)?.status?.conditions ?? []).map(({ type }) => type);
  await on.until('the end', () => conditions().includes('Failed'));
  await on.quiet();
  assert.equal(on.api.all(pods).length, 1);
  assert.equal(read(on)?.status?.failed, 2);
  assert.equal(read(on)?.status?.active ?? 0, 0);
});

test('the pods of a job that is gone are let go', async () => {
  await using on = plane({});
  await on.until('the pod', () => unfinished(on).length === 1);
  on.api.remove(jobs, ref);
  await on.until('its finalizer to go', () => on.api.all(pods)[0]?.metadata?.finalizers === undefined);
});

test('a finished job goes when its time is over', async () => {
  await using on = plane({ ttlSecondsAfterFinished: 10 });
  await on.until('the pod', () => unfinished(on).length === 1);
  end(on, unfinished(on)[0]!, 'Succeeded');
  await on.until('the end', () => read(on)?.status?.completionTime !== undefined);
  await on.quiet();
  assert.notEqual(read(on), undefined);
  await on.clock.advance(11_000);
  await on.until('the job to go', () => read(on) === undefined);
});
