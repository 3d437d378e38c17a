import { getPath, listAt, numberAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, labelsText, nameColumn, orNone } from './columns.ts';

export const serviceColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Type', type: 'string', cell: (service) => stringAt(service, 'spec', 'type') },
  { name: 'Cluster-IP', type: 'string', cell: clusterIp },
  { name: 'External-IP', type: 'string', cell: externalIp },
  { name: 'Port(s)', type: 'string', cell: ports },
  ageColumn,
  {
    name: 'Selector',
    type: 'string',
    priority: 1,
    cell: (service) => labelsText(getPath(service, 'spec', 'selector')),
  },
];

function clusterIp(service: JsonObject): string {
  const ip = textOf(listAt(service, 'spec', 'clusterIPs')[0] ?? '') || stringAt(service, 'spec', 'clusterIP');
  return orNone(ip);
}

function externalIp(service: JsonObject): string {
  const external = listAt(service, 'spec', 'externalIPs').map((item) => textOf(item));
  switch (stringAt(service, 'spec', 'type')) {
    case 'ExternalName':
      return stringAt(service, 'spec', 'externalName');
    case 'LoadBalancer': {
      const all = [...balancerAddresses(service), ...external];
      return all.length === 0 ? '<pending>' : all.join(',');
    }
    default:
      return orNone(external.join(','));
  }
}

/** Sorted, each once. */
export function balancerAddresses(object: JsonObject): readonly string[] {
  const all = objectsAt(object, 'status', 'loadBalancer', 'ingress')
    .map((item) => stringAt(item, 'ip') || stringAt(item, 'hostname'))
    .filter((text) => text !== '');
  return [...new Set(all)].toSorted();
}

function ports(service: JsonObject): string {
  const texts = objectsAt(service, 'spec', 'ports').map((port) => {
    const nodePort = numberAt(port, 'nodePort') ?? 0;
    const number = String(numberAt(port, 'port') ?? 0);
    return `${nodePort > 0 ? `${number}:${nodePort}` : number}/${stringAt(port, 'protocol')}`;
  });
  return orNone(texts.join(','));
}

/** At most three, then how many more. */
const SHOWN = 3;

function shortened(items: readonly string[], missing: string): string {
  if (items.length === 0) return missing;
  const more = items.length - SHOWN;
  return more > 0 ? `${items.slice(0, SHOWN).join(',')} + ${more} more...` : items.join(',');
}

export const endpointsColumns: readonly PrinterColumn[] = [
  nameColumn,
  {
    name: 'Endpoints',
    type: 'string',
    cell: (object) => {
      const subsets = objectsAt(object, 'subsets');
      const all = subsets.flatMap((subset) => {
        const addresses = objectsAt(subset, 'addresses').map((item) => stringAt(item, 'ip'));
        const numbers = objectsAt(subset, 'ports').map((port) => numberAt(port, 'port') ?? 0);
        if (numbers.length === 0) return addresses;
        return numbers.flatMap((number) =>
          addresses.map((ip) => (ip.includes(':') ? `[${ip}]:${number}` : `${ip}:${number}`)),
        );
      });
      // Nothing that is ready is not the same as nothing at all.
      return shortened(all, subsets.length === 0 ? '<none>' : '');
    },
  },
  ageColumn,
];

export const endpointSliceColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'AddressType', type: 'string', cell: (slice) => stringAt(slice, 'addressType') },
  {
    name: 'Ports',
    type: 'string',
    cell: (slice) =>
      shortened(
        objectsAt(slice, 'ports').map((port) => portText(port)),
        '<unset>',
      ),
  },
  {
    name: 'Endpoints',
    type: 'string',
    cell: (slice) =>
      shortened(
        objectsAt(slice, 'endpoints').flatMap((endpoint) =>
          listAt(endpoint, 'addresses').map((item) => textOf(item)),
        ),
        '<unset>',
      ),
  },
  ageColumn,
];

/** A port without a number is all of them, unless it has a name. */
function portText(port: JsonObject): string {
  const number = numberAt(port, 'port');
  if (number !== undefined) return String(number);
  const name = getPath(port, 'name');
  return typeof name === 'string' ? name : '*';
}
