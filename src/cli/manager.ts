/**
 * Controllers and scheduler of one server. Where several servers share a store, those of one of them work, as the
 * leases kube-controller-manager and kube-scheduler in kube-system say; the others keep nothing and wait.
 */
import { hostname } from 'node:os';
import { sleep, type Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { UserInfo } from '../cluster/api/transport.ts';
import type { Client, Controller } from '../cluster/client/contract.ts';
import { leadWhenElected } from '../cluster/client/leader-election.ts';
import { createControllers } from '../cluster/controllers/controllers.ts';
import { createScheduler } from '../cluster/scheduler/scheduler.ts';
import type { SecretTokenEnvironment } from '../cluster/controllers/secret-token-controller.ts';
import type { Component, EventSource } from './control-plane.ts';
import { runAll } from './run-all.ts';

export interface ManagerOptions {
  readonly componentOf: (user: UserInfo, source: EventSource) => Component;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The certificate of the cluster's authority, PEM. */
  readonly rootCa: string;
  readonly secretToken: SecretTokenEnvironment['secretToken'];
  /** Other servers have the same store. */
  readonly shared: boolean;
}

export interface Manager extends AsyncDisposable {
  /** Controllers and scheduler work, or wait for their turn. */
  running(): boolean;
}

/** Works, or waits for its turn, until disposed. */
export function runManager(options: ManagerOptions): Manager {
  const stop = new AbortController();
  const running = options.shared ? takeTurns(options, stop.signal) : work(options, stop.signal);
  let ended = false;
  void running
    .catch((error: unknown) => options.log.error('controllers ended', { error: errorMessage(error) }))
    .finally(() => (ended = true));
  return {
    running: () => !ended,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running.catch(() => {});
    },
  };
}

// All controllers are this one user; what a role could take away is in this process anyway.
const MANAGER: UserInfo = {
  name: 'system:kube-controller-manager',
  groups: ['system:masters', 'system:authenticated'],
};
const SCHEDULER: UserInfo = { name: 'system:kube-scheduler', groups: ['system:authenticated'] };

async function takeTurns(options: ManagerOptions, signal: AbortSignal): Promise<void> {
  await using candidate = options.componentOf(MANAGER, { component: 'controller-manager' });
  const turn = { ...options, client: candidate.client, name: 'kube-controller-manager' };
  await lead(turn, (leading) => work(options, leading), signal);
}

/** Everything is made anew for each turn: what was cached and expected in the last one holds no more. */
async function work(options: ManagerOptions, signal: AbortSignal): Promise<void> {
  const { componentOf, clock, random, log, rootCa, secretToken, shared } = options;
  await using manager = componentOf(MANAGER, { component: 'controller-manager' });
  await using cell = componentOf(SCHEDULER, { component: 'default-scheduler' });
  const controllers = createControllers({ ...manager, clock, random, log, rootCa, secretToken });
  // It reads what the controllers read: one decoded copy of every pod and node, not two.
  const newScheduler = (): Controller =>
    createScheduler({ ...cell, informers: manager.informers, clock, random, log });
  // Hence its turn is theirs, and its lease only says so to those who look for it.
  const turn = { ...options, client: cell.client, name: 'kube-scheduler' };
  const scheduler = shared
    ? {
        name: 'scheduler',
        run: (end: AbortSignal) => lead(turn, (leading) => newScheduler().run(leading), end),
      }
    : newScheduler();
  const running = runAll([...controllers, scheduler], log);
  manager.informers.start();
  await aborted(signal);
  await running[Symbol.asyncDispose]();
}

interface Turn extends ManagerOptions {
  readonly client: Client;
  /** Of the lease. */
  readonly name: string;
}

const AFTER_FAILURE_MS = 2000;

/** Leads whenever it is our turn, until the signal aborts. */
async function lead(
  turn: Turn,
  run: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { client, clock, random, log, name } = turn;
  const identity = `${hostname()}_${Buffer.from(random.bytes(16)).toString('hex')}`;
  const lease = { namespace: 'kube-system', name };
  while (!signal.aborted) {
    try {
      const outcome = await leadWhenElected(
        { client, clock, random, log, lease, identity },
        async (leading) => {
          log.info('leads', { lease: name, identity });
          await run(leading);
        },
        signal,
      );
      if (outcome === 'lost') log.warn('leads no more', { lease: name, identity });
    } catch (error) {
      log.error('leading failed', { lease: name, error: errorMessage(error) });
      await sleep(clock, AFTER_FAILURE_MS, signal).catch(() => {});
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
