/** `kubectl patch --subresource resize`: other limits for a container that runs, read from its cgroup. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Pod } from '../../src/cluster/api/generated/core-v1.ts';
import { cgroupHost } from '../../src/kernel/cgroup.ts';
import { weightOfShares } from '../../src/kernel/cgroup-v2.ts';
import { eventually } from '../fixtures/eventually.ts';
import { TestCluster } from '../fixtures/sampan.ts';

const pod = (name: string, memoryPolicy: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: box
      command: [busybox, sh, -c, 'trap exit TERM; while :; do busybox sleep 1; done']
      resources:
        requests: { cpu: 50m, memory: 32Mi }
        limits: { cpu: 100m, memory: 64Mi }
      resizePolicy:
        - { resourceName: cpu, restartPolicy: NotRequired }
        - { resourceName: memory, restartPolicy: ${memoryPolicy} }
`;

interface Usage {
  readonly cpu: { readonly usageCoreNanoSeconds: number };
  readonly memory: { readonly usageBytes: number; readonly workingSetBytes: number };
}

interface Summary {
  readonly node: Usage & { readonly nodeName: string };
  readonly pods: readonly (Usage & {
    readonly podRef: { readonly name: string };
    readonly containers: readonly (Usage & { readonly name: string })[];
  })[];
}

describe('kubectl and the resize of running pods', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = new TestCluster();
    const packed = await cluster.sampan('image', 'from-host', 'box', 'busybox');
    assert.equal(packed.code, 0, packed.stderr);
    await cluster.up();
    await cluster.ok(['apply', '-f', '-'], pod('fluid', 'NotRequired'));
    await cluster.ok(['apply', '-f', '-'], pod('stiff', 'RestartContainer'));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/fluid', 'pod/stiff', '--timeout=60s']);
  });

  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const get = async (name: string): Promise<Pod> =>
    JSON.parse(await cluster.ok(['get', 'pod', name, '-o', 'json'])) as Pod;

  const resize = (name: string, resources: object): Promise<string> => {
    const patch = JSON.stringify({ spec: { containers: [{ name: 'main', resources }] } });
    return cluster.ok(['patch', 'pod', name, '--subresource', 'resize', '--patch', patch]);
  };

  /** What the kernel holds the pod's container to: bytes, and microseconds in a period. */
  function kernelLimits({ metadata, status }: Pod): { memory: string; quota: string; weight: string } {
    const id = status!.containerStatuses![0]!.containerID!.replace('sampan://', '');
    const place = join(cluster.instance.cgroupParent, `pod${metadata!.uid}`, id);
    const folders = cgroupHost()
      .open(place)
      .hierarchies.map(({ path }) => path);
    const read = (...names: readonly string[]): string => {
      const files = folders.flatMap((folder) => names.map((name) => join(folder, name)));
      return readFileSync(
        files.find((file) => existsSync(file))!,
        'utf8',
      ).trim();
    };
    return {
      memory: read('memory.limit_in_bytes', 'memory.max'),
      quota: read('cpu.cfs_quota_us', 'cpu.max').split(' ')[0]!,
      weight: read('cpu.shares', 'cpu.weight'),
    };
  }

  const shares = (cores: number): string => {
    const v1 = Math.floor(cores * 1024);
    return String(cgroupHost().version === 1 ? v1 : weightOfShares(v1));
  };

  const events = (name: string): Promise<string> =>
    cluster.ok([
      'events',
      '--for',
      `pod/${name}`,
      '-o',
      'jsonpath={range .items[*]}{.reason} {.message}{"\\n"}{end}',
    ]);

  test('up and down without a restart, in the cgroup and in the status', async () => {
    const first = await get('fluid');
    assert.deepEqual(kernelLimits(first), { memory: String(64 << 20), quota: '10000', weight: shares(0.05) });
    assert.deepEqual(first.status!.containerStatuses![0]!.allocatedResources, { cpu: '50m', memory: '32Mi' });
    assert.deepEqual(first.status!.containerStatuses![0]!.resources?.limits, { cpu: '100m', memory: '64Mi' });
    for (const [cpu, memory, cores, bytes] of [
      ['400m', '128Mi', 0.4, 128 << 20],
      ['200m', '48Mi', 0.2, 48 << 20],
    ] as const) {
      await resize('fluid', { requests: { cpu, memory: '40Mi' }, limits: { cpu, memory } });
      const wanted = { memory: String(bytes), quota: String(cores * 100_000), weight: shares(cores) };
      await eventually(`limits of ${cpu} and ${memory}`, async () => {
        const now = await get('fluid');
        const status = now.status!.containerStatuses![0]!;
        const over = !now.status!.conditions!.some(({ type }) => type?.startsWith('PodResize') === true);
        return (
          over &&
          JSON.stringify(kernelLimits(now)) === JSON.stringify(wanted) &&
          status.resources?.limits?.['memory'] === memory &&
          status.resources.requests?.['cpu'] === cpu &&
          status.allocatedResources?.['cpu'] === cpu
        );
      });
    }
    const last = (await get('fluid')).status!.containerStatuses![0]!;
    assert.equal(last.restartCount, 0);
    assert.equal(last.containerID, first.status!.containerStatuses![0]!.containerID);
    await eventually('the events', async () => /^ResizeCompleted /m.test(await events('fluid')));
    assert.match(
      await events('fluid'),
      /^ResizeStarted Pod resize started: \{"containers":\[\{"name":"main","resources":\{"limits":\{"cpu":"400m","memory":"128Mi"\},"requests":\{"cpu":"400m","memory":"40Mi"\}\}\}\],"generation":\d+\}$/m,
    );
  });

  test('a resource whose policy says so restarts the container, and the other one does not', async () => {
    await resize('stiff', { limits: { cpu: '300m' } });
    await eventually('the quota', async () => kernelLimits(await get('stiff')).quota === '30000');
    assert.equal((await get('stiff')).status!.containerStatuses![0]!.restartCount, 0);
    await resize('stiff', { limits: { memory: '96Mi' } });
    await eventually('the restart', async () => {
      const now = await get('stiff');
      const [status] = now.status!.containerStatuses!;
      return (
        status!.restartCount === 1 &&
        status!.ready === true &&
        status!.resources?.limits?.['memory'] === '96Mi'
      );
    });
    assert.equal(kernelLimits(await get('stiff')).memory, String(96 << 20));
    assert.match(await events('stiff'), /^Killing Container main resize requires restart$/m);
  });

  test('/stats/summary says what the node, the pods and the containers use', async () => {
    const node = (await cluster.ok(['get', 'nodes', '-o', 'name'])).trim().replace('node/', '');
    const summary = JSON.parse(
      await cluster.ok(['get', '--raw', `/api/v1/nodes/${node}/proxy/stats/summary`]),
    ) as Summary;
    assert.equal(summary.node.nodeName, node);
    assert.ok(summary.node.cpu.usageCoreNanoSeconds > 1e9);
    assert.ok(summary.node.memory.workingSetBytes > 1 << 20);
    assert.deepEqual(summary.pods.map(({ podRef }) => podRef.name).toSorted(), ['fluid', 'stiff']);
    for (const { containers, cpu, memory } of summary.pods) {
      const [main] = containers;
      assert.equal(main?.name, 'main');
      assert.ok(main.cpu.usageCoreNanoSeconds > 0 && main.memory.usageBytes >= main.memory.workingSetBytes);
      assert.ok(main.memory.workingSetBytes > 0 && memory.usageBytes === main.memory.usageBytes);
      assert.equal(cpu.usageCoreNanoSeconds, main.cpu.usageCoreNanoSeconds);
    }
  });

  test('more than the node has, and less memory than is in use, are refused with upstream’s words', async () => {
    await assert.rejects(
      resize('fluid', { requests: { cpu: '9999' }, limits: { cpu: '9999' } }),
      /Forbidden.*node didn't have enough allocatable resources: cpu, requested: 9999000, allocatable: \d+/,
    );
    const condition = async (type: string): Promise<Record<string, unknown> | undefined> =>
      (await get('fluid')).status!.conditions!.find((one) => one.type === type) as
        | Record<string, unknown>
        | undefined;
    await resize('fluid', {
      requests: { cpu: '200m', memory: '4Ki' },
      limits: { cpu: '200m', memory: '8Ki' },
    });
    await eventually(
      'an error',
      async () => (await condition('PodResizeInProgress'))?.['reason'] === 'Error',
    );
    assert.equal(await condition('PodResizePending'), undefined);
    assert.match(
      (await condition('PodResizeInProgress'))!['message'] as string,
      /^cannot decrease memory limits: attempting to set container "main" memory limit \(8192\) below current usage \(\d+\)$/,
    );
    assert.equal(kernelLimits(await get('fluid')).memory, String(48 << 20));
    assert.equal((await get('fluid')).status!.containerStatuses![0]!.resources?.limits?.['memory'], '48Mi');
    await resize('fluid', {
      requests: { cpu: '200m', memory: '4Ki' },
      limits: { cpu: '200m', memory: '48Mi' },
    });
    await eventually('peace', async () => (await condition('PodResizeInProgress')) === undefined);
  });
});
