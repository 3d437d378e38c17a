import { isDeepStrictEqual } from 'node:util';
import { rfc3339Micro, sleep, type Clock } from '../../base/clock.ts';
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ImageService, RuntimeService } from '../../container/cri/cri.ts';
import type { Lease } from '../api/generated/coordination-v1.ts';
import type { Node, NodeStatus } from '../api/generated/core-v1.ts';
import type { Client } from '../client/contract.ts';
import { leases, nodes } from '../client/kinds.ts';
import { nodeFacts, nodeLabels, nodeStatus, type NodeCapacity } from './node-status.ts';

export interface NodeAgentOptions {
  readonly nodeName: string;
  readonly nodeIp: string;
  readonly rootDir: string;
  readonly capacity: NodeCapacity;
  readonly client: Client;
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  readonly clock: Clock;
  readonly log: Logger;
}

const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 40;
const RENEW_MS = 10_000;
const RETRY_MS = 1000;
const STATUS_MS = 10_000;
/** An unchanged status is sent again this seldom: the lease is the heartbeat (KEP-589). */
const REPORT_MS = 300_000;

/** Registers the node and keeps its lease and status fresh. */
export class NodeAgent {
  readonly #options: NodeAgentOptions;
  #reported: { readonly status: NodeStatus; readonly at: number } | undefined;
  #lease: Lease | undefined;

  constructor(options: NodeAgentOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#repeat(signal, { what: 'node status', everyMs: STATUS_MS, step: () => this.reportStatus() }),
      this.#repeat(signal, { what: 'node lease', everyMs: RENEW_MS, step: () => this.renewLease() }),
    ]);
  }

  async #repeat(
    signal: AbortSignal,
    loop: { readonly what: string; readonly everyMs: number; readonly step: () => Promise<void> },
  ): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      let wait = loop.everyMs;
      try {
        await loop.step();
      } catch (error) {
        wait = RETRY_MS;
        log.warn(`${loop.what} not written`, { error: errorMessage(error) });
      }
      await sleep(clock, wait, signal).catch(() => {});
    }
  }

  /** Makes the Node if it is missing, and writes its status if that says anything new. */
  async reportStatus(): Promise<void> {
    const { nodeName, nodeIp, capacity, clock, client, runtime, images, rootDir } = this.#options;
    const facts = await nodeFacts(runtime, images, rootDir);
    const previous = await this.#registered();
    const now = clock.now();
    const status = nodeStatus(facts, { nodeName, nodeIp, capacity, now, previous });
    const recent = this.#reported !== undefined && now - this.#reported.at < REPORT_MS;
    if (recent && sameButForHeartbeat(previous.status ?? {}, status)) return;
    const body = { metadata: { uid: previous.metadata?.uid ?? '' }, status };
    await client.patch(nodes, { name: nodeName }, { type: 'strategic', body, subresource: 'status' });
    this.#reported = { status, at: now };
  }

  async #registered(): Promise<Node> {
    const { nodeName, client } = this.#options;
    const labels = nodeLabels(nodeName);
    try {
      const node = await client.get(nodes, { name: nodeName });
      const missing = Object.entries(labels).some(([key, value]) => node.metadata?.labels?.[key] !== value);
      if (!missing) return node;
      return await client.patch(nodes, { name: nodeName }, { type: 'merge', body: { metadata: { labels } } });
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
    }
    this.#reported = undefined;
    const node: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, labels }, spec: {} };
    return client.create(nodes, node);
  }

  async renewLease(): Promise<void> {
    const { nodeName, client, clock } = this.#options;
    const renewTime = rfc3339Micro(clock.now());
    try {
      this.#lease ??= await client.get(leases, { name: nodeName, namespace: LEASE_NAMESPACE });
      const spec = {
        ...this.#lease.spec,
        holderIdentity: nodeName,
        leaseDurationSeconds: LEASE_SECONDS,
        renewTime,
      };
      this.#lease = await client.update(leases, { ...this.#lease, spec });
    } catch (error) {
      // Whatever the reason: what we hold is not what the API holds.
      this.#lease = undefined;
      if (!isPlatformError(error, 'not-found')) throw error;
      this.#lease = await client.create(leases, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: nodeName, namespace: LEASE_NAMESPACE },
        spec: { holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS, renewTime },
      });
    }
  }
}

function sameButForHeartbeat(current: NodeStatus, wanted: NodeStatus): boolean {
  const plain = (status: NodeStatus): unknown => ({
    ...status,
    conditions: (status.conditions ?? [])
      .map(({ type, status: value, reason }) => `${type}=${value}/${reason}`)
      .toSorted(),
  });
  return Object.entries(plain(wanted) as Record<string, unknown>).every(([key, value]) =>
    isDeepStrictEqual((plain(current) as Record<string, unknown>)[key], value),
  );
}
