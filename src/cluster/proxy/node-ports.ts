import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Service } from '../api/generated/core-v1.ts';
import type { DesiredRule } from './desired-rules.ts';
import { listenTcp, type NodePortListener } from './node-port-listener.ts';
import { listenUdp } from './udp-node-port-listener.ts';

/** A port that another program holds is tried again this often. */
const RETRY_MS = 5000;

interface Entry {
  rule: DesiredRule;
  listener: NodePortListener | undefined;
  retry: Disposable | undefined;
  opening: Promise<void> | undefined;
  gone: boolean;
}

export interface NodePortsOptions {
  readonly host: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly warn: (service: Service, reason: string, message: string) => void;
}

/** The listeners of all node ports, brought in line with the rules. */
export class NodePorts implements AsyncDisposable {
  readonly #options: NodePortsOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: NodePortsOptions) {
    this.#options = options;
  }

  apply(rules: readonly DesiredRule[]): void {
    const wanted = new Map<string, DesiredRule>();
    for (const rule of rules) {
      // SCTP has no sockets in Node; its node ports are served by packet rules alone.
      if (rule.nodePort !== undefined && rule.protocol !== 'sctp')
        wanted.set(`${rule.protocol}/${rule.nodePort}`, rule);
    }
    for (const [key, entry] of this.#entries) if (!wanted.has(key)) void this.#close(key, entry);
    for (const [key, rule] of wanted) {
      const entry = this.#entries.get(key) ?? this.#add(key, rule);
      entry.rule = rule;
      entry.listener?.update(rule.endpoints, rule.sessionAffinitySeconds !== undefined);
    }
  }

  /** The ports that are being listened on now: `tcp/30080`. */
  listening(): string[] {
    return [...this.#entries].filter(([, { listener }]) => listener !== undefined).map(([key]) => key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#entries].map(([key, entry]) => this.#close(key, entry)));
  }

  #add(key: string, rule: DesiredRule): Entry {
    const entry: Entry = { rule, listener: undefined, retry: undefined, opening: undefined, gone: false };
    this.#entries.set(key, entry);
    entry.opening = this.#open(entry);
    return entry;
  }

  async #open(entry: Entry): Promise<void> {
    const { host, clock, log, warn } = this.#options;
    const { protocol, nodePort = 0, service } = entry.rule;
    try {
      const address = { host, port: nodePort };
      const listener =
        protocol === 'udp' ? await listenUdp(address, { clock, log }) : await listenTcp(address, log);
      entry.listener = listener;
      listener.update(entry.rule.endpoints, entry.rule.sessionAffinitySeconds !== undefined);
    } catch (error) {
      const message = `node port ${nodePort} is not served on ${host}: ${errorMessage(error)}`;
      log.warn(message);
      warn(service, 'NodePortUnavailable', message);
      if (!entry.gone) entry.retry = clock.after(RETRY_MS, () => void (entry.opening = this.#open(entry)));
    }
  }

  async #close(key: string, entry: Entry): Promise<void> {
    entry.gone = true;
    entry.retry?.[Symbol.dispose]();
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
    await entry.opening;
    await entry.listener?.[Symbol.asyncDispose]();
  }
}
