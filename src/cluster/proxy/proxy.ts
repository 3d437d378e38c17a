import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ServiceRule, ServiceRules } from '../../kernel/service-rules-contract.ts';
import type { Service } from '../api/generated/core-v1.ts';
import type { EndpointSlice } from '../api/generated/discovery-v1.ts';
import type { ApiObject, Client, Controller, Informer, InformerFactory } from '../client/contract.ts';
import { endpointSlices, services } from '../client/kinds.ts';
import { desiredRules, keyOf, type DesiredRule } from './desired-rules.ts';
import { NodePorts } from './node-ports.ts';

export interface ProxyOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly rules: ServiceRules;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whose endpoints are local to `Local` traffic policies. */
  readonly nodeName: string;
  /** Where node ports are listened on besides the packet rules; `false`: nowhere. Default 127.0.0.1. */
  readonly listen?: string | false;
  /** Where warnings about services go; the client room's event recorder is one. */
  readonly events?: {
    event(object: ApiObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
  };
}

/** Changes within this time are one apply. */
const COALESCE_MS = 30;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

/** Keeps the packet rules of all services, and the listeners of node ports, as services and endpoint slices say. */
export function createProxy(options: ProxyOptions): Controller {
  return new ServiceProxy(options);
}

class ServiceProxy implements Controller {
  readonly name = 'proxy';
  readonly #options: ProxyOptions;
  readonly #log: Logger;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  #timer: Disposable | undefined;
  #failures = 0;
  #ports: NodePorts | undefined;
  /** Conflicts that have been told, so that each is told once. */
  #told = new Set<string>();

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#log = options.log.child('proxy');
    this.#services = options.informers.informer(services);
    this.#slices = options.informers.informer(endpointSlices);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, listen = '127.0.0.1' } = this.#options;
    try {
      await Promise.all([this.#services.synced(signal), this.#slices.synced(signal)]);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    await using stack = new AsyncDisposableStack();
    if (listen !== false) {
      const warn = (service: Service, reason: string, message: string): void =>
        this.#warn(service, reason, message);
      this.#ports = stack.use(new NodePorts({ host: listen, clock, log: this.#log, warn }));
    }
    stack.defer(() => this.#timer?.[Symbol.dispose]());
    const changed = (): void => this.#later(COALESCE_MS);
    const handler = { added: changed, updated: changed, deleted: changed };
    stack.use(this.#services.addHandler(handler));
    stack.use(this.#slices.addHandler(handler));
    this.#apply();
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  #later(ms: number): void {
    this.#timer ??= this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      this.#apply();
    });
  }

  #apply(): void {
    const desired = desiredRules({
      services: this.#services.list(),
      slices: this.#slices.list(),
      nodeName: this.#options.nodeName,
    });
    this.#tell(desired.conflicts);
    try {
      this.#options.rules.apply(desired.rules.map(packetRule));
      this.#failures = 0;
    } catch (error) {
      const retryMs = Math.min(FIRST_RETRY_MS * 2 ** this.#failures++, MAX_RETRY_MS);
      this.#log.error('packet rules not written', { error: errorMessage(error), retryMs });
      this.#later(retryMs);
    }
    this.#ports?.apply(desired.rules);
  }

  #tell(conflicts: readonly { readonly service: Service; readonly message: string }[]): void {
    const now = new Set(conflicts.map(({ service, message }) => `${keyOf(service)} ${message}`));
    for (const { service, message } of conflicts) {
      if (this.#told.has(`${keyOf(service)} ${message}`)) continue;
      this.#log.warn('service left out', { service: keyOf(service), message });
      this.#warn(service, 'PortConflict', message);
    }
    this.#told = now;
  }

  #warn(service: Service, reason: string, message: string): void {
    this.#options.events?.event(
      { apiVersion: 'v1', kind: 'Service', ...service },
      'Warning',
      reason,
      message,
    );
  }
}

/** The rule alone: the packet filter compares rules, and a service's other fields are none of its business. */
function packetRule(desired: DesiredRule): ServiceRule {
  const { id, protocol, clusterIP, port, nodePort, endpoints, sessionAffinitySeconds } = desired;
  return {
    id,
    protocol,
    port,
    endpoints,
    ...(clusterIP === undefined ? {} : { clusterIP }),
    ...(nodePort === undefined ? {} : { nodePort }),
    ...(sessionAffinitySeconds === undefined ? {} : { sessionAffinitySeconds }),
  };
}
