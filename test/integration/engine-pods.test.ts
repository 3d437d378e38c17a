/** The engine on the real runtime, image store and bridge network, in a network namespace of its own. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPlatformError } from '../../src/base/errors.ts';
import { instanceOf, type Instance } from '../../src/base/instance.ts';
import { silentLogger } from '../../src/base/log.ts';
import type * as v1 from '../../src/container/cri/generated/types.ts';
import { createEngine, type Engine } from '../../src/container/engine/engine.ts';
import { packHostImage } from '../../src/container/image/pack.ts';
import { openImageStore } from '../../src/container/image/store.ts';
import { createBridgeNetwork } from '../../src/container/network/bridge-network.ts';
import { createRuntime } from '../../src/container/runtime/shim-runtime.ts';
import { cgroupHost } from '../../src/kernel/cgroup.ts';
import { linuxKernel } from '../../src/kernel/linux.ts';
import { nativeFile } from '../../src/kernel/native-files.ts';
import { eventually } from '../fixtures/eventually.ts';
import { assertNothingLeft } from '../fixtures/leaks.ts';
import { inOwnNamespace } from './network-fixture.ts';

class Node implements AsyncDisposable {
  readonly dataDir: string = realpathSync(mkdtempSync(join(tmpdir(), 'sampan-engine-')));
  readonly instance: Instance = instanceOf(this.dataDir);
  readonly logs: string = join(this.dataDir, 'logs');
  readonly store = openImageStore({ dataDir: this.dataDir });
  readonly cgroups = cgroupHost();
  readonly network = this.#network();

  #network() {
    const stateDir = join(this.dataDir, 'network');
    mkdirSync(stateDir);
    return createBridgeNetwork({ instance: this.instance, kernel: linuxKernel(), stateDir });
  }

  /** A fresh engine, as a restarted daemon makes one. */
  async engine(): Promise<Engine> {
    const { instance, cgroups } = this;
    const runtime = createRuntime({ instance, cgroups, shimPath: nativeFile('sampan-shim') });
    const options = { instance, runtime, images: this.store, network: this.network, kernel: linuxKernel() };
    const engine = createEngine({ ...options, log: silentLogger, now: Date.now });
    await engine.recover();
    return engine;
  }

  sandboxConfig(name: string): v1.PodSandboxConfig {
    return {
      metadata: { name, namespace: 'default', uid: `${name}-uid`, attempt: 0 },
      hostname: name,
      logDirectory: join(this.logs, name),
      labels: { app: name },
    };
  }

  log(name: string): string {
    return readFileSync(join(this.logs, name, 'main.log'), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    {
      await using engine = await this.engine();
      await engine.removeAll();
    }
    await this.network.tearDown();
    await this.cgroups.remove(this.instance.cgroupParent);
    rmSync(this.instance.runDir, { recursive: true, force: true });
    await assertNothingLeft(this.instance);
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

function shell(script: string, more: Partial<v1.ContainerConfig> = {}): v1.ContainerConfig {
  return {
    metadata: { name: 'main', attempt: 0 },
    image: { image: 'box' },
    command: ['busybox', 'sh', '-c', script],
    logPath: 'main.log',
    linux: { securityContext: { namespaceOptions: { pid: 'CONTAINER' } } },
    ...more,
  };
}

async function startPod(node: Node, engine: Engine, config: v1.ContainerConfig, name = 'pod') {
  const sandbox = node.sandboxConfig(name);
  const { podSandboxId = '' } = await engine.runtime.runPodSandbox({ config: sandbox });
  const created = await engine.runtime.createContainer({ podSandboxId, config, sandboxConfig: sandbox });
  const containerId = created.containerId!;
  await engine.runtime.startContainer({ containerId });
  return { podSandboxId, containerId };
}

function exited(engine: Engine, containerId: string): Promise<v1.ContainerStatus> {
  return eventually('container has exited', async () => {
    const { status } = await engine.runtime.containerStatus({ containerId });
    return status?.state === 'CONTAINER_EXITED' ? status : undefined;
  });
}

inOwnNamespace(import.meta.filename, () => {
  test('a pod: address, files, environment, log, exit code, events', async () => {
    await using node = new Node();
    await packHostImage({ store: node.store, name: 'box', programs: ['/bin/busybox'], env: ['FROM=image'] });
    await using engine = await node.engine();
    const listening = new AbortController();
    const events: string[] = [];
    const listener = engine.runtime.getContainerEvents(
      {},
      (event) => events.push(`${event.containerEventType} ${event.containerId?.slice(0, 6)}`),
      listening.signal,
    );
    const script = 'busybox hostname; busybox cat /etc/hosts; echo $FROM $ASKED; exit 3';
    const asked = [{ key: 'ASKED', value: Buffer.from('yes') }];
    const { podSandboxId, containerId } = await startPod(node, engine, shell(script, { envs: asked }));
    const status = await exited(engine, containerId);
    assert.equal(status.exitCode, 3);
    assert.equal(status.reason, 'Error');
    assert.ok(status.startedAt! > 0 && status.finishedAt! >= status.startedAt!);
    const sandbox = await engine.runtime.podSandboxStatus({ podSandboxId });
    const ip = sandbox.status?.network?.ip ?? '';
    assert.match(ip, /^10\.\d+\.\d+\.\d+$/);
    assert.match(node.log('pod'), /stdout F pod\n/);
    assert.ok(node.log('pod').includes(`${ip}\tpod`));
    assert.match(node.log('pod'), /stdout F image yes\n/);

    await engine.runtime.removePodSandbox({ podSandboxId });
    assert.deepEqual(await engine.runtime.listContainers({}), { containers: [] });
    assert.deepEqual(await engine.runtime.listPodSandbox({}), { items: [] });
    listening.abort();
    await listener;
    const [p, c] = [podSandboxId.slice(0, 6), containerId.slice(0, 6)];
    assert.deepEqual(
      events.toSorted(),
      [
        `CONTAINER_CREATED_EVENT ${c}`,
        `CONTAINER_CREATED_EVENT ${p}`,
        `CONTAINER_DELETED_EVENT ${c}`,
        `CONTAINER_DELETED_EVENT ${p}`,
        `CONTAINER_STARTED_EVENT ${c}`,
        `CONTAINER_STARTED_EVENT ${p}`,
        `CONTAINER_STOPPED_EVENT ${c}`,
        `CONTAINER_STOPPED_EVENT ${p}`,
      ].toSorted(),
    );
  });

  test('stop asks first and kills after the grace period', async () => {
    await using node = new Node();
    await packHostImage({ store: node.store, name: 'box', programs: ['/bin/busybox'] });
    await using engine = await node.engine();
    const polite = await startPod(
      node,
      engine,
      shell('trap "exit 7" TERM; echo up; while :; do busybox sleep 0.05; done'),
      'polite',
    );
    await eventually('polite is up', () => /stdout F up/.test(node.log('polite')));
    await engine.runtime.stopContainer({ containerId: polite.containerId, timeout: 20 });
    assert.equal((await exited(engine, polite.containerId)).exitCode, 7);

    const stubborn = await startPod(
      node,
      engine,
      shell('trap "" TERM; echo up; while :; do busybox sleep 0.05; done'),
      'stubborn',
    );
    await eventually('stubborn is up', () => /stdout F up/.test(node.log('stubborn')));
    await engine.runtime.stopContainer({ containerId: stubborn.containerId, timeout: 1 });
    assert.equal((await exited(engine, stubborn.containerId)).exitCode, 137);
    await engine.runtime.stopContainer({ containerId: stubborn.containerId, timeout: 1 });
    await engine.runtime.stopContainer({ containerId: 'f'.repeat(64), timeout: 1 });
  });

  test('a new engine finds what runs and what ended while there was none', async () => {
    await using node = new Node();
    await packHostImage({ store: node.store, name: 'box', programs: ['/bin/busybox'] });
    let runs: { podSandboxId: string; containerId: string };
    let ends: { podSandboxId: string; containerId: string };
    {
      await using first = await node.engine();
      runs = await startPod(node, first, shell('busybox sleep 1000'), 'runs');
      ends = await startPod(
        node,
        first,
        shell('while [ ! -e /tmp/go ]; do busybox sleep 0.05; done; exit 5', {
          mounts: [{ containerPath: '/tmp', hostPath: node.dataDir }],
        }),
        'ends',
      );
    }
    rmSync(join(node.dataDir, 'go'), { force: true });
    mkdirSync(join(node.dataDir, 'go'));
    await using second = await node.engine();
    assert.equal((await exited(second, ends.containerId)).exitCode, 5);
    const { status } = await second.runtime.containerStatus({ containerId: runs.containerId });
    assert.equal(status?.state, 'CONTAINER_RUNNING');
    const ready = await second.runtime.listPodSandbox({ filter: { state: { state: 'SANDBOX_READY' } } });
    assert.equal(ready.items?.length, 2);
    await second.runtime.stopContainer({ containerId: runs.containerId, timeout: 0 });
    assert.equal((await exited(second, runs.containerId)).exitCode, 137);
  });

  test('a container whose program is not there fails with its name, and leaves nothing', async () => {
    await using node = new Node();
    await packHostImage({ store: node.store, name: 'box', programs: ['/bin/busybox'] });
    await using engine = await node.engine();
    await assert.rejects(
      startPod(node, engine, shell('', { command: ['/no/such/program'] })),
      (error) => isPlatformError(error) && error.message.includes('/no/such/program'),
    );
    assert.deepEqual(await engine.runtime.listContainers({}), { containers: [] });
  });
});
