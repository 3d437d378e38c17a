/** The way to a kubelet that runs elsewhere: where its node says that it listens. */
import { errorMessage, PlatformError } from '../../../../base/errors.ts';
import { numberAt, objectsAt, stringAt } from '../../../api/json.ts';
import type { Transport } from '../../../api/transport.ts';
import type { ServerParts } from '../../context.ts';
import { endToEndHeaders, exchange, tunnelTo } from './exchange.ts';

/** PEM. */
export interface KubeletClient {
  readonly cert: string;
  readonly key: string;
  /** Who issues kubelets' certificates; anybody when absent, as upstream's default: most kubelets sign their own. */
  readonly ca?: string;
}

/** Kinds of addresses, the best first. */
const PREFERRED = ['InternalIP', 'InternalDNS', 'ExternalIP', 'ExternalDNS', 'Hostname'];
const DEFAULT_PORT = 10_250;

/** Undefined where this server has nothing to show to kubelets, or the node says no address. */
export async function remoteKubelet(
  { registry, resources, kubeletClient }: ServerParts,
  name: string,
): Promise<Transport | undefined> {
  if (kubeletClient === undefined) return undefined;
  const found = await registry.find(resources.get('', 'v1', 'nodes'), { namespace: '', name });
  const addresses = objectsAt(found?.object, 'status', 'addresses');
  const [host] = PREFERRED.flatMap((type) =>
    addresses.filter((one) => one['type'] === type).map((one) => stringAt(one, 'address')),
  );
  if (host === undefined) return undefined;
  const port =
    numberAt(found?.object, 'status', 'daemonEndpoints', 'kubeletEndpoint', 'Port') ?? DEFAULT_PORT;
  const { cert, key, ca } = kubeletClient;
  const trust = ca === undefined ? { rejectUnauthorized: false } : { ca };
  return {
    async request({ method, url, headers, body, signal }) {
      const length = body === undefined ? {} : { 'content-length': String(body.length) };
      const options = {
        ...{ host, port, method, path: url, cert, key, ...trust },
        headers: { ...headers, ...length },
        agent: false,
        ...(signal !== undefined && { signal }),
      };
      const answer = await exchange('https', options, body).catch((error: unknown) => {
        throw new PlatformError('unavailable', `error dialing backend: ${errorMessage(error)}`, {
          cause: error,
        });
      });
      if (answer.type === 'upgraded') return tunnelTo(answer);
      const { message } = answer;
      return { status: message.statusCode ?? 502, headers: endToEndHeaders(message), body: message };
    },
  };
}
