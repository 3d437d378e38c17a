import { isPlatformError } from '../../base/errors.ts';
import type { Controller } from '../client/contract.ts';
import { configMaps, namespaces } from '../client/kinds.ts';
import type { ControllerEnvironment } from './environment.ts';
import { isNamespaceActive } from './namespace-state.ts';
import { enqueues, queueController } from './queue-controller.ts';

const NAME = 'kube-root-ca.crt';
const FIELD = 'ca.crt';

export interface RootCaPublisherEnvironment extends ControllerEnvironment {
  /** The certificate of the cluster's authority, PEM. */
  readonly rootCa: string;
}

/** Keeps the config map with which pods verify the API server in every active namespace (KEP-1205). */
export function createRootCaPublisher(environment: RootCaPublisherEnvironment): Controller {
  const { client, informers, rootCa } = environment;
  const spaces = informers.informer(namespaces);
  // Others may have megabytes each, which are none of its business.
  const maps = informers.informer(configMaps, { fieldSelector: `metadata.name=${NAME}` });

  async function reconcile(namespace: string): Promise<void> {
    if (!isNamespaceActive(spaces.get(namespace))) return;
    const data = { [FIELD]: rootCa };
    const map = maps.get(`${namespace}/${NAME}`);
    if (map === undefined) {
      try {
        await client.create(configMaps, { metadata: { name: NAME, namespace }, data });
      } catch (error) {
        // Someone else was quicker (its event brings us back), or the namespace has just begun to go.
        if (!isPlatformError(error, 'already-exists', 'not-found', 'forbidden')) throw error;
      }
      return;
    }
    const others = Object.keys(map.data ?? {}).length !== 1 || map.binaryData !== undefined;
    if (!others && map.data?.[FIELD] === rootCa) return;
    const { binaryData: _dropped, ...kept } = map;
    await client.update(configMaps, { ...kept, data });
  }

  return queueController({
    name: 'root-ca-publisher',
    environment,
    sources: [
      enqueues(spaces, (namespace) => [namespace.metadata?.name ?? '']),
      enqueues(maps, ({ metadata }) => [metadata?.namespace ?? '']),
    ],
    reconcile,
  });
}
