/**
 * Services as elements of nftables maps (service-layout.ts has the table). What a change costs the kernel depends on
 * the services that changed, not on how many there are; nothing is read back.
 */
import { PlatformError } from '../base/errors.ts';
import { failpoint } from '../base/failpoint.ts';
import { ipv4ToNumber, parseCidr, parseIpv4 } from './ipv4.ts';
import type { Kernel, NetlinkSocket } from './kernel.ts';
import {
  deleteTable,
  nftTransactionOn,
  packKey,
  portBytes,
  type NftElement,
  type NftOperation,
} from './nftables.ts';
import {
  byAddress,
  byNodePort,
  classMap,
  classOperations,
  HAIRPIN,
  layout,
  type Entrance,
} from './service-layout.ts';
import type { ServiceRule, ServiceRules } from './service-rules-contract.ts';

export type { ServiceEndpoint, ServiceRule, ServiceRules } from './service-rules-contract.ts';

export interface ServiceRulesOptions {
  readonly kernel: Kernel;
  /** Of family inet and ours alone: `<instance.nftTable>-svc`. */
  readonly table: string;
  /** Where this node's pods are: what is sent there needs no masquerading. */
  readonly podCidr: string;
  /** Whatever in it no rule claims is rejected too. */
  readonly serviceCidr?: string;
}

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;

/** Elements by `set` and key. */
type Elements = Map<string, { readonly set: string; readonly element: NftElement }>;

/** What one rule is made of, kept to be taken away again. */
interface Compiled {
  readonly rule: ServiceRule;
  readonly claims: readonly string[];
  readonly elements: Elements;
  /** Pods among the endpoints, each once. */
  readonly pods: readonly string[];
}

export function createServiceRules(options: ServiceRulesOptions): ServiceRules {
  return new NftServiceRules(options);
}

class NftServiceRules implements ServiceRules {
  readonly #options: ServiceRulesOptions;
  /** Kept open: see nftTransaction. */
  #socket: NetlinkSocket | undefined;
  readonly #pods: { first: number; size: number };
  /** `undefined`: the kernel's state is not known, the next apply writes everything. */
  #applied: Map<string, Compiled> | undefined;
  /** Names of the class maps that exist. */
  #classes = new Set<string>();
  #claims = new Map<string, string>();
  /** How many rules a pod is an endpoint of. */
  #hairpins = new Map<string, number>();

  constructor(options: ServiceRulesOptions) {
    this.#options = options;
    this.#pods = parseCidr(options.podCidr);
  }

  apply(desired: readonly ServiceRule[]): void {
    failpoint('kernel.services.apply');
    const fresh = this.#applied === undefined;
    if (fresh) {
      this.#classes = new Set();
      this.#claims = new Map();
      this.#hairpins = new Map();
    }
    const applied = this.#applied ?? new Map<string, Compiled>();
    const { removed, added } = this.#difference(applied, desired);
    if (!fresh && removed.length === 0 && added.length === 0) return;
    this.#checkClaims(removed, added);

    const operations: NftOperation[] = fresh
      ? [{ op: 'addTable' }, { op: 'delTable' }, { op: 'addTable' }, ...layout(this.#options)]
      : [];
    // From here on the books run ahead of the kernel: a failure before the end makes the next call start anew.
    this.#applied = undefined;
    for (const { rule } of added) operations.push(...this.#newClasses(rule));
    operations.push(...changes(removed, added), ...this.#hairpinChanges(removed, added));
    this.#transaction(operations);
    for (const { rule, claims } of removed) {
      applied.delete(rule.id);
      for (const claim of claims) this.#claims.delete(claim);
    }
    for (const compiled of added) {
      applied.set(compiled.rule.id, compiled);
      for (const claim of compiled.claims) this.#claims.set(claim, compiled.rule.id);
    }
    this.#applied = applied;
  }

  tearDown(): void {
    failpoint('kernel.services.teardown');
    this.#applied = undefined;
    this.#closeSocket();
    deleteTable(this.#options.kernel, this.#options.table);
  }

  #transaction(operations: readonly NftOperation[]): void {
    this.#socket ??= this.#options.kernel.netlink('netfilter');
    try {
      nftTransactionOn(this.#socket, this.#options.table, operations);
    } catch (error) {
      this.#closeSocket();
      throw error;
    }
  }

  #closeSocket(): void {
    this.#socket?.[Symbol.dispose]();
    this.#socket = undefined;
  }

  #difference(
    applied: ReadonlyMap<string, Compiled>,
    desired: readonly ServiceRule[],
  ): { removed: Compiled[]; added: Compiled[] } {
    const removed: Compiled[] = [];
    const added: Compiled[] = [];
    const seen = new Set<string>();
    for (const rule of desired) {
      if (seen.has(rule.id)) throw new PlatformError('invalid', `service rule ${rule.id} is given twice`);
      seen.add(rule.id);
      const before = applied.get(rule.id);
      if (before !== undefined && sameRule(before.rule, rule)) continue;
      if (before !== undefined) removed.push(before);
      added.push(this.#compile(rule));
    }
    if (applied.size + added.length - removed.length > seen.size) {
      for (const [id, compiled] of applied) if (!seen.has(id)) removed.push(compiled);
    }
    return { removed, added };
  }

  #checkClaims(removed: readonly Compiled[], added: readonly Compiled[]): void {
    const released = new Set(removed.flatMap(({ claims }) => claims));
    const taken = new Map<string, string>();
    for (const { rule, claims } of added) {
      for (const claim of claims) {
        const other = taken.get(claim) ?? (released.has(claim) ? undefined : this.#claims.get(claim));
        if (other !== undefined) {
          throw new PlatformError('invalid', `service rules ${other} and ${rule.id} both claim ${claim}`);
        }
        taken.set(claim, rule.id);
      }
    }
  }

  /** Maps for a number of endpoints that occurs for the first time. They stay: there are few. */
  #newClasses({ clusterIP, nodePort, endpoints, sessionAffinitySeconds = 0 }: ServiceRule): NftOperation[] {
    if (endpoints.length === 0) return [];
    const serviceClass = { endpoints: endpoints.length, affinity: sessionAffinitySeconds > 0 };
    const entrances = [
      clusterIP === undefined ? [] : byAddress,
      nodePort === undefined ? [] : byNodePort,
    ].flat();
    return entrances.flatMap((entrance) => {
      const map = classMap(entrance, serviceClass);
      if (this.#classes.has(map)) return [];
      this.#classes.add(map);
      return classOperations(entrance, serviceClass);
    });
  }

  #hairpinChanges(removed: readonly Compiled[], added: readonly Compiled[]): NftOperation[] {
    const delta = new Map<string, number>();
    const count = (pods: readonly string[], by: number): void => {
      for (const pod of pods) delta.set(pod, (delta.get(pod) ?? 0) + by);
    };
    for (const { pods } of removed) count(pods, -1);
    for (const { pods } of added) count(pods, 1);
    const gone: NftElement[] = [];
    const come: NftElement[] = [];
    for (const [pod, by] of delta) {
      const before = this.#hairpins.get(pod) ?? 0;
      const after = before + by;
      if (after === 0) this.#hairpins.delete(pod);
      else this.#hairpins.set(pod, after);
      const element = { key: packKey(parseIpv4(pod), parseIpv4(pod)) };
      if (before > 0 && after === 0) gone.push(element);
      if (before === 0 && after > 0) come.push(element);
    }
    return [
      ...elementOperation('delElements', HAIRPIN, gone),
      ...elementOperation('addElements', HAIRPIN, come),
    ];
  }

  #compile(rule: ServiceRule): Compiled {
    checkRule(rule);
    const { protocol, clusterIP, port, nodePort, endpoints } = rule;
    const proto = Uint8Array.of(PROTOCOLS[protocol]);
    const claims: string[] = [];
    const elements: Elements = new Map();
    if (clusterIP !== undefined) {
      claims.push(`${protocol} ${clusterIP}:${port}`);
      this.#addEntrance(elements, {
        rule,
        entrance: byAddress,
        key: [proto, parseIpv4(clusterIP), portBytes(port)],
      });
    }
    if (nodePort !== undefined) {
      claims.push(`${protocol} node port ${nodePort}`);
      this.#addEntrance(elements, { rule, entrance: byNodePort, key: [proto, portBytes(nodePort)] });
    }
    const pods = [...new Set(endpoints.map(({ ip }) => ip))].filter((ip) => this.#isPod(ip));
    return { rule, claims, elements, pods };
  }

  #isPod(ip: string): boolean {
    const offset = ipv4ToNumber(ip) - this.#pods.first;
    return offset >= 0 && offset < this.#pods.size;
  }

  #addEntrance(
    elements: Elements,
    { rule, entrance, key }: { rule: ServiceRule; entrance: Entrance; key: readonly Uint8Array[] },
  ): void {
    const add = (set: string, element: NftElement): void => {
      elements.set(`${set} ${Buffer.from(element.key).toString('latin1')}`, { set, element });
    };
    if (rule.endpoints.length === 0) {
      add(entrance.unserved, { key: packKey(...key) });
      return;
    }
    const affinity = (rule.sessionAffinitySeconds ?? 0) > 0;
    const map = classMap(entrance, { endpoints: rule.endpoints.length, affinity });
    // Sorted, a hash finds the same endpoint whatever order the caller had them in.
    const packed = rule.endpoints.map(({ ip, port }) => packKey(parseIpv4(ip), portBytes(port)));
    if (affinity) packed.sort((a, b) => Buffer.compare(a, b));
    for (const [index, data] of packed.entries()) add(map, { key: packKey(...key, index), data });
  }
}

/** Deletions of everything come before additions: a key may move from one rule to another. */
function changes(removed: readonly Compiled[], added: readonly Compiled[]): NftOperation[] {
  const before: Elements = new Map(removed.flatMap(({ elements }) => [...elements]));
  const after: Elements = new Map(added.flatMap(({ elements }) => [...elements]));
  const gone = new Map<string, NftElement[]>();
  const come = new Map<string, NftElement[]>();
  const note = (where: Map<string, NftElement[]>, set: string, element: NftElement): void => {
    const list = where.get(set);
    if (list === undefined) where.set(set, [element]);
    else list.push(element);
  };
  for (const [key, { set, element }] of before) {
    if (!sameData(element, after.get(key)?.element)) note(gone, set, element);
  }
  for (const [key, { set, element }] of after) {
    if (!sameData(element, before.get(key)?.element)) note(come, set, element);
  }
  return [
    ...[...gone].flatMap(([set, elements]) => elementOperation('delElements', set, elements)),
    ...[...come].flatMap(([set, elements]) => elementOperation('addElements', set, elements)),
  ];
}

function elementOperation(
  op: 'addElements' | 'delElements',
  set: string,
  elements: readonly NftElement[],
): NftOperation[] {
  return elements.length === 0 ? [] : [{ op, set, elements }];
}

function sameData(a: NftElement, b: NftElement | undefined): boolean {
  if (b === undefined) return false;
  if (!(a.data instanceof Uint8Array) || !(b.data instanceof Uint8Array)) return a.data === b.data;
  return Buffer.compare(a.data, b.data) === 0;
}

function sameRule(a: ServiceRule, b: ServiceRule): boolean {
  if (a === b) return true;
  return (
    a.protocol === b.protocol &&
    a.clusterIP === b.clusterIP &&
    a.port === b.port &&
    a.nodePort === b.nodePort &&
    (a.sessionAffinitySeconds ?? 0) === (b.sessionAffinitySeconds ?? 0) &&
    a.endpoints.length === b.endpoints.length &&
    a.endpoints.every(({ ip, port }, i) => ip === b.endpoints[i]!.ip && port === b.endpoints[i]!.port)
  );
}

function checkRule({ id, port, nodePort, endpoints }: ServiceRule): void {
  for (const each of [port, nodePort ?? 1, ...endpoints.map((endpoint) => endpoint.port)]) {
    if (!Number.isInteger(each) || each < 1 || each > 65_535) {
      throw new PlatformError('invalid', `service rule ${id}: port ${each} is not in 1..65535`);
    }
  }
  if (endpoints.length > 65_535)
    throw new PlatformError('invalid', `service rule ${id}: more than 65535 endpoints`);
}
