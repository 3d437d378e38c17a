/**
 * Which of the servers on one store are alive: each keeps a key `/registry/masterleases/<address>` that runs out soon
 * after its server has ended. Keys and lifetimes are those of upstream's lease endpoint reconciler.
 */
import { isPlatformError } from '../../../base/errors.ts';
import { isJsonObject, listAt, type JsonValue } from '../../api/json.ts';
import { prefixEnd, type Store } from '../../store/store.ts';

export interface Advertised {
  /** An address that pods can reach, not a loopback one. */
  readonly address: string;
  readonly port: number;
}

const PREFIX = '/registry/masterleases/';
const LIFETIME_SECONDS = 15;

export class MasterLeases {
  readonly #store: Store;
  #own: { readonly key: string; readonly lease: number } | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** This server is alive, and reached there. */
  async renew(where: Advertised): Promise<void> {
    const key = PREFIX + where.address;
    if (this.#own?.key === key && (await this.#isHeld(this.#own, where))) return;
    await this.release();
    const lease = await this.#store.grantLease(LIFETIME_SECONDS);
    this.#own = { key, lease };
    await this.#store.txn([], [{ type: 'put', key, value: encode(where), lease }]);
  }

  /** All that are alive, by address. One whose key does not tell its port is taken to have that of `own`. */
  async alive(own: Advertised): Promise<Advertised[]> {
    const { kvs } = await this.#store.range(PREFIX, prefixEnd(PREFIX));
    return kvs.map(({ key, value }) => ({
      address: key.slice(PREFIX.length),
      port: portOf(value) ?? own.port,
    }));
  }

  /** This server is about to end: nobody need wait until its key runs out. */
  async release(): Promise<void> {
    const own = this.#own;
    if (own === undefined) return;
    this.#own = undefined;
    try {
      await this.#store.revokeLease(own.lease);
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
    }
  }

  /** Not when the lease ran out meanwhile (the machine slept), nor when another server took the address over. */
  async #isHeld(own: { key: string; lease: number }, where: Advertised): Promise<boolean> {
    try {
      await this.#store.keepAlive(own.lease);
    } catch (error) {
      if (isPlatformError(error, 'not-found')) return false;
      throw error;
    }
    const found = await this.#store.get(own.key);
    return found?.lease === own.lease && portOf(found.value) === where.port;
  }
}

/** Endpoints with this one address, as upstream stores them. */
function encode({ address, port }: Advertised): Uint8Array {
  const subsets = [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }];
  return Buffer.from(JSON.stringify({ kind: 'Endpoints', apiVersion: 'v1', metadata: {}, subsets }));
}

/** Undefined in upstream's own keys, which are protobuf and name none. */
function portOf(value: Uint8Array): number | undefined {
  let decoded: JsonValue;
  try {
    decoded = JSON.parse(Buffer.from(value).toString('utf8')) as JsonValue;
  } catch {
    return undefined;
  }
  const [subset] = isJsonObject(decoded) ? listAt(decoded, 'subsets') : [];
  const [port] = isJsonObject(subset) ? listAt(subset, 'ports') : [];
  const number = isJsonObject(port) ? port['port'] : undefined;
  return typeof number === 'number' ? number : undefined;
}
