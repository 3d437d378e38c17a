/**
 * Leader election on a Lease, with client-go's rules: whoever holds the lease leads; others take it over only when
 * they have not seen it change for its whole duration by their own clock, so clocks need not agree. Leading ends, by
 * our own doing, before others may take over.
 *
 *   waiting ──lease free, ours, or silent──▶ leading ──renewed in time──▶ leading
 *                                               └──not renewed for renewDeadlineMs──▶ lost
 */
import { rfc3339Micro, sleep, type Clock } from '../../base/clock.ts';
import { errorMessage, isPlatformError, PlatformError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Lease, LeaseSpec } from '../api/generated/coordination-v1.ts';
import type { Client } from './contract.ts';
import { leases } from './kinds.ts';

export interface LeaderElectionOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Unique to this candidate: host name and a random part. */
  readonly identity: string;
  /** How long others wait for a silent leader; 15 s. */
  readonly leaseDurationMs?: number;
  /** How long a leader goes on without a renewal, less than the above; 10 s. */
  readonly renewDeadlineMs?: number;
  /** Between two attempts; 2 s. */
  readonly retryPeriodMs?: number;
}

/**
 * Waits for the lease, then runs `lead` until it returns, the signal aborts, or the lease is lost; `lead` must end when
 * its own signal aborts. The lease is given up at the end. Resolves to `lost` when leading ended against our will.
 */
export async function leadWhenElected(
  options: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<'done' | 'lost'> {
  const { clock, random, leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2000 } = options;
  if (leaseDurationMs <= renewDeadlineMs || renewDeadlineMs <= retryPeriodMs * 1.2) {
    throw new PlatformError(
      'invalid',
      'leader election: want leaseDuration > renewDeadline > 1.2 × retryPeriod',
    );
  }
  const candidate = new Candidate(options, leaseDurationMs);
  while (!(await candidate.acquireOrRenew())) {
    // Jitter keeps candidates that started together from trying together.
    await sleep(clock, retryPeriodMs * (1 + 1.2 * random.next()), signal).catch(() => {});
    if (signal.aborted) return 'done';
  }
  const leading = new AbortController();
  const stop = (): void => leading.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const renewing = keepRenewed(candidate, { clock, renewDeadlineMs, retryPeriodMs, leading });
  try {
    await lead(leading.signal);
  } finally {
    const lost = leading.signal.aborted && !signal.aborted;
    leading.abort();
    signal.removeEventListener('abort', stop);
    await renewing;
    if (!lost) await candidate.release();
  }
  return candidate.lost && !signal.aborted ? 'lost' : 'done';
}

interface Renewal {
  readonly clock: Clock;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  readonly leading: AbortController;
}

/** Renews until leading ends; ends it when the deadline passes first, also while a request hangs. */
async function keepRenewed(candidate: Candidate, renewal: Renewal): Promise<void> {
  const { clock, renewDeadlineMs, retryPeriodMs, leading } = renewal;
  const lose = (): void => {
    if (leading.signal.aborted) return;
    candidate.lost = true;
    leading.abort(new PlatformError('timeout', 'the leader lease was not renewed in time'));
  };
  let deadline = clock.after(renewDeadlineMs, lose);
  const ended = new Promise<void>((resolve) => {
    leading.signal.addEventListener('abort', () => resolve(), { once: true });
    if (leading.signal.aborted) resolve();
  });
  while (!leading.signal.aborted) {
    await sleep(clock, retryPeriodMs, leading.signal).catch(() => {});
    if (leading.signal.aborted) break;
    const renewed = await Promise.race([candidate.acquireOrRenew(), ended.then(() => false)]);
    if (leading.signal.aborted) break;
    if (renewed) {
      deadline[Symbol.dispose]();
      deadline = clock.after(renewDeadlineMs, lose);
    } else if (candidate.heldByOther) lose();
  }
  deadline[Symbol.dispose]();
}

class Candidate {
  lost = false;
  readonly #options: LeaderElectionOptions;
  readonly #durationMs: number;
  /** The lease as last seen, and when it was first seen so, by our monotonic clock. */
  #observed: LeaseSpec | undefined;
  #observedAt = 0;

  constructor(options: LeaderElectionOptions, durationMs: number) {
    this.#options = options;
    this.#durationMs = durationMs;
  }

  /** Another candidate has been seen to hold the lease. */
  get heldByOther(): boolean {
    const holder = this.#observed?.holderIdentity ?? '';
    return holder !== '' && holder !== this.#options.identity;
  }

  /** True when the lease is ours now. */
  async acquireOrRenew(): Promise<boolean> {
    const { client, lease, identity, log } = this.#options;
    try {
      const present = await client.get(leases, lease).catch((error: unknown) => {
        if (isPlatformError(error, 'not-found')) return undefined;
        throw error;
      });
      if (present === undefined) {
        const created = await client.create(leases, { metadata: { ...lease }, spec: this.#spec(undefined) });
        this.#observe(created.spec);
        return true;
      }
      this.#observe(present.spec);
      const silentFor = this.#options.clock.monotonic() - this.#observedAt;
      if (this.heldByOther && silentFor < this.#durationMs) return false;
      const updated = await client.update(leases, { ...present, spec: this.#spec(present.spec) });
      this.#observe(updated.spec);
      return true;
    } catch (error) {
      const level = isPlatformError(error, 'conflict', 'already-exists') ? 'debug' : 'warn';
      log[level]('cannot take the leader lease', { lease: lease.name, identity, error: errorMessage(error) });
      return false;
    }
  }

  /** Leaves the lease without a holder and with a duration of a second, so that the next one need not wait. */
  async release(): Promise<void> {
    const { client, clock, lease, identity, log } = this.#options;
    try {
      const present: Lease = await client.get(leases, lease);
      if (present.spec?.holderIdentity !== identity) return;
      const now = rfc3339Micro(clock.now());
      const spec = {
        ...present.spec,
        holderIdentity: '',
        leaseDurationSeconds: 1,
        renewTime: now,
        acquireTime: now,
      };
      await client.update(leases, { ...present, spec });
    } catch (error) {
      log.debug('cannot give up the leader lease', { lease: lease.name, error: errorMessage(error) });
    }
  }

  #observe(spec: LeaseSpec | undefined): void {
    const same = JSON.stringify(spec) === JSON.stringify(this.#observed);
    if (same && this.#observed !== undefined) return;
    this.#observed = spec ?? {};
    this.#observedAt = this.#options.clock.monotonic();
  }

  #spec(present: LeaseSpec | undefined): LeaseSpec {
    const { clock, identity } = this.#options;
    const now = rfc3339Micro(clock.now());
    const ours = present?.holderIdentity === identity;
    const transitions = present?.leaseTransitions ?? 0;
    return {
      ...present,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#durationMs / 1000),
      acquireTime: ours ? (present?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: present === undefined || ours ? transitions : transitions + 1,
    };
  }
}
