/** A node of one instance: runtime, images, network, engine, kubelet and proxy, in this process. */
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { BlockList } from 'node:net';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Instance } from '../base/instance.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { nodes } from '../cluster/client/kinds.ts';
import { createKubelet } from '../cluster/kubelet/kubelet.ts';
import { createProxy } from '../cluster/proxy/proxy.ts';
import { createEngine, type Engine } from '../container/engine/engine.ts';
import { openImageStore } from '../container/image/store.ts';
import { createBridgeNetwork, type BridgeNetwork } from '../container/network/bridge-network.ts';
import { sweepForeground } from '../container/runtime/foreground.ts';
import { createRuntime } from '../container/runtime/shim-runtime.ts';
import { cgroupHost } from '../kernel/cgroup.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { nativeFile } from '../kernel/native-files.ts';
import { createServiceRules } from '../kernel/service-rules.ts';
import type { ControlPlane } from './control-plane.ts';
import { runAll } from './run-all.ts';
import { nodeAddress } from './node-address.ts';

export interface NodeParts {
  /** Where cluster addresses come from; chosen with the pods' network when absent. */
  readonly serviceCidr?: string | undefined;
  readonly instance: Instance;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Known before the control plane starts: it needs the service network and the node's address. */
export interface PreparedNode {
  readonly serviceCidr: string;
  readonly nodeIp: string;
  /** Where pods reach the machine. */
  readonly gateway: string;
  start(options: { readonly nodeName: string; readonly controlPlane: ControlPlane }): Promise<RunningNode>;
}

export interface RunningNode extends AsyncDisposable {
  /** Resolves once the API shows the node as ready. */
  ready(): Promise<void>;
}

/** How long the node may take to be ready, in milliseconds. */
const READY_DEADLINE_MS = 30_000;
const MAX_PODS = 110;

export function prepareNode(parts: NodeParts): PreparedNode {
  const network = networkOf(parts);
  const nodeIp = nodeAddress(parts.kernel) ?? network.gateway;
  return {
    serviceCidr: network.serviceCidr,
    nodeIp,
    gateway: network.gateway,
    start: ({ nodeName, controlPlane }) => startNode({ ...parts, network, nodeIp, nodeName, controlPlane }),
  };
}

interface StartOptions extends NodeParts {
  readonly network: BridgeNetwork;
  readonly nodeIp: string;
  readonly nodeName: string;
  readonly controlPlane: ControlPlane;
}

async function startNode(options: StartOptions): Promise<RunningNode> {
  const { instance, kernel, clock, random, log, network, nodeIp, nodeName, controlPlane } = options;
  await using stack = new AsyncDisposableStack();
  const engine = stack.use(await engineOf(options));
  await engine.recover();
  const own = new BlockList();
  const [first = '', bits] = network.podCidr.split('/');
  own.addSubnet(first, Number(bits));
  own.addAddress(nodeIp);
  await controlPlane.reachableAt(network.gateway, (address) => own.check(address));

  const kubeletUser = stack.use(
    controlPlane.componentOf(
      {
        name: `system:node:${nodeName}`,
        groups: ['system:nodes', 'system:authenticated'],
      },
      { component: 'kubelet', host: nodeName },
    ),
  );
  const memoryDir = join(instance.runDir, 'memory');
  const kubelet = createKubelet({
    ...kubeletUser,
    nodeName,
    nodeIp,
    runtime: engine.runtime,
    images: engine.images,
    podLogsDir: join(instance.dataDir, 'logs/pods'),
    rootDir: join(instance.dataDir, 'kubelet'),
    memoryDir,
    clock,
    random,
    log,
    capacity: { cpu: availableParallelism() * 1000, memoryBytes: totalmem(), pods: MAX_PODS },
  });
  controlPlane.connectNode(nodeName, kubelet.api);

  const proxyUser = stack.use(
    controlPlane.componentOf(
      { name: 'system:kube-proxy', groups: ['system:authenticated'] },
      { component: 'kube-proxy', host: nodeName },
    ),
  );
  const rules = createServiceRules({
    kernel,
    table: `${instance.nftTable}-svc`,
    podCidr: network.podCidr,
    serviceCidr: network.serviceCidr,
  });
  const proxy = createProxy({ ...proxyUser, rules, clock, log, nodeName });

  stack.use(runAll([kubelet, proxy], log));
  kubeletUser.informers.start();
  proxyUser.informers.start();

  const owned = stack.move();
  return {
    ready: () => nodeReady(controlPlane, nodeName),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Watches the Node object until its Ready condition is true. */
async function nodeReady(controlPlane: ControlPlane, nodeName: string): Promise<void> {
  const { client } = controlPlane.componentOf(
    { name: 'sampan-up', groups: ['system:masters'] },
    { component: 'sampan' },
  );
  const signal = AbortSignal.timeout(READY_DEADLINE_MS);
  const fieldSelector = `metadata.name=${nodeName}`;
  for await (const event of client.watch(nodes, { fieldSelector, resourceVersion: '0', signal })) {
    if (event.type === 'BOOKMARK') continue;
    if (event.object.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'))
      return;
  }
}

/** Removes every container, address, link, rule and cgroup of the instance, running or left by a crash. Data stays. */
export async function tearDownNode(parts: NodeParts): Promise<void> {
  const { instance, kernel } = parts;
  const cgroups = cgroupHost();
  const network = networkOf(parts);
  {
    await using engine = await engineOf({ ...parts, network });
    await engine.recover();
    await engine.removeAll();
  }
  await sweepForeground({ instance, cgroups, shimPath: nativeFile('sampan-shim') });
  createServiceRules({ kernel, table: `${instance.nftTable}-svc`, podCidr: network.podCidr }).tearDown();
  await network.tearDown();
  await cgroups.remove(instance.cgroupParent);
  await rm(instance.runDir, { recursive: true, force: true });
}

function networkOf({ instance, kernel, serviceCidr }: NodeParts): BridgeNetwork {
  const stateDir = join(instance.dataDir, 'network');
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  return createBridgeNetwork({
    instance,
    kernel,
    stateDir,
    ...(serviceCidr !== undefined && { serviceCidr }),
  });
}

async function engineOf(parts: NodeParts & { readonly network: BridgeNetwork }): Promise<Engine> {
  const { instance, kernel, clock, log, network } = parts;
  const now = (): number => clock.now();
  const runtime = createRuntime({
    spareShim: true,
    instance,
    cgroups: cgroupHost(),
    shimPath: nativeFile('sampan-shim'),
    now,
  });
  const images = openImageStore({ dataDir: instance.dataDir });
  return createEngine({ instance, runtime, images, network, kernel, log, now });
}
