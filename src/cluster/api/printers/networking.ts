import { getPath, listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, labelSelectorText, listText, nameColumn, textColumn } from './columns.ts';
import { balancerAddresses } from './network.ts';

const SHOWN = 3;

export const ingressColumns: readonly PrinterColumn[] = [
  nameColumn,
  textColumn('Class', ['spec', 'ingressClassName'], '<none>'),
  { name: 'Hosts', type: 'string', cell: hosts },
  { name: 'Address', type: 'string', cell: (object) => balancerAddresses(object).join(',') },
  {
    name: 'Ports',
    type: 'string',
    cell: (object) => (listAt(object, 'spec', 'tls').length > 0 ? '80, 443' : '80'),
  },
  ageColumn,
];

/** Rules without a host count among those that are not shown. */
function hosts(ingress: JsonObject): string {
  const named: string[] = [];
  let more = false;
  const rules = objectsAt(ingress, 'spec', 'rules');
  for (const rule of rules) {
    if (named.length === SHOWN) more = true;
    const host = stringAt(rule, 'host');
    if (!more && host !== '') named.push(host);
  }
  if (named.length === 0) return '*';
  return more ? `${named.join(',')} + ${rules.length - SHOWN} more...` : named.join(',');
}

export const ingressClassColumns: readonly PrinterColumn[] = [
  nameColumn,
  textColumn('Controller', ['spec', 'controller']),
  { name: 'Parameters', type: 'string', cell: parameters },
  ageColumn,
];

function parameters(object: JsonObject): string {
  const reference = getPath(object, 'spec', 'parameters');
  if (reference === undefined) return '<none>';
  const group = getPath(reference, 'apiGroup');
  const kind = stringAt(reference, 'kind');
  return `${typeof group === 'string' ? `${kind}.${group}` : kind}/${stringAt(reference, 'name')}`;
}

export const networkPolicyColumns: readonly PrinterColumn[] = [
  nameColumn,
  {
    name: 'Pod-Selector',
    type: 'string',
    cell: (object) => labelSelectorText(getPath(object, 'spec', 'podSelector')),
  },
  ageColumn,
];

export const serviceCidrColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'CIDRs', type: 'string', cell: (object) => listText(object, 'spec', 'cidrs') },
  ageColumn,
];

export const ipAddressColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'ParentRef', type: 'string', cell: parent },
];

/** `services/default/kubernetes`. */
function parent(object: JsonObject): string {
  if (getPath(object, 'spec', 'parentRef') === undefined) return '<none>';
  const reference = objectAt(object, 'spec', 'parentRef');
  const group = stringAt(reference, 'group');
  const resource = stringAt(reference, 'resource');
  const namespace = stringAt(reference, 'namespace');
  const kind = (group === '' ? resource : `${resource}.${group}`).toLowerCase();
  return [kind, ...(namespace === '' ? [] : [namespace]), stringAt(reference, 'name')].join('/');
}
