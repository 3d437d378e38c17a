/** Which 10.x.0.0/16 is the pod network: the instance's own choice unless this machine already has it elsewhere. */
import { readFileSync } from 'node:fs';
import { PlatformError } from '../../base/errors.ts';
import { writeAtomically } from '../../base/write-atomically.ts';
import { ipv4ToNumber, parseCidr } from '../../kernel/ipv4.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { RouteNetlink } from '../../kernel/rtnetlink.ts';

/** Choices are 10.64 to 10.127; services are 64 above. */
const FIRST = 64;
const COUNT = 64;
const SERVICE_OFFSET = 64;

/** A network that is in use on this machine. */
export interface UsedNetwork {
  readonly address: string;
  readonly prefix: number;
}

export function podCidrOf(octet: number): string {
  return `10.${octet}.0.0/16`;
}

/** The service network that belongs to a pod network. */
export function serviceCidrOf(octet: number): string {
  return `10.${octet + SERVICE_OFFSET}.0.0/16`;
}

/**
 * The second octet: as persisted in `file`; otherwise the first from `preferred` on whose pod and service networks
 * overlap none that is `used`, which is then persisted. `exhausted` when all 64 do.
 */
export function chooseSubnet(file: string, preferred: number, used: readonly UsedNetwork[]): number {
  const persisted = readOctet(file);
  if (persisted !== undefined) return persisted;
  for (let tried = 0; tried < COUNT; tried++) {
    const octet = FIRST + ((preferred - FIRST + tried) % COUNT);
    if (
      [podCidrOf(octet), serviceCidrOf(octet)].some((cidr) => used.some((network) => overlap(cidr, network)))
    )
      continue;
    writeAtomically(file, `${octet}\n`);
    return octet;
  }
  throw new PlatformError(
    'exhausted',
    'every network of 10.64.0.0/10 and its services overlap a route of this machine',
    {
      hint: 'remove a route or link in 10.64.0.0/10, or choose the pod network yourself',
    },
  );
}

/** All routes (but default routes) and addresses of this machine, without those on `ownLink`. */
export function usedNetworks(kernel: Kernel, ownLink: string): UsedNetwork[] {
  using netlink = new RouteNetlink(kernel);
  const own = netlink.link(ownLink)?.index;
  return [
    ...netlink.addresses().filter(({ link }) => link !== own),
    ...netlink
      .routes()
      .filter((route) => route.outInterface !== own && route.destination.prefix > 0)
      .map((route) => route.destination),
  ];
}

function overlap(cidr: string, { address, prefix }: UsedNetwork): boolean {
  const ours = parseCidr(cidr);
  const size = 2 ** (32 - prefix);
  const first = Math.floor(ipv4ToNumber(address) / size) * size;
  return first < ours.first + ours.size && ours.first < first + size;
}

function readOctet(file: string): number | undefined {
  try {
    const octet = Number(readFileSync(file, 'utf8'));
    return octet >= FIRST && octet < FIRST + COUNT ? octet : undefined;
  } catch {
    return undefined;
  }
}
