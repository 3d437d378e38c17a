/**
 * One of several copies works at a time: the one that holds a Lease, and renews it
 * (https://kubernetes.io/docs/concepts/architecture/leases/). Who loses it ends, rather than work beside the next.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  ApiException,
  CoordinationV1Api,
  V1MicroTime,
  type KubeConfig,
  type V1Lease,
} from '@kubernetes/client-node';

export interface LeaderOptions {
  readonly kubeconfig: KubeConfig;
  readonly namespace: string;
  readonly name: string;
  /** Differs from copy to copy, and from start to start. */
  readonly identity: string;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** Resolves once the lease is held. `lost` is called when it could not be renewed in time. */
export async function lead(options: LeaderOptions, lost: () => void): Promise<void> {
  const { kubeconfig, seconds, signal } = options;
  const leases = kubeconfig.makeApiClient(CoordinationV1Api);
  // By our own clock since we saw the last change: the holder's clock may be wrong.
  let seen = { renewal: '', at: 0 };
  for (;;) {
    const lease = await read(leases, options);
    const renewal = `${lease?.spec?.holderIdentity} ${String(lease?.spec?.renewTime)}`;
    if (renewal !== seen.renewal) seen = { renewal, at: performance.now() };
    const patience = (lease?.spec?.leaseDurationSeconds ?? seconds) * 1000;
    const free = (lease?.spec?.holderIdentity ?? '') === '' || performance.now() - seen.at > patience;
    if ((lease === undefined || free) && (await take(leases, lease, options))) break;
    await delay((seconds * 1000) / 4, undefined, { signal });
  }
  void renew(leases, options).then(lost, () => {});
}

/** Resolves when the lease is lost; rejects when the signal says stop. */
async function renew(leases: CoordinationV1Api, options: LeaderOptions): Promise<void> {
  const { identity, seconds, signal } = options;
  let renewed = performance.now();
  while (performance.now() - renewed < seconds * 1000) {
    await delay((seconds * 1000) / 3, undefined, { signal });
    try {
      const lease = await read(leases, options);
      if (lease?.spec?.holderIdentity !== identity) return;
      if (await take(leases, lease, options)) renewed = performance.now();
    } catch {
      // The API is away: for as long as the lease lasts, that is no reason to stop.
    }
  }
}

async function read(
  leases: CoordinationV1Api,
  { namespace, name }: LeaderOptions,
): Promise<V1Lease | undefined> {
  try {
    return await leases.readNamespacedLease({ namespace, name });
  } catch (error) {
    if (error instanceof ApiException && error.code === 404) return undefined;
    throw error;
  }
}

/** False when another was faster. */
async function take(
  leases: CoordinationV1Api,
  lease: V1Lease | undefined,
  { namespace, name, identity, seconds }: LeaderOptions,
): Promise<boolean> {
  const now = new V1MicroTime();
  const mine = lease?.spec?.holderIdentity === identity;
  const spec = {
    holderIdentity: identity,
    leaseDurationSeconds: seconds,
    acquireTime: mine ? (lease.spec?.acquireTime ?? now) : now,
    renewTime: now,
    leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (mine || lease === undefined ? 0 : 1),
  };
  try {
    if (lease === undefined) {
      await leases.createNamespacedLease({ namespace, body: { metadata: { name, namespace }, spec } });
    } else {
      const metadata = { name, namespace, resourceVersion: lease.metadata?.resourceVersion ?? '' };
      // With the version that was read: of two who take it at once, one gets a conflict.
      await leases.replaceNamespacedLease({ namespace, name, body: { metadata, spec } });
    }
    return true;
  } catch (error) {
    if (error instanceof ApiException && error.code === 409) return false;
    throw error;
  }
}
