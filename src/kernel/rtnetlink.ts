/**
 * Links, IPv4 addresses and IPv4 routes by rtnetlink(7), without spawning anything.
 */
import { PlatformError } from '../base/errors.ts';
import { failpoint } from '../base/failpoint.ts';
import { formatIpv4, parseIpv4 } from './ipv4.ts';
import type { Kernel, NetlinkSocket } from './kernel.ts';
import {
  NetlinkWriter,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  readAttributes,
  readString,
} from './netlink.ts';

const RTM = {
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  getAddress: 22,
  newRoute: 24,
  getRoute: 26,
};
const IFLA = { address: 1, name: 3, mtu: 4, master: 10, linkInfo: 18, afSpec: 26, netnsFd: 28 };
const INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 };
const VETH_INFO_PEER = 1;
const IFLA_BRPORT_MODE = 4;
const IFLA_INET_CONF = 1;
const IFA = { address: 1, local: 2 };
const RTA = { destination: 1, outInterface: 4, gateway: 5, preferredSource: 7, table: 15 };
const AF_INET = 2;
const IFF_UP = 1;
const RTNH_F_ONLINK = 4;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;

/** Of enum IPV4_DEVCONF in linux/ip.h; the interface's files under /proc/sys/net/ipv4/conf. */
const DEVCONF = { acceptRedirects: 4, sendRedirects: 6 } as const;

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mac: string;
  readonly up: boolean;
  /** `veth`, `bridge`, …; empty for hardware. */
  readonly kind: string;
  /** Index of the bridge that it is a port of; 0 for none. */
  readonly master: number;
}

export interface Ipv4Network {
  /** Dotted. */
  readonly address: string;
  readonly prefix: number;
}

export interface Route {
  /** 0.0.0.0/0 for a default route. */
  readonly destination: Ipv4Network;
  readonly outInterface: number;
  readonly gateway?: string;
  readonly table: number;
}

export interface VethOptions {
  readonly name: string;
  readonly mac?: string;
  /** Index of a bridge. */
  readonly master?: number;
  readonly mtu?: number;
  /** The other end, made in the namespace behind the descriptor `netnsFd`. */
  readonly peer: { readonly name: string; readonly mac?: string; readonly netnsFd: number };
}

export interface RouteOptions {
  /** Default route when absent. */
  readonly destination?: Ipv4Network;
  readonly outInterface: number;
  readonly gateway?: string;
  /** The gateway is a neighbour although no route says so. */
  readonly onlink?: boolean;
  readonly preferredSource?: string;
}

/** One socket; requests throw PlatformErrors with errno (`already-exists`, `not-found`, …). */
export class RouteNetlink implements Disposable {
  readonly #socket: NetlinkSocket;

  /** In the namespace at `netns` (`/proc/<pid>/ns/net`), our own when absent. */
  constructor(kernel: Kernel, netns?: string) {
    this.#socket = kernel.netlink('route', netns);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  /** Several requests in one system call. All are tried; the first failure is thrown. */
  send(...requests: readonly ((writer: NetlinkWriter) => void)[]): void {
    const writer = new NetlinkWriter();
    for (const request of requests) request(writer);
    this.#socket.request(writer.finish());
  }

  /** `undefined` when there is none of that name. */
  link(name: string): Link | undefined {
    const writer = new NetlinkWriter();
    writer.message(RTM.getLink, 0);
    writer.header(linkHeader({})).string(IFLA.name, name);
    try {
      const [answer] = this.#socket.request(writer.finish());
      return answer === undefined ? undefined : parseLink(answer);
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'not-found') return undefined;
      throw error;
    }
  }

  links(): Link[] {
    return this.#dump(RTM.getLink, linkHeader({})).map(parseLink);
  }

  addresses(): (Ipv4Network & { readonly link: number })[] {
    return this.#dump(RTM.getAddress, Uint8Array.of(AF_INET, 0, 0, 0, 0, 0, 0, 0)).map((message) => {
      const view = Buffer.from(message.buffer, message.byteOffset, message.length);
      const attributes = readAttributes(message, 24);
      const bytes = attributes.get(IFA.local) ?? attributes.get(IFA.address);
      return {
        address: formatIpv4(bytes ?? Buffer.alloc(4)),
        prefix: view[17]!,
        link: view.readUInt32LE(20),
      };
    });
  }

  routes(): Route[] {
    const header = new Uint8Array(12);
    header[0] = AF_INET;
    return this.#dump(RTM.getRoute, header).map((message) => {
      const attributes = readAttributes(message, 28);
      const gateway = attributes.get(RTA.gateway);
      return {
        destination: {
          address: formatIpv4(attributes.get(RTA.destination) ?? Buffer.alloc(4)),
          prefix: message[17]!,
        },
        outInterface: attributes.get(RTA.outInterface)?.readUInt32LE() ?? 0,
        ...(gateway !== undefined && { gateway: formatIpv4(gateway) }),
        table: attributes.get(RTA.table)?.readUInt32LE() ?? message[20]!,
      };
    });
  }

  #dump(type: number, header: Uint8Array): Uint8Array[] {
    const writer = new NetlinkWriter();
    writer.message(type, NLM_F_DUMP);
    writer.header(header);
    return this.#socket.request(writer.finish());
  }
}

type Request = (writer: NetlinkWriter) => void;

/** `already-exists` when the name is taken. */
export function createBridge(options: { name: string; mac: string }): Request {
  return (writer) => {
    failpoint('kernel.rtnetlink.bridge');
    writer.message(RTM.newLink, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
    writer
      .header(linkHeader({ up: true }))
      .string(IFLA.name, checkLinkName(options.name))
      .bytes(IFLA.address, parseMac(options.mac))
      .nest(IFLA.linkInfo, () => writer.string(INFO.kind, 'bridge'));
  };
}

/** Both ends at once, this one up; `already-exists` when one of the names is taken. */
export function createVeth({ name, mac, master, mtu, peer }: VethOptions): Request {
  return (writer) => {
    failpoint('kernel.rtnetlink.veth');
    writer.message(RTM.newLink, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
    writer.header(linkHeader({ up: true })).string(IFLA.name, checkLinkName(name));
    if (mac !== undefined) writer.bytes(IFLA.address, parseMac(mac));
    if (mtu !== undefined) writer.u32(IFLA.mtu, mtu);
    if (master !== undefined) writer.u32(IFLA.master, master);
    writer.nest(IFLA.linkInfo, () => {
      writer.string(INFO.kind, 'veth').nest(INFO.data, () => {
        writer.nest(VETH_INFO_PEER, () => {
          // Not up: it is made before this end, and a veth without its other end cannot be opened (ENOTCONN).
          writer.header(linkHeader({})).string(IFLA.name, checkLinkName(peer.name));
          if (peer.mac !== undefined) writer.bytes(IFLA.address, parseMac(peer.mac));
          if (mtu !== undefined) writer.u32(IFLA.mtu, mtu);
          writer.u32(IFLA.netnsFd, peer.netnsFd);
        });
      });
    });
  };
}

/** `not-found` when there is none. The other end of a veth goes with it. */
export function deleteLink(name: string): Request {
  return (writer) => {
    failpoint('kernel.rtnetlink.delete');
    writer.message(RTM.delLink, NLM_F_ACK);
    writer.header(linkHeader({})).string(IFLA.name, checkLinkName(name));
  };
}

export function setUp(index: number): Request {
  return (writer) => {
    writer.message(RTM.newLink, NLM_F_ACK);
    writer.header(linkHeader({ index, up: true }));
  };
}

/** A port in hairpin mode may be sent what came from it. */
export function hairpinPort(name: string): Request {
  return (writer) => {
    writer.message(RTM.newLink, NLM_F_ACK);
    writer
      .header(linkHeader({}))
      .string(IFLA.name, checkLinkName(name))
      .nest(IFLA.linkInfo, () => {
        writer.string(INFO.slaveKind, 'bridge').nest(INFO.slaveData, () => writer.u8(IFLA_BRPORT_MODE, 1));
      });
  };
}

/** An interface's IPv4 sysctls, without needing its /proc/sys. */
export function setIpv4Conf(
  index: number,
  values: { readonly [name in keyof typeof DEVCONF]?: number },
): Request {
  return (writer) => {
    writer.message(RTM.newLink, NLM_F_ACK);
    writer.header(linkHeader({ index })).nest(IFLA.afSpec, () => {
      writer.nest(AF_INET, () => {
        writer.nest(IFLA_INET_CONF, () => {
          for (const [name, value] of Object.entries(values))
            writer.u32(DEVCONF[name as keyof typeof DEVCONF], value);
        });
      });
    });
  };
}

/** Idempotent. */
export function addAddress(link: number, { address, prefix }: Ipv4Network): Request {
  return (writer) => {
    failpoint('kernel.rtnetlink.address');
    const header = Buffer.alloc(8);
    header[0] = AF_INET;
    header[1] = prefix;
    header.writeUInt32LE(link, 4);
    writer.message(RTM.newAddress, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    writer.header(header).bytes(IFA.local, parseIpv4(address)).bytes(IFA.address, parseIpv4(address));
  };
}

/** Idempotent: replaces one to the same destination. */
export function addRoute({
  destination,
  outInterface,
  gateway,
  onlink,
  preferredSource,
}: RouteOptions): Request {
  return (writer) => {
    failpoint('kernel.rtnetlink.route');
    const header = Buffer.alloc(12);
    header[0] = AF_INET;
    header[1] = destination?.prefix ?? 0;
    header[4] = RT_TABLE_MAIN;
    header[5] = RTPROT_BOOT;
    header[6] = gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    header[7] = RTN_UNICAST;
    header.writeUInt32LE(onlink === true ? RTNH_F_ONLINK : 0, 8);
    writer.message(RTM.newRoute, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    writer.header(header);
    if (destination !== undefined) writer.bytes(RTA.destination, parseIpv4(destination.address));
    writer.u32(RTA.outInterface, outInterface);
    if (gateway !== undefined) writer.bytes(RTA.gateway, parseIpv4(gateway));
    if (preferredSource !== undefined) writer.bytes(RTA.preferredSource, parseIpv4(preferredSource));
  };
}

function linkHeader({ index = 0, up = false }: { index?: number; up?: boolean }): Uint8Array {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(up ? IFF_UP : 0, 8);
  header.writeUInt32LE(up ? IFF_UP : 0, 12);
  return header;
}

function parseLink(message: Uint8Array): Link {
  const view = Buffer.from(message.buffer, message.byteOffset, message.length);
  const attributes = readAttributes(message, 32);
  const info = readAttributes(attributes.get(IFLA.linkInfo) ?? Buffer.alloc(0));
  return {
    index: view.readInt32LE(20),
    name: readString(attributes.get(IFLA.name)),
    mac: [...(attributes.get(IFLA.address) ?? [])]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join(':'),
    up: (view.readUInt32LE(24) & IFF_UP) !== 0,
    kind: readString(info.get(INFO.kind)),
    master: attributes.get(IFLA.master)?.readUInt32LE() ?? 0,
  };
}

/** IFNAMSIZ is 16 with the NUL. */
function checkLinkName(name: string): string {
  if (/^[^\s/:]{1,15}$/.test(name) && name !== '.' && name !== '..') return name;
  throw new PlatformError(
    'invalid',
    `link name "${name}": want 1 to 15 characters without spaces, "/" and ":"`,
  );
}

function parseMac(mac: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac))
    throw new PlatformError('invalid', `MAC address "${mac}"`);
  return Uint8Array.from(mac.split(':'), (part) => Number.parseInt(part, 16));
}
