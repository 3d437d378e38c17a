import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { isPlatformError, PlatformError } from '../../base/errors.ts';
import { armFailpoints } from '../../base/failpoint.ts';
import { instanceOf } from '../../base/instance.ts';
import { silentLogger } from '../../base/log.ts';
import { recordingKernel } from '../../kernel/recording.ts';
import type * as v1 from '../cri/generated/types.ts';
import { createEngine, type Engine } from './engine.ts';
import { FakeImages, FakeNetwork, FakeRuntime } from './fakes.test-support.ts';

afterEach(() => armFailpoints(''));

class Bench implements Disposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'sampan-engine-'));
  readonly runtimeBelow = new FakeRuntime();
  readonly images = new FakeImages();
  readonly network = new FakeNetwork();

  constructor() {
    this.images.add('localhost/app:latest', {
      Entrypoint: ['/app'],
      Cmd: ['serve'],
      Env: ['A=1'],
      StopSignal: 'SIGINT',
    });
  }

  async engine(): Promise<Engine> {
    const { images, network, runtimeBelow: runtime } = this;
    const engine = createEngine({
      instance: instanceOf(this.dir),
      runtime,
      images,
      network,
      kernel: recordingKernel(),
      log: silentLogger,
      now: () => 5000,
    });
    await engine.recover();
    return engine;
  }

  /** Everything that anything holds. */
  left(): unknown {
    return {
      containers: [...this.runtimeBelow.held.keys()],
      snapshots: [...this.images.snapshots],
      addresses: [...this.network.addresses],
      records: ['sandboxes', 'containers'].flatMap((kind) => readdirSync(join(this.dir, 'engine', kind))),
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const NOTHING = { containers: [], snapshots: [], addresses: [], records: [] };

const sandboxConfig = (more: Partial<v1.PodSandboxConfig> = {}): v1.PodSandboxConfig => ({
  metadata: { name: 'web', namespace: 'default', uid: 'u1', attempt: 0 },
  hostname: 'web',
  labels: { app: 'web' },
  ...more,
});

const containerConfig = (more: Partial<v1.ContainerConfig> = {}): v1.ContainerConfig => ({
  metadata: { name: 'main', attempt: 2 },
  image: { image: 'localhost/app:latest' },
  labels: { app: 'web' },
  annotations: { note: 'x' },
  ...more,
});

async function makePod(engine: Engine, config = containerConfig()) {
  const { podSandboxId = '' } = await engine.runtime.runPodSandbox({ config: sandboxConfig() });
  const { containerId = '' } = await engine.runtime.createContainer({ podSandboxId, config });
  return { podSandboxId, containerId };
}

async function statusOf(engine: Engine, containerId: string): Promise<v1.ContainerStatus> {
  return (await engine.runtime.containerStatus({ containerId })).status!;
}

/** Resolves with the next event of a kind. */
function nextEvent(engine: Engine, kind: v1.ContainerEventType): Promise<v1.ContainerEventResponse> {
  const { promise, resolve } = Promise.withResolvers<v1.ContainerEventResponse>();
  const done = new AbortController();
  void engine.runtime.getContainerEvents(
    {},
    (event) => {
      if (event.containerEventType !== kind) return;
      done.abort();
      resolve(event);
    },
    done.signal,
  );
  return promise;
}

test('a container goes from created over running to exited', async () => {
  using bench = new Bench();
  await using engine = await bench.engine();
  const { podSandboxId, containerId } = await makePod(engine);
  assert.equal((await statusOf(engine, containerId)).state, 'CONTAINER_CREATED');
  await engine.runtime.startContainer({ containerId });
  const running = await statusOf(engine, containerId);
  assert.equal(running.state, 'CONTAINER_RUNNING');
  assert.deepEqual(
    [running.metadata?.attempt, running.labels, running.annotations],
    [2, { app: 'web' }, { note: 'x' }],
  );
  assert.equal(running.imageRef, `localhost/app@sha256:${'d'.repeat(64)}`);

  const stopped = nextEvent(engine, 'CONTAINER_STOPPED_EVENT');
  bench.runtimeBelow.end(containerId, 0);
  assert.equal((await stopped).containersStatuses?.[0]?.state, 'CONTAINER_EXITED');
  const exited = await statusOf(engine, containerId);
  assert.deepEqual([exited.exitCode, exited.reason], [0, 'Completed']);
  assert.ok(exited.finishedAt! > exited.startedAt!);
  await assert.rejects(engine.runtime.startContainer({ containerId }), (error) =>
    isPlatformError(error, 'conflict'),
  );

  await engine.runtime.removePodSandbox({ podSandboxId });
  assert.deepEqual(bench.left(), NOTHING);
});

for (const [exitCode, oomKilled, reason] of [
  [1, false, 'Error'],
  [137, true, 'OOMKilled'],
] as const) {
  test(`exit code ${exitCode} is ${reason}`, async () => {
    using bench = new Bench();
    await using engine = await bench.engine();
    const { containerId } = await makePod(engine);
    await engine.runtime.startContainer({ containerId });
    const stopped = nextEvent(engine, 'CONTAINER_STOPPED_EVENT');
    bench.runtimeBelow.end(containerId, exitCode, oomKilled);
    await stopped;
    assert.equal((await statusOf(engine, containerId)).reason, reason);
  });
}

test('a program that cannot be started is an exit with the runtime’s words', async () => {
  using bench = new Bench();
  await using engine = await bench.engine();
  const { containerId } = await makePod(engine);
  bench.runtimeBelow.failStart = new PlatformError('invalid', '/app: permission denied');
  await assert.rejects(engine.runtime.startContainer({ containerId }), /permission denied/);
  const { state, exitCode, reason, message } = await statusOf(engine, containerId);
  assert.deepEqual(
    [state, exitCode, reason, message],
    ['CONTAINER_EXITED', 128, 'StartError', '/app: permission denied'],
  );
});

test('stopping sends the image’s signal, then kills when time is up', async () => {
  using bench = new Bench();
  await using engine = await bench.engine();
  const { containerId } = await makePod(engine);
  await engine.runtime.startContainer({ containerId });
  bench.runtimeBelow.ignored.add(2);
  const gentle = engine.runtime.stopContainer({ containerId, timeout: 1000 });
  // A second caller in a hurry is not held up by the patience of the first.
  await engine.runtime.stopContainer({ containerId, timeout: 0 });
  await gentle;
  const id = containerId.slice(0, 4);
  assert.deepEqual(bench.runtimeBelow.signals, [`${id} 2`, `${id} 9`]);
  assert.equal((await statusOf(engine, containerId)).exitCode, 137);
});

test('unknown ids: not found where something is asked, fine where something should be gone', async () => {
  using bench = new Bench();
  await using engine = await bench.engine();
  const id = 'f'.repeat(64);
  const isNotFound = (error: unknown): boolean => isPlatformError(error, 'not-found');
  await assert.rejects(engine.runtime.containerStatus({ containerId: id }), isNotFound);
  await assert.rejects(engine.runtime.podSandboxStatus({ podSandboxId: id }), isNotFound);
  await assert.rejects(engine.runtime.startContainer({ containerId: id }), isNotFound);
  await assert.rejects(
    engine.runtime.createContainer({ podSandboxId: id, config: containerConfig() }),
    isNotFound,
  );
  await engine.runtime.stopContainer({ containerId: id });
  await engine.runtime.removeContainer({ containerId: id });
  await engine.runtime.stopPodSandbox({ podSandboxId: id });
  await engine.runtime.removePodSandbox({ podSandboxId: id });
});

test('lists are filtered by state, sandbox and labels', async () => {
  using bench = new Bench();
  await using engine = await bench.engine();
  const { podSandboxId, containerId } = await makePod(engine);
  const list = async (filter: v1.ContainerFilter): Promise<number> =>
    (await engine.runtime.listContainers({ filter })).containers!.length;
  assert.equal(await list({ podSandboxId }), 1);
  assert.equal(await list({ id: containerId.slice(0, 12) }), 1);
  assert.equal(await list({ labelSelector: { app: 'web' } }), 1);
  assert.equal(await list({ labelSelector: { app: 'db' } }), 0);
  assert.equal(await list({ state: { state: 'CONTAINER_RUNNING' } }), 0);
  await engine.runtime.stopPodSandbox({ podSandboxId });
  const ready = await engine.runtime.listPodSandbox({ filter: { state: { state: 'SANDBOX_READY' } } });
  assert.deepEqual(ready.items, []);
  assert.equal(bench.network.addresses.size, 0);
});

test('a new engine finds everything, and what ended meanwhile with its exit code', async () => {
  using bench = new Bench();
  const first = await bench.engine();
  const { podSandboxId, containerId } = await makePod(first);
  await first.runtime.startContainer({ containerId });
  const before = await statusOf(first, containerId);
  await first[Symbol.asyncDispose]();
  {
    await using second = await bench.engine();
    assert.deepEqual(await statusOf(second, containerId), before);
  }
  bench.runtimeBelow.end(containerId, 3);
  await using third = await bench.engine();
  assert.equal((await statusOf(third, containerId)).exitCode, 3);
  const { status } = await third.runtime.podSandboxStatus({ podSandboxId });
  assert.deepEqual([status?.state, status?.network?.ip], ['SANDBOX_READY', '10.64.0.2']);
});

test('after a restart of the machine, containers have ended and sandboxes are not ready', async () => {
  using bench = new Bench();
  const first = await bench.engine();
  const { podSandboxId, containerId } = await makePod(first);
  await first.runtime.startContainer({ containerId });
  await first[Symbol.asyncDispose]();
  bench.runtimeBelow.held.clear();
  await using second = await bench.engine();
  const { state, exitCode } = await statusOf(second, containerId);
  assert.deepEqual([state, exitCode], ['CONTAINER_EXITED', 255]);
  const { status } = await second.runtime.podSandboxStatus({ podSandboxId });
  assert.equal(status?.state, 'SANDBOX_NOTREADY');
  assert.equal(bench.network.addresses.size, 0);
  await second.runtime.removePodSandbox({ podSandboxId });
  assert.deepEqual(bench.left(), NOTHING);
});

for (const point of ['engine.sandbox.create', 'engine.container.create']) {
  test(`a failure at ${point} is undone`, async () => {
    using bench = new Bench();
    await using engine = await bench.engine();
    armFailpoints(`${point}=error`);
    await assert.rejects(makePod(engine), /failpoint/);
    armFailpoints('');
    await engine.removeAll();
    assert.deepEqual(bench.left(), NOTHING);
  });
}

for (const point of ['engine.sandbox.undo', 'engine.container.undo']) {
  test(`a removal cut off at ${point} is finished by the next engine`, async () => {
    using bench = new Bench();
    const first = await bench.engine();
    const { podSandboxId } = await makePod(first);
    armFailpoints(`${point}=error`);
    await assert.rejects(first.runtime.removePodSandbox({ podSandboxId }), /failpoint/);
    armFailpoints('');
    await first[Symbol.asyncDispose]();
    await using second = await bench.engine();
    await second.removeAll();
    assert.deepEqual(bench.left(), NOTHING);
  });
}

test('what no record owns is swept, what is not ours stays', async () => {
  using bench = new Bench();
  const spec = {
    root: await bench.images.prepareSnapshot('stray'),
    hostname: '',
    cgroup: '',
    stdio: { type: 'inherit' },
  } as const;
  await bench.runtimeBelow.create({ ...spec, id: 'stray', labels: { 'sampan.io/kind': 'container' } });
  await bench.runtimeBelow.create({ ...spec, id: 'other' });
  bench.network.addresses.add('stray');
  await using engine = await bench.engine();
  assert.deepEqual(await engine.runtime.listContainers({}), { containers: [] });
  assert.deepEqual(bench.left(), { ...NOTHING, containers: ['other'] });
});

test('secrets in the environment are not written down', async () => {
  using bench = new Bench();
  await using engine = await bench.engine();
  const envs = [{ key: 'TOKEN', value: Buffer.from('hunter2') }];
  const { containerId } = await makePod(engine, containerConfig({ envs }));
  assert.ok(bench.runtimeBelow.held.get(containerId)?.spec.process?.env.includes('TOKEN=hunter2'));
  const record = readFileSync(join(bench.dir, 'engine', 'containers', containerId, 'record.json'), 'utf8');
  assert.doesNotMatch(record, /hunter2/);
});

test('two sandboxes of one name and attempt are refused, the next attempt is not', async () => {
  using bench = new Bench();
  await using engine = await bench.engine();
  await engine.runtime.runPodSandbox({ config: sandboxConfig() });
  await assert.rejects(engine.runtime.runPodSandbox({ config: sandboxConfig() }), (error) =>
    isPlatformError(error, 'already-exists'),
  );
  const metadata = { ...sandboxConfig().metadata, attempt: 1 };
  await engine.runtime.runPodSandbox({ config: sandboxConfig({ metadata }) });
});

test('an image that is not there cannot be pulled, and the message says what to do', async () => {
  using bench = new Bench();
  await using engine = await bench.engine();
  await assert.rejects(engine.images.pullImage({ image: { image: 'nginx' } }), (error) => {
    assert.ok(isPlatformError(error, 'not-found'));
    assert.match(error.message, /"nginx".*no registry client.*sampan image from-host nginx/);
    return true;
  });
  assert.deepEqual(await engine.images.imageStatus({ image: { image: 'nginx' } }), {});
  const { imageRef } = await engine.images.pullImage({ image: { image: 'localhost/app:latest' } });
  const { image } = await engine.images.imageStatus({ image: { image: imageRef } });
  assert.deepEqual([image?.id, image?.repoTags], [imageRef, ['localhost/app:latest']]);
  await engine.images.removeImage({ image: { image: 'nginx' } });
  await engine.images.removeImage({ image: { image: imageRef } });
  assert.deepEqual(await engine.images.listImages({}), { images: [] });
});

test('limits of a running container change, in the runtime first and then on record', async () => {
  using bench = new Bench();
  await using engine = await bench.engine();
  const { podSandboxId } = await engine.runtime.runPodSandbox({ config: sandboxConfig() });
  const linux = { resources: { cpuShares: 51, cpuPeriod: 100_000, cpuQuota: 10_000, oomScoreAdj: 900 } };
  const request = { podSandboxId, config: containerConfig({ linux }), sandboxConfig: sandboxConfig() };
  const { containerId } = await engine.runtime.createContainer(request);
  await engine.runtime.startContainer({ containerId });
  const change = { cpuQuota: 20_000, cpuPeriod: 100_000, memoryLimitInBytes: 4096, cpuShares: 0 };
  armFailpoints('engine.container.update=error');
  await assert.rejects(engine.runtime.updateContainerResources({ containerId, linux: change }));
  armFailpoints('');
  const resources = async (): Promise<unknown> =>
    (await engine.runtime.containerStatus({ containerId })).status?.resources?.linux;
  assert.deepEqual(await resources(), linux.resources);
  await engine.runtime.updateContainerResources({ containerId, linux: change });
  const set = { cpuQuota: 20_000, cpuPeriod: 100_000, memoryLimit: 4096 };
  assert.deepEqual(
    bench.runtimeBelow.updates.map((update) => update.resources),
    [set, set],
  );
  assert.deepEqual(await resources(), { ...linux.resources, cpuQuota: 20_000, memoryLimitInBytes: 4096 });
  const { stats } = await engine.runtime.containerStats({ containerId });
  assert.equal(stats?.memory?.usageBytes?.value, 4096);
  await engine.runtime.stopContainer({ containerId, timeout: 0 });
  await assert.rejects(engine.runtime.updateContainerResources({ containerId, linux: change }), (error) =>
    isPlatformError(error, 'conflict'),
  );
});
