import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { rfc3339 } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { configMaps, leases, nodes, pods } from '../client/kinds.ts';
import { ready, setUp, type Setup } from '../../../test/fixtures/kubelet.ts';

function deletePod(setup: Setup, name = 'web', graceSeconds = 30): void {
  const pod = setup.pod(name)!;
  const deletionTimestamp = rfc3339(setup.clock.now() + graceSeconds * 1000);
  setup.cluster.put(pods, {
    ...pod,
    metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: graceSeconds },
  });
}

test('registers the node, and renews its lease every ten seconds', async (t) => {
  const setup = await setUp(t);
  setup.start();
  await setup.until('node', () => setup.cluster.get(nodes, 'node-1')?.status?.conditions !== undefined);
  const node = setup.cluster.get(nodes, 'node-1')!;
  assert.equal(node.metadata?.labels?.['kubernetes.io/hostname'], 'node-1');
  assert.equal(node.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
  assert.deepEqual(node.status?.capacity, { cpu: '2', memory: '4194304Ki', pods: '110' });
  await setup.until('lease', () => setup.cluster.get(leases, 'kube-node-lease/node-1') !== undefined);
  const first = setup.cluster.get(leases, 'kube-node-lease/node-1')!.spec?.renewTime;
  await setup.clock.advance(10_001);
  await setup.until(
    'renewal',
    () => setup.cluster.get(leases, 'kube-node-lease/node-1')!.spec?.renewTime !== first,
  );
  assert.equal(setup.cluster.get(leases, 'kube-node-lease/node-1')!.spec?.leaseDurationSeconds, 40);
});

test('a pod comes up: sandbox, container, status with addresses and readiness', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({});
  await setup.until('ready', () => ready(setup.pod()));
  const { status } = setup.pod()!;
  assert.equal(status?.phase, 'Running');
  assert.equal(status?.podIP, '10.1.0.1');
  assert.equal(status?.hostIP, '192.0.2.1');
  assert.equal(status?.qosClass, 'BestEffort');
  const [main] = status?.containerStatuses ?? [];
  assert.equal(main?.containerID, 'sampan://c2');
  assert.equal(main?.image, 'app:1');
  assert.ok(main?.state?.running?.startedAt);
  const reasons = setup.events.map((event) => event.split(' ')[1]);
  assert.deepEqual(reasons, ['Pulled', 'Created', 'Started']);
});

test('an idle pod costs no writes', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({});
  await setup.until('ready', () => ready(setup.pod()));
  await setup.clock.advance(1000);
  const before = setup.cluster.writes.filter((line) => line.includes('pods')).length;
  await setup.clock.advance(120_000);
  assert.equal(setup.cluster.writes.filter((line) => line.includes('pods')).length, before);
});

test('init containers run one after another before the rest; a sidecar stays', async (t) => {
  const setup = await setUp(t);
  setup.start();
  const image = 'app:1';
  setup.addPod({
    initContainers: [
      { name: 'one', image },
      { name: 'side', image, restartPolicy: 'Always' },
      { name: 'two', image },
    ],
  });
  await setup.until('first', () => setup.runtime.running().includes('one'));
  assert.deepEqual(setup.runtime.running(), ['one']);
  assert.equal(setup.pod()?.status?.phase ?? 'Pending', 'Pending');
  setup.runtime.exit('one', 0);
  await setup.until('second', () => setup.runtime.running().includes('two'));
  assert.deepEqual(setup.runtime.running(), ['side', 'two']);
  setup.runtime.exit('two', 0);
  await setup.until('ready', () => ready(setup.pod()));
  assert.deepEqual(setup.runtime.running(), ['side', 'main']);
});

test('a crashing container is restarted at once, then after 10 s, then after 20 s', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({});
  const restarts = (): number => setup.pod()?.status?.containerStatuses?.[0]?.restartCount ?? -1;
  const running = (count: number): boolean => restarts() === count && setup.runtime.running().length === 1;
  await setup.until('first', () => running(0));
  setup.runtime.exit('main', 1);
  await setup.until('second', () => running(1));
  setup.runtime.exit('main', 1);
  const waiting = (): string | undefined =>
    setup.pod()?.status?.containerStatuses?.[0]?.state?.waiting?.reason;
  await setup.until('back-off', () => waiting() === 'CrashLoopBackOff');
  const [main] = setup.pod()!.status!.containerStatuses!;
  assert.equal(main?.lastState?.terminated?.exitCode, 1);
  assert.match(
    main?.state?.waiting?.message ?? '',
    /^back-off 10s restarting failed container=main pod=web_default\(/,
  );
  const since = setup.clock.now();
  await setup.until('third', () => running(2));
  assert.ok(setup.clock.now() - since >= 9000, 'waited about ten seconds');
  // Of the runs that are over, one is kept.
  await setup.until('old run removed', () => setup.runtime.containers.size === 2);
  setup.runtime.exit('main', 1);
  await setup.until('back-off again', () => waiting() === 'CrashLoopBackOff');
  assert.match(setup.pod()!.status!.containerStatuses![0]!.state!.waiting!.message!, /^back-off 20s/);
});

test('Never: exit codes decide between Succeeded and Failed, and nothing is restarted', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({ restartPolicy: 'Never' }, 'good');
  await setup.until('good runs', () => setup.runtime.running().length === 1);
  setup.runtime.exit('main', 0);
  await setup.until('succeeded', () => setup.pod('good')?.status?.phase === 'Succeeded');
  setup.addPod({ restartPolicy: 'Never' }, 'bad');
  await setup.until('bad runs', () => setup.runtime.running().length === 1);
  setup.runtime.exit('main', 3);
  await setup.until('failed', () => setup.pod('bad')?.status?.phase === 'Failed');
  assert.equal(setup.pod('bad')?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3);
  assert.deepEqual(setup.runtime.running(), []);
});

test('an image that does not come: ErrImagePull, then ImagePullBackOff, then it runs', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({ containers: [{ name: 'main', image: 'late:1', imagePullPolicy: 'IfNotPresent' }] });
  const waiting = (): string | undefined =>
    setup.pod()?.status?.containerStatuses?.[0]?.state?.waiting?.reason;
  await setup.until('error', () => waiting() === 'ErrImagePull');
  await setup.clock.advance(1000);
  setup.cluster.put(pods, { ...setup.pod() });
  await setup.until('back-off', () => waiting() === 'ImagePullBackOff');
  setup.runtime.imageNames.add('late:1');
  await setup.until('ready', () => ready(setup.pod()));
});

for (const [call, reason] of [
  ['create', 'CreateContainerError'],
  ['start', 'RunContainerError'],
] as const) {
  test(`a container that the runtime will not ${call}: ${reason}`, async (t) => {
    const setup = await setUp(t);
    setup.start();
    setup.runtime.failures.set(`${call} main`, new PlatformError('invalid', 'exec: "nosuch": not found'));
    setup.addPod({ containers: [{ name: 'main', image: 'app:1' }] });
    await setup.until('waiting', () => {
      const waiting = setup.pod()?.status?.containerStatuses?.[0]?.state?.waiting;
      return waiting?.reason === reason && waiting.message === 'exec: "nosuch": not found';
    });
  });
}

test('pull policy Never and no image: ErrImageNeverPull', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({ containers: [{ name: 'main', image: 'none:1', imagePullPolicy: 'Never' }] });
  await setup.until('waiting', () => {
    return setup.pod()?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'ErrImageNeverPull';
  });
});

test('a missing config map delays the container, and its files and variables come when it is there', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({
    containers: [
      {
        name: 'main',
        image: 'app:1',
        command: ['serve', '--name=$(POD)', '--$$(POD)'],
        env: [
          { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'MODE', valueFrom: { configMapKeyRef: { name: 'settings', key: 'mode' } } },
        ],
        volumeMounts: [{ name: 'conf', mountPath: '/etc/conf' }],
      },
    ],
    volumes: [{ name: 'conf', configMap: { name: 'settings' } }],
  });
  await setup.until('event', () => setup.events.some((event) => event.includes('FailedMount')));
  setup.cluster.put(configMaps, {
    metadata: { name: 'settings', namespace: 'default' },
    data: { mode: 'fast' },
  });
  await setup.until('ready', () => ready(setup.pod()));
  const { config } = setup.runtime.container('main')!;
  assert.deepEqual(config.command, ['serve', '--name=web', '--$(POD)']);
  const env = Object.fromEntries(
    (config.envs ?? []).map(({ key, value }) => [key, Buffer.from(value!).toString()]),
  );
  assert.deepEqual(env, { POD: 'web', IP: setup.pod()?.status?.podIP, MODE: 'fast' });
  const mount = config.mounts?.find(({ containerPath }) => containerPath === '/etc/conf');
  assert.equal(mount?.readonly, true);
  assert.equal(await readFile(join(mount.hostPath!, 'mode'), 'utf8'), 'fast');
});

test('deleting: not ready, stopped with its grace period, removed here, then from the API', async (t) => {
  const setup = await setUp(t);
  setup.start();
  const { metadata } = setup.addPod({ volumes: [{ name: 'tmp', emptyDir: {} }] });
  await setup.until('ready', () => ready(setup.pod()));
  const folder = join(setup.root, 'kubelet', 'pods', metadata!.uid!);
  await stat(folder);
  deletePod(setup, 'web', 20);
  await setup.until('gone', () => setup.pod() === undefined);
  assert.ok(setup.runtime.calls.includes('stop main 20'));
  assert.equal(setup.runtime.sandboxes.size, 0);
  assert.equal(setup.runtime.containers.size, 0);
  await assert.rejects(stat(folder), { code: 'ENOENT' });
  assert.deepEqual(await readdir(join(setup.root, 'logs')), []);
  assert.ok(setup.events.includes('Normal Killing Stopping container main'));
});

test('a pod that has left the API is killed', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({});
  await setup.until('ready', () => ready(setup.pod()));
  setup.cluster.remove(pods, 'default/web');
  await setup.until('gone', () => setup.runtime.sandboxes.size === 0);
});

test('a new kubelet adopts what runs, restarts nothing, and finishes what was deleted meanwhile', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({});
  setup.addPod({}, 'other');
  setup.addPod({}, 'gone');
  await setup.until('ready', () => ['web', 'other', 'gone'].every((name) => ready(setup.pod(name))));
  await setup.stop();
  const before = setup.pod()?.status;
  deletePod(setup, 'other');
  setup.cluster.remove(pods, 'default/gone');
  setup.runtime.calls.length = 0;
  setup.start();
  await setup.until(
    'others gone',
    () => setup.pod('other') === undefined && setup.runtime.sandboxes.size === 1,
  );
  await setup.clock.advance(30_000);
  assert.deepEqual(
    setup.runtime.calls.filter((call) => /^(create|start|sandbox) /.test(call)),
    [],
  );
  assert.deepEqual(setup.pod()?.status, before);
});

test('after a reboot the pod gets a new sandbox and its containers start again', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({});
  await setup.until('ready', () => ready(setup.pod()));
  setup.runtime.reboot();
  await setup.until(
    'restarted',
    () => setup.pod()?.status?.containerStatuses?.[0]?.restartCount === 1 && ready(setup.pod()),
  );
  assert.equal([...setup.runtime.sandboxes.values()].at(-1)?.config.metadata?.attempt, 1);
});

test('a sandbox that cannot be made is tried again, with an event', async (t) => {
  const setup = await setUp(t);
  setup.runtime.failures.set('sandbox web', new PlatformError('exhausted', 'no address left'));
  setup.start();
  setup.addPod({});
  await setup.until('ready', () => ready(setup.pod()));
  assert.ok(
    setup.events.includes('Warning FailedCreatePodSandBox Failed to create pod sandbox: no address left'),
  );
});

test('logs: of the container, of the run before, and in clear words when there is none', async (t) => {
  const setup = await setUp(t);
  setup.start();
  const { metadata } = setup.addPod({});
  await setup.until('ready', () => ready(setup.pod()));
  const file = join(setup.root, 'logs', `default_web_${metadata!.uid}`, 'main', '0.log');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(
    file,
    '2026-01-01T00:00:00.000000000Z stdout F one\n2026-01-01T00:00:01.000000000Z stderr F two\n',
  );
  const read = async (options = {}): Promise<string> => {
    const parts: Uint8Array[] = [];
    for await (const part of setup.kubelet().logs('default', 'web', options)) parts.push(part);
    return Buffer.concat(parts).toString();
  };
  assert.equal(await read(), 'one\ntwo\n');
  assert.equal(await read({ tailLines: 1 }), 'two\n');
  assert.throws(
    () => setup.kubelet().logs('default', 'web', { previous: true }),
    /previous terminated container "main"/,
  );
  assert.throws(
    () => setup.kubelet().logs('default', 'web', { container: 'x' }),
    /container x is not valid for pod web/,
  );
  assert.throws(() => setup.kubelet().logs('default', 'none'), /not on node/);
  setup.runtime.exit('main', 1);
  await setup.until('restarted', () => setup.pod()?.status?.containerStatuses?.[0]?.restartCount === 1);
  assert.equal(await read({ previous: true }), 'one\ntwo\n');
});

test('what a container leaves in its termination message file is in its status', async (t) => {
  const setup = await setUp(t);
  setup.start();
  setup.addPod({ restartPolicy: 'Never' });
  await setup.until('ready', () => ready(setup.pod()));
  const mount = setup.runtime
    .container('main')!
    .config.mounts!.find((one) => one.containerPath === '/dev/termination-log');
  await writeFile(mount!.hostPath!, 'out of tea');
  setup.runtime.exit('main', 2);
  await setup.until('failed', () => setup.pod()?.status?.phase === 'Failed');
  assert.equal(setup.pod()?.status?.containerStatuses?.[0]?.state?.terminated?.message, 'out of tea');
});
