import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Container, Pod, PodCondition, ResourceRequirements } from '../api/generated/core-v1.ts';
import { pods } from '../client/kinds.ts';
import { ready, setUp, type Setup } from '../../../test/fixtures/kubelet.ts';

const main = (resources: ResourceRequirements, extra: Partial<Container> = {}): Container => ({
  name: 'main',
  image: 'app:1',
  imagePullPolicy: 'IfNotPresent',
  resources,
  ...extra,
});

const same = (cpu: string, memory: string): ResourceRequirements => ({
  requests: { cpu, memory },
  limits: { cpu, memory },
});

/** What the API's resize does. */
function resize(setup: Setup, containers: readonly Container[], name = 'web'): void {
  const pod = setup.pod(name)!;
  const generation = (pod.metadata?.generation ?? 1) + 1;
  setup.cluster.put(pods, {
    ...pod,
    metadata: { ...pod.metadata, generation },
    spec: { ...pod.spec, containers: [...containers] },
  });
}

const condition = (pod: Pod | undefined, type: string): PodCondition | undefined =>
  pod?.status?.conditions?.find((one) => one.type === type);

const updates = (setup: Setup): string[] => setup.runtime.calls.filter((call) => call.startsWith('update'));

const has = (setup: Setup, reason: string): boolean =>
  setup.events.some((event) => event.includes(` ${reason} `));

test('what is granted is brought into force: memory first, and told with its generation', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({ containers: [main(same('500m', '64Mi'))] });
  await setup.until('ready', () => ready(setup.pod()));
  assert.deepEqual(setup.pod()!.status!.containerStatuses![0]!.resources, same('500m', '64Mi'));
  resize(setup, [main(same('1', '128Mi'))]);
  await setup.until('completed', () => has(setup, 'ResizeCompleted'));
  assert.deepEqual(updates(setup), [
    `update main memoryLimitInBytes=${128 << 20}`,
    'update main cpuShares=1024 cpuPeriod=100000 cpuQuota=100000',
  ]);
  const asked = '"limits":{"cpu":"1","memory":"128Mi"},"requests":{"cpu":"1","memory":"128Mi"}';
  const summary = `{"containers":[{"name":"main","resources":{${asked}}}],"generation":2}`;
  assert.deepEqual(setup.events.slice(-2), [
    `Normal ResizeStarted Pod resize started: ${summary}`,
    `Normal ResizeCompleted Pod resize completed: ${summary}`,
  ]);
  await setup.until('the status', () => condition(setup.pod(), 'PodResizeInProgress') === undefined);
  const [status] = setup.pod()!.status!.containerStatuses!;
  assert.deepEqual(status!.resources, same('1', '128Mi'));
  assert.deepEqual(status!.allocatedResources, { cpu: '1', memory: '128Mi' });
  assert.equal(status!.restartCount, 0);
});

test('of several containers, who gets less comes before who gets more', async (t) => {
  const setup = await setUp(t);
  setup.start();
  const [small, large] = [same('200m', '64Mi'), same('800m', '256Mi')];
  setup.addPod({ containers: [main(small, { name: 'a' }), main(large, { name: 'b' })] });
  await setup.until('ready', () => ready(setup.pod()));
  resize(setup, [main(large, { name: 'a' }), main(small, { name: 'b' })]);
  await setup.until('completed', () => has(setup, 'ResizeCompleted'));
  assert.deepEqual(
    updates(setup).map((call) => call.split(' ')[1]),
    ['b', 'a', 'b', 'a'],
  );
});

test('more than the node has is infeasible, more than is free is deferred until there is room', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({ containers: [main(same('500m', '64Mi'))] });
  setup.addPod({ containers: [main(same('1', '64Mi'))] }, 'other');
  await setup.until('ready', () => ready(setup.pod()) && ready(setup.pod('other')));
  resize(setup, [main(same('500m', '5Gi'))]);
  await setup.until('infeasible', () => condition(setup.pod(), 'PodResizePending') !== undefined);
  const pending = condition(setup.pod(), 'PodResizePending')!;
  assert.equal(pending.reason, 'Infeasible');
  assert.equal(
    pending.message,
    `Node didn't have enough capacity: memory, requested: ${5 * 2 ** 30}, capacity: ${4 * 2 ** 30}`,
  );
  assert.equal(pending.observedGeneration, 2);
  assert.ok(has(setup, 'ResizeInfeasible'));
  resize(setup, [main(same('1500m', '64Mi'))]);
  await setup.until('deferred', () => condition(setup.pod(), 'PodResizePending')?.reason === 'Deferred');
  assert.equal(
    condition(setup.pod(), 'PodResizePending')!.message,
    "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
  );
  assert.match(
    setup.events.at(-1)!,
    /^Warning ResizeDeferred Pod resize Deferred: \{.*"generation":3,"error":"Node didn't/,
  );
  assert.deepEqual(setup.pod()!.status!.containerStatuses![0]!.allocatedResources, {
    cpu: '500m',
    memory: '64Mi',
  });
  assert.deepEqual(updates(setup), []);
  const since = setup.clock.now() + 100;
  await setup.until('nothing is under way', () => setup.clock.now() >= since);
  setup.cluster.remove(pods, 'default/other');
  await setup.until('granted', () => has(setup, 'ResizeCompleted'));
  assert.ok(setup.clock.now() - since < 10_000, 'the room that is free is noticed, not found by chance');
  await setup.until('the status', () => condition(setup.pod(), 'PodResizePending') === undefined);
});

test('a policy of RestartContainer: a new process with the new limits, whatever the old one ends with', async (t) => {
  const setup = await setUp(t);
  setup.start();
  const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
  setup.addPod({ restartPolicy: 'OnFailure', containers: [main(same('500m', '64Mi'), { resizePolicy })] });
  await setup.until('ready', () => ready(setup.pod()));
  resize(setup, [main(same('600m', '64Mi'), { resizePolicy })]);
  await setup.until('cpu', () => updates(setup).length === 1);
  setup.runtime.stopExitCode = 0;
  resize(setup, [main(same('600m', '32Mi'), { resizePolicy })]);
  await setup.until('restarted', () => setup.pod()?.status?.containerStatuses?.[0]?.restartCount === 1);
  assert.equal(setup.runtime.container('main')!.config.linux?.resources?.memoryLimitInBytes, 32 << 20);
  assert.equal(updates(setup).length, 1);
  assert.ok(setup.events.includes('Normal Killing Container main resize requires restart'));
  await setup.until('over', () => condition(setup.pod(), 'PodResizeInProgress') === undefined);
  assert.equal(setup.events.filter((event) => event.includes('ResizeCompleted')).length, 2);
});

test('memory in use above the new limit is an error that lasts until it is below', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.runtime.memoryInUse = 50 << 20;
  setup.addPod({ containers: [main(same('500m', '64Mi'))] });
  await setup.until('ready', () => ready(setup.pod()));
  resize(setup, [main(same('700m', '32Mi'))]);
  await setup.until('error', () => condition(setup.pod(), 'PodResizeInProgress')?.reason === 'Error');
  assert.equal(
    condition(setup.pod(), 'PodResizeInProgress')!.message,
    `cannot decrease memory limits: attempting to set container "main" memory limit (${32 << 20}) below current usage (${50 << 20})`,
  );
  assert.deepEqual(updates(setup), []);
  const [status] = setup.pod()!.status!.containerStatuses!;
  assert.deepEqual(status!.resources, same('500m', '64Mi'));
  assert.deepEqual(status!.allocatedResources, { cpu: '700m', memory: '32Mi' });
  assert.equal(setup.events.filter((event) => event.includes('ResizeError')).length, 1);
  setup.runtime.memoryInUse = 20 << 20;
  await setup.until('completed', () => has(setup, 'ResizeCompleted'));
  assert.equal(setup.events.filter((event) => event.includes('ResizeError')).length, 1);
});

test('a kubelet that comes back knows what was granted and goes on with it', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({ containers: [main(same('500m', '64Mi'))] });
  await setup.until('ready', () => ready(setup.pod()));
  await setup.stop();
  // Never resized: what the container was made with counts, not the spec that changed meanwhile.
  resize(setup, [main(same('9', '64Mi'))]);
  setup.start();
  await setup.until('pending', () => condition(setup.pod(), 'PodResizePending') !== undefined);
  assert.deepEqual(setup.pod()!.status!.containerStatuses![0]!.resources, same('500m', '64Mi'));
  resize(setup, [main(same('1', '64Mi'))]);
  await setup.until('completed', () => has(setup, 'ResizeCompleted'));
  const file = join(setup.root, 'kubelet/pods', setup.pod()!.metadata!.uid!, 'allocation.json');
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), { main: same('1', '64Mi') });
  await setup.stop();
  resize(setup, [main(same('9', '64Mi'))]);
  setup.start();
  await setup.until('pending', () => condition(setup.pod(), 'PodResizePending')?.observedGeneration === 4);
  assert.deepEqual(setup.pod()!.status!.containerStatuses![0]!.resources, same('1', '64Mi'));
});
