/**
 * Each API server keeps a Lease in kube-system that says who it is (KEP-1965), and all of them clear away those of servers
 * that have not been there for an hour.
 */
import { createHash } from 'node:crypto';

import { rfc3339Micro } from '../../../base/clock.ts';
import { uuid } from '../../../base/random.ts';
import type { ServerParts } from '../context.ts';
import type { KubeObject } from '../object.ts';
import { putOwn, removeOwn, type OwnKind } from '../writes/own-objects.ts';

export interface ServerIdentity {
  /** Of the machine; the Lease's name follows from it, so that a restarted server finds its own again. */
  readonly hostname: string;
  /** Tells apart several servers on one machine; absent on the only one. */
  readonly instance?: string;
}

const LEASES: OwnKind = ['coordination.k8s.io', 'leases'];
const NAMESPACE = 'kube-system';
const LABEL = 'apiserver.kubernetes.io/identity';
const KIND = 'kube-apiserver';
const LIFETIME_SECONDS = 3600;
const CLEAR_MS = 3_600_000;

export class IdentityLease {
  readonly #parts: ServerParts;
  readonly #identity: ServerIdentity;
  readonly #name: string;
  /** Of this run: who looks sees by it that a server has started anew. */
  readonly #holder: string;
  #cleared: number;

  constructor(parts: ServerParts, identity: ServerIdentity) {
    this.#parts = parts;
    this.#identity = identity;
    this.#name = leaseName(identity);
    this.#holder = `${this.#name}_${uuid(parts.random)}`;
    this.#cleared = parts.clock.monotonic();
  }

  async renew(): Promise<void> {
    const { clock } = this.#parts;
    await putOwn(this.#parts, LEASES, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name: this.#name,
        namespace: NAMESPACE,
        labels: { [LABEL]: KIND, 'kubernetes.io/hostname': this.#identity.hostname },
      },
      spec: {
        holderIdentity: this.#holder,
        leaseDurationSeconds: LIFETIME_SECONDS,
        renewTime: rfc3339Micro(clock.now()),
      },
    });
    if (clock.monotonic() - this.#cleared < CLEAR_MS) return;
    this.#cleared = clock.monotonic();
    await this.#clear();
  }

  async #clear(): Promise<void> {
    const { cache, resources } = this.#parts;
    const { prefix } = resources.get('coordination.k8s.io', 'v1', 'leases');
    const found = cache.resource(prefix).list(`${prefix}${NAMESPACE}/`);
    const old = found
      .filter(({ object }) => this.#hasEnded(object))
      .map(({ object }) => object.metadata.name);
    for (const name of old) {
      await removeOwn(this.#parts, LEASES, {
        ref: { namespace: NAMESPACE, name: name ?? '' },
        // Asked again of the newest state: it may have been renewed meanwhile.
        doomed: (object) => this.#hasEnded(object),
      });
    }
  }

  #hasEnded({ metadata, spec }: KubeObject): boolean {
    if (metadata.labels?.[LABEL] !== KIND) return false;
    const seconds = spec?.['leaseDurationSeconds'];
    const renewed = spec?.['renewTime'];
    if (typeof seconds !== 'number' || typeof renewed !== 'string') return true;
    return Date.parse(renewed) + seconds * 1000 < this.#parts.clock.now();
  }
}

/** As upstream makes it of the host's name, for programs that compute it themselves. */
export function leaseName({ hostname, instance }: ServerIdentity): string {
  const hash = createHash('sha256');
  for (const part of [hostname, KIND, ...(instance === undefined ? [] : [instance])]) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(Buffer.byteLength(part));
    hash.update(length).update(part);
  }
  return `apiserver-${base32(hash.digest().subarray(0, 16))}`;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** RFC 4648, lower case, without padding. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => ALPHABET[Number.parseInt(group.padEnd(5, '0'), 2)] ?? '').join('');
}
