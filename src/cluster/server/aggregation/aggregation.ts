/**
 * The aggregation layer: groups and versions that other servers answer for
 * (https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/).
 */
import type { Handler, ServerParts } from '../context.ts';
import type { Describer } from '../offload/protocol.ts';
import { ApiServices, isRemote, type RemoteService } from './api-services.ts';
import { Availability } from './availability.ts';
import { Connections, type ProxyClient } from './connections.ts';
import { ForeignDiscovery } from './foreign-discovery.ts';
import { ForeignOpenApi } from './foreign-openapi.ts';
import { LocalServices } from './local-services.ts';
import { Locator } from './locate.ts';
import { proxyHandler } from './proxy.ts';

export class Aggregation implements AsyncDisposable {
  readonly services: ApiServices;
  readonly discovery: ForeignDiscovery;
  readonly openApi: ForeignOpenApi;
  readonly local: LocalServices;
  /** Answers for what is somebody else's. */
  readonly handler: Handler;
  readonly #stack: AsyncDisposableStack;

  /** Begins at once to look after what is there; the server's own group versions follow with `local.reconcile`. */
  constructor(
    server: ServerParts,
    { client, describe }: { readonly client: ProxyClient | undefined; readonly describe: Describer },
  ) {
    using stack = new DisposableStack();
    this.services = stack.use(new ApiServices(server));
    const locator = new Locator(server);
    const connections = stack.use(new Connections(server.clock, client));
    const parts = { services: this.services, locator, connections };
    this.discovery = new ForeignDiscovery(parts, server);
    this.openApi = new ForeignOpenApi(parts, server, describe);
    this.handler = proxyHandler(parts, this.discovery);
    this.local = new LocalServices(server, this.services);
    const { discovery } = this;
    stack.use(this.services.subscribe(() => discovery.forget()));
    const availability = new Availability({
      ...parts,
      server,
      checked: (service, available) => discovery.refresh(service, available),
    });
    const owned = new AsyncDisposableStack();
    owned.use(stack.move());
    owned.use(this.local);
    owned.use(availability);
    this.#stack = owned;
  }

  /** Another number whenever discovery shows something else. */
  get generation(): number {
    return this.services.generation + this.discovery.generation;
  }

  /** What is served elsewhere. */
  get remotes(): readonly RemoteService[] {
    return this.services.all.filter((service) => isRemote(service));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
