/**
 * The pod network of one machine: a bridge that is the pods' gateway, a veth pair a pod.
 *
 * Pods get a /32 and reach everything, also each other, through the gateway. So every packet passes the host's IP
 * layer once in each direction, where services are translated and policies apply. On a flat bridge the answer of a
 * service's pod would go to a neighbour directly, untranslated, unless bridged packets were sent through the packet
 * filter too (br_netfilter), which is a switch for the whole machine.
 *
 * Where someone has turned that switch on, a packet is translated while it is still in the bridge, and one whose new
 * destination is on the same bridge goes straight to that port. Hence ports must not be isolated from each other,
 * and must take back what a pod sends to itself through its service. The answer still comes through the gateway.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isPlatformError, PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import type { Instance } from '../../base/instance.ts';
import { numberToIpv4, parseCidr, parseIpv4 } from '../../kernel/ipv4.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import {
  compare,
  inNetwork,
  interfaceIs,
  isIpv4,
  masquerade,
  meta,
  payload,
  verdict,
} from '../../kernel/nft-expressions.ts';
import { deleteTable, nftTransaction } from '../../kernel/nftables.ts';
import {
  addAddress,
  addRoute,
  createBridge,
  createVeth,
  deleteLink,
  hairpinPort,
  RouteNetlink,
  setIpv4Conf,
  setUp,
} from '../../kernel/rtnetlink.ts';
import { AddressPool } from './address-pool.ts';
import { chooseSubnet, machineOf, podCidrOf, serviceCidrOf, type Subnet } from './choose-subnet.ts';
import type { NetworkAttachment, NetworkResult, PodNetwork } from './network.ts';

export interface BridgeNetworkOptions {
  readonly instance: Instance;
  readonly kernel: Kernel;
  /** Below the data folder: which addresses are whose must survive a restart. */
  readonly stateDir: string;
  /** First choice instead of the instance's; 64..127. */
  readonly subnetOctet?: number;
  /** Instead of the one that belongs to the pod network. */
  readonly serviceCidr?: string;
}

export interface BridgeNetwork extends PodNetwork {
  /** The network that cluster addresses are to be taken from: chosen with the pod network so that both are free. */
  readonly serviceCidr: string;
}

const LOOPBACK = 1;

/**
 * Chooses the pod network at once: reads routes, keeps others from the same choice and writes it down. Changes nothing else
 * before setUp.
 */
export function createBridgeNetwork({
  instance,
  kernel,
  stateDir,
  subnetOctet,
  serviceCidr,
}: BridgeNetworkOptions): BridgeNetwork {
  const subnet = chooseSubnet(
    join(stateDir, 'subnet'),
    subnetOctet ?? instance.subnetOctet,
    machineOf(kernel, instance.bridge),
  );
  return new LinuxBridgeNetwork({
    instance,
    kernel,
    stateDir,
    subnet,
    serviceCidr: serviceCidr ?? serviceCidrOf(subnet.octet),
  });
}

class LinuxBridgeNetwork implements BridgeNetwork {
  readonly gateway: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly #kernel: Kernel;
  readonly #bridge: string;
  readonly #instanceId: string;
  readonly #table: string;
  readonly #addresses: AddressPool;
  /** Others that are started at the same moment see no routes yet. */
  #claim: Disposable | undefined;
  #bridgeIndex = 0;

  constructor(options: {
    instance: Instance;
    kernel: Kernel;
    stateDir: string;
    subnet: Subnet;
    serviceCidr: string;
  }) {
    const { instance, kernel, stateDir, subnet } = options;
    this.#claim = subnet.claim;
    this.podCidr = podCidrOf(subnet.octet);
    this.serviceCidr = options.serviceCidr;
    this.gateway = numberToIpv4(parseCidr(this.podCidr).first + 1);
    this.#kernel = kernel;
    this.#bridge = instance.bridge;
    this.#instanceId = instance.id;
    this.#table = `${instance.nftTable}-net`;
    this.#addresses = new AddressPool(join(stateDir, 'addresses'), this.podCidr);
  }

  async setUp(keep: ReadonlySet<string>): Promise<void> {
    failpoint('network.setup');
    this.#makeBridge();
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    this.#writeRules();
    this.#sweep(keep);
  }

  async add({ containerId, netns, interfaceName }: NetworkAttachment): Promise<NetworkResult> {
    failpoint('network.add');
    if (this.#bridgeIndex === 0) this.#makeBridge();
    const address = this.#addresses.allocate(containerId);
    try {
      return this.#attach({ containerId, netns, interfaceName }, address);
    } catch (error) {
      await this.del(containerId);
      throw error;
    }
  }

  async del(containerId: string): Promise<void> {
    failpoint('network.del');
    using netlink = new RouteNetlink(this.#kernel);
    this.#deleteLink(netlink, this.#hostLink(containerId));
    // Last: an address may only be given out again once nothing answers to it.
    this.#addresses.release(containerId);
  }

  async tearDown(): Promise<void> {
    failpoint('network.teardown');
    using netlink = new RouteNetlink(this.#kernel);
    for (const name of this.#ports(netlink)) this.#deleteLink(netlink, name);
    this.#deleteLink(netlink, this.#bridge);
    this.#bridgeIndex = 0;
    deleteTable(this.#kernel, this.#table);
    for (const owner of this.#addresses.owners()) this.#addresses.release(owner);
    this.#claim?.[Symbol.dispose]();
    this.#claim = undefined;
  }

  #attach({ containerId, netns, interfaceName }: NetworkAttachment, address: string): NetworkResult {
    const hostLink = this.#hostLink(containerId);
    const mac = macOf(address);
    using host = new RouteNetlink(this.#kernel);
    const netnsFd = openNamespace(netns);
    try {
      const create = createVeth({
        name: hostLink,
        master: this.#bridgeIndex,
        peer: { name: interfaceName, mac, netnsFd },
      });
      try {
        host.send(create, hairpinPort(hostLink));
      } catch (error) {
        if (!isPlatformError(error, 'already-exists')) throw error;
        // Left by a crash between this step and the acknowledgement: made again from the start.
        this.#deleteLink(host, hostLink);
        host.send(create, hairpinPort(hostLink));
      }
    } finally {
      closeSync(netnsFd);
    }
    using inside = new RouteNetlink(this.#kernel, netns);
    const index = inside.link(interfaceName)?.index;
    if (index === undefined)
      throw new PlatformError('unavailable', `${interfaceName} has gone from ${netns}`);
    inside.send(
      setUp(LOOPBACK),
      setUp(index),
      // The gateway is the way even to neighbours; advice to go there directly would bypass it.
      setIpv4Conf(index, { acceptRedirects: 0 }),
      addAddress(index, { address, prefix: 32 }),
      addRoute({ outInterface: index, gateway: this.gateway, onlink: true }),
    );
    return {
      interfaces: [
        { name: this.#bridge, mac: macOf(this.gateway) },
        { name: interfaceName, mac, sandbox: netns },
      ],
      ips: [{ address: `${address}/32`, gateway: this.gateway }],
      routes: [{ dst: '0.0.0.0/0', gw: this.gateway }],
    };
  }

  #makeBridge(): void {
    using netlink = new RouteNetlink(this.#kernel);
    if (netlink.link(this.#bridge) === undefined) {
      // A fixed MAC: a bridge without one takes the lowest of its ports', and pods' neighbour tables go stale.
      netlink.send(createBridge({ name: this.#bridge, mac: macOf(this.gateway) }));
    }
    const index = netlink.link(this.#bridge)?.index;
    if (index === undefined) throw new PlatformError('unavailable', `link ${this.#bridge} has gone`);
    const services = parseCidr(this.serviceCidr);
    netlink.send(
      setUp(index),
      setIpv4Conf(index, { sendRedirects: 0 }),
      addAddress(index, { address: this.gateway, prefix: parseCidr(this.podCidr).prefix }),
      // Cluster addresses are translated before they get here. The route gives the host's own connections to them
      // a source address that pods can answer, and works on a machine without a default route.
      addRoute({
        destination: { address: numberToIpv4(services.first), prefix: services.prefix },
        outInterface: index,
        preferredSource: this.gateway,
      }),
    );
    this.#bridgeIndex = index;
  }

  /**
   *     table inet sampan-1-net {
   *       chain postrouting { type nat hook postrouting priority srcnat
   *         ip saddr 10.64.0.0/16 ip daddr != 10.64.0.0/16 oifname != "spbr-1" masquerade }
   *       chain forward { type filter hook forward priority filter
   *         iifname "spbr-1" accept
   *         oifname "spbr-1" accept }
   *       chain output { type filter hook output priority filter
   *         oifname "spbr-1" icmp type redirect drop }
   *     }
   *
   * The kernel would advise a pod, whose packets leave by the link on which they came, to talk to its neighbour
   * directly; the switch for that is `or`ed with the one for all links, which is not ours to turn.
   */
  #writeRules(): void {
    const pods = parseCidr(this.podCidr);
    const IPPROTO_ICMP = Uint8Array.of(1);
    const ICMP_REDIRECT = Uint8Array.of(5);
    nftTransaction(this.#kernel, this.#table, [
      { op: 'addTable' },
      { op: 'delTable' },
      { op: 'addTable' },
      { op: 'addChain', chain: 'postrouting', hook: { type: 'nat', hook: 'postrouting', priority: 100 } },
      {
        op: 'addRule',
        chain: 'postrouting',
        expressions: [
          ...isIpv4,
          ...inNetwork('ip saddr', pods),
          ...inNetwork('ip daddr', pods, '!='),
          ...interfaceIs('oifname', this.#bridge, '!='),
          masquerade,
        ],
      },
      { op: 'addChain', chain: 'forward', hook: { type: 'filter', hook: 'forward', priority: 0 } },
      ...(['iifname', 'oifname'] as const).map((which) => ({
        op: 'addRule' as const,
        chain: 'forward',
        expressions: [...interfaceIs(which, this.#bridge), verdict({ verdict: 'accept' })],
      })),
      { op: 'addChain', chain: 'output', hook: { type: 'filter', hook: 'output', priority: 0 } },
      {
        op: 'addRule',
        chain: 'output',
        expressions: [
          ...interfaceIs('oifname', this.#bridge),
          ...isIpv4,
          meta('l4proto'),
          compare('==', IPPROTO_ICMP),
          payload('icmp type'),
          compare('==', ICMP_REDIRECT),
          verdict({ verdict: 'drop' }),
        ],
      },
    ]);
  }

  #sweep(keep: ReadonlySet<string>): void {
    using netlink = new RouteNetlink(this.#kernel);
    const kept = new Set([...keep].map((containerId) => this.#hostLink(containerId)));
    for (const name of this.#ports(netlink)) if (!kept.has(name)) this.#deleteLink(netlink, name);
    for (const owner of this.#addresses.owners()) if (!keep.has(owner)) this.#addresses.release(owner);
  }

  #deleteLink(netlink: RouteNetlink, name: string): void {
    try {
      netlink.send(deleteLink(name));
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
    }
  }

  /** The host's ends of our pods' links; a link is a port from the step on that makes it. */
  #ports(netlink: RouteNetlink): string[] {
    const bridge = netlink.link(this.#bridge)?.index;
    if (bridge === undefined) return [];
    return netlink
      .links()
      .filter(({ kind, master }) => kind === 'veth' && master === bridge)
      .map(({ name }) => name);
  }

  /** 14 of the 15 characters that a link's name may have, of a hash: instances have pods of the same id. */
  #hostLink(containerId: string): string {
    return `sp${createHash('sha256').update(`${this.#instanceId}/${containerId}`).digest('hex').slice(0, 12)}`;
  }
}

function openNamespace(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new PlatformError('not-found', `network namespace ${path} does not exist`, { cause: error });
  }
}

/** Locally administered and made of the address: whoever gets an address again has the MAC that neighbours know. */
function macOf(address: string): string {
  const bytes = [0x0a, 0x58, ...parseIpv4(address)];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
