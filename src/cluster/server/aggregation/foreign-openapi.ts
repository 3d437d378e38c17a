/**
 * OpenAPI v2 of backends: merged into this server's own, and made into v3 for those that have no v3 themselves. Fetched
 * when somebody asks, and again after a minute. What they say may be large: it is read in a thread, and bytes to this one.
 */
import { errorMessage } from '../../../base/errors.ts';
import type { ServerParts } from '../context.ts';
import { given, type Describer } from '../offload/protocol.ts';
import { isRemote, type RemoteService } from './api-services.ts';
import { ask } from './ask.ts';
import type { ProxyParts } from './proxy.ts';

const FRESH_MS = 60_000;

interface Fetched {
  readonly at: number;
  readonly etag: string | undefined;
  /** JSON of what concerns the service alone. */
  readonly part: Uint8Array;
}

export class ForeignOpenApi {
  readonly #parts: ProxyParts;
  readonly #server: ServerParts;
  readonly #describe: Describer;
  readonly #fetched = new Map<string, Fetched>();
  #refreshing: Promise<void> | undefined;

  constructor(parts: ProxyParts, server: ServerParts, describe: Describer) {
    this.#parts = parts;
    this.#server = server;
    this.#describe = describe;
  }

  /** Asks those whose answer is older than a minute. Never throws: what cannot be had is left as it was. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refreshAll().finally(() => (this.#refreshing = undefined));
    await this.#refreshing;
  }

  async #refreshAll(): Promise<void> {
    const remotes = this.#parts.services.all.filter((service) => isRemote(service));
    for (const name of this.#fetched.keys()) {
      if (!remotes.some((service) => service.name === name)) this.#fetched.delete(name);
    }
    await Promise.all(
      remotes.filter(({ available }) => available).map((service) => this.#refreshOne(service)),
    );
  }

  async #refreshOne(service: RemoteService): Promise<void> {
    const now = this.#server.clock.monotonic();
    const old = this.#fetched.get(service.name);
    if (old !== undefined && now - old.at < FRESH_MS) return;
    const signal = this.#server.stopping;
    const question = { url: '/openapi/v2', accept: 'application/json', etag: old?.etag, signal };
    try {
      const { status, etag, bytes } = await ask(this.#parts, this.#server, { service, question });
      if (status === 304 && old !== undefined) this.#fetched.set(service.name, { ...old, at: now });
      if (status !== 200) return;
      const { group, version } = service;
      const made = await this.#describe({ document: 'part', group, version, whole: given(bytes) });
      const part = old !== undefined && Buffer.compare(old.part, made) === 0 ? old.part : made;
      this.#fetched.set(service.name, { at: now, etag, part });
    } catch (error) {
      this.#server.log.debug('cannot read the OpenAPI document of a backend', {
        name: service.name,
        error: errorMessage(error),
      });
    }
  }

  /** JSON of the service's part; undefined while it has not said anything. Another one whenever it says something else. */
  part({ name }: RemoteService): Uint8Array | undefined {
    return this.#fetched.get(name)?.part;
  }

  /** Those of all services. */
  get parts(): readonly Uint8Array[] {
    return [...this.#fetched.values()].map(({ part }) => part);
  }
}
