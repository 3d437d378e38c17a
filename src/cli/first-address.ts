/** The first usable address of an IPv4 network: that of the service `kubernetes`. */
export function firstAddress(cidr: string): string {
  const [address = ''] = cidr.split('/');
  const octets = address.split('.').map(Number);
  octets[3] = (octets[3] ?? 0) + 1;
  return octets.join('.');
}
