import { isPlatformError } from '../../base/errors.ts';
import type { Controller } from '../client/contract.ts';
import { namespaces, serviceAccounts } from '../client/kinds.ts';
import type { ControllerEnvironment } from './environment.ts';
import { isNamespaceActive } from './namespace-state.ts';
import { enqueues, queueController } from './queue-controller.ts';

/** The account of pods that name none. */
const DEFAULT = 'default';

/** Keeps a service account `default` in every active namespace: pods without one of their own run as it. */
export function createServiceAccountController(environment: ControllerEnvironment): Controller {
  const { client, informers } = environment;
  const spaces = informers.informer(namespaces);
  const accounts = informers.informer(serviceAccounts);

  async function reconcile(namespace: string): Promise<void> {
    if (!isNamespaceActive(spaces.get(namespace))) return;
    if (accounts.get(`${namespace}/${DEFAULT}`) !== undefined) return;
    try {
      await client.create(serviceAccounts, { metadata: { name: DEFAULT, namespace } });
    } catch (error) {
      // Someone else was quicker, or the namespace has just begun to go: both are as they should be.
      if (!isPlatformError(error, 'already-exists', 'not-found', 'forbidden')) throw error;
    }
  }

  return queueController({
    name: 'serviceaccount',
    environment,
    sources: [
      enqueues(spaces, (namespace) => [namespace.metadata?.name ?? '']),
      enqueues(accounts, ({ metadata }) => (metadata?.name === DEFAULT ? [metadata.namespace ?? ''] : [])),
    ],
    reconcile,
  });
}
