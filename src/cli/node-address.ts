import type { Kernel } from '../kernel/kernel.ts';
import { RouteNetlink } from '../kernel/rtnetlink.ts';

/** The IPv4 address that the machine shows to others: the first on the link of its default route. */
export function nodeAddress(kernel: Kernel): string | undefined {
  using netlink = new RouteNetlink(kernel);
  const link = netlink.routes().find(({ destination }) => destination.prefix === 0)?.outInterface;
  return link === undefined
    ? undefined
    : netlink.addresses().find((address) => address.link === link)?.address;
}
