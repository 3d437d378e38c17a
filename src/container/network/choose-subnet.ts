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

/** What a machine says of its networks. */
export interface Machine {
  /** Those that are in use now. */
  used(): readonly UsedNetwork[];
  /** Has others leave a choice alone that has no routes yet; undefined where another process has made it. */
  claim(octet: number): Disposable | undefined;
}

export interface Subnet {
  readonly octet: number;
  /** Absent where the choice is an old one, and somebody has it. */
  readonly claim: Disposable | undefined;
}

/**
 * The second octet: as persisted in `file`; otherwise the first from `preferred` on that nobody has claimed and whose pod and
 * service networks overlap none that is in use, which is then persisted. `exhausted` when there is none of the 64.
 */
export function chooseSubnet(file: string, preferred: number, machine: Machine): Subnet {
  const persisted = readOctet(file);
  if (persisted !== undefined) return { octet: persisted, claim: machine.claim(persisted) };
  for (let tried = 0; tried < COUNT; tried++) {
    const octet = FIRST + ((preferred - FIRST + tried) % COUNT);
    const claim = machine.claim(octet);
    if (claim === undefined) continue;
    // After it is claimed: whoever had it until now has its routes.
    const used = machine.used();
    const isFree = [podCidrOf(octet), serviceCidrOf(octet)].every(
      (cidr) => !used.some((network) => overlap(cidr, network)),
    );
    if (isFree) {
      writeAtomically(file, `${octet}\n`);
      return { octet, claim };
    }
    claim[Symbol.dispose]();
  }
  throw new PlatformError(
    'exhausted',
    'every network of 10.64.0.0/10 and its services overlap a route of this machine, or are those of another instance',
    {
      hint: 'remove a route or link in 10.64.0.0/10, or choose the pod network yourself',
    },
  );
}

/** The machine of a process, but for the networks on `ownLink`. */
export function machineOf(kernel: Kernel, ownLink: string): Machine {
  return {
    used: () => usedNetworks(kernel, ownLink),
    claim: (octet) => {
      const fd = kernel.claimName(`sampan ${podCidrOf(octet)}`);
      return fd === undefined ? undefined : { [Symbol.dispose]: () => kernel.close(fd) };
    },
  };
}

/** All routes (but default routes) and addresses of this machine, without those on `ownLink`. */
function usedNetworks(kernel: Kernel, ownLink: string): UsedNetwork[] {
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
