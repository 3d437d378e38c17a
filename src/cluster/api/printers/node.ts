import { objectsAt, stringAt, objectAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, nameColumn } from './columns.ts';

const UNKNOWN = '<unknown>';

const ROLE_PREFIX = 'node-role.kubernetes.io/';
const ROLE_LABEL = 'kubernetes.io/role';

export const nodeColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Status', type: 'string', cell: statusText },
  { name: 'Roles', type: 'string', cell: rolesText },
  ageColumn,
  { name: 'Version', type: 'string', cell: (node) => stringAt(node, 'status', 'nodeInfo', 'kubeletVersion') },
  { name: 'Internal-IP', type: 'string', priority: 1, cell: (node) => address(node, 'InternalIP') },
  { name: 'External-IP', type: 'string', priority: 1, cell: (node) => address(node, 'ExternalIP') },
  { name: 'OS-Image', type: 'string', priority: 1, cell: (node) => info(node, 'osImage') },
  { name: 'Kernel-Version', type: 'string', priority: 1, cell: kernel },
  {
    name: 'Container-Runtime',
    type: 'string',
    priority: 1,
    cell: (node) => info(node, 'containerRuntimeVersion'),
  },
];

function statusText(node: JsonObject): string {
  const ready = objectsAt(node, 'status', 'conditions').find((condition) => condition['type'] === 'Ready');
  const words = [ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady'];
  if (objectAt(node, 'spec')['unschedulable'] === true) words.push('SchedulingDisabled');
  return words.join(',');
}

function rolesText(node: JsonObject): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(objectAt(node, 'metadata', 'labels'))) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length)
      roles.add(key.slice(ROLE_PREFIX.length));
    else if (key === ROLE_LABEL && typeof value === 'string' && value !== '') roles.add(value);
  }
  return roles.size === 0 ? '<none>' : [...roles].toSorted().join(',');
}

function address(node: JsonObject, type: string): string {
  const found = objectsAt(node, 'status', 'addresses').find((item) => item['type'] === type);
  return stringAt(found, 'address') || '<none>';
}

/** With the architecture that it is built for. */
function kernel(node: JsonObject): string {
  const architecture = stringAt(node, 'status', 'nodeInfo', 'architecture');
  const version = info(node, 'kernelVersion');
  return architecture === '' || version === UNKNOWN ? version : `${version} (${architecture})`;
}

function info(node: JsonObject, key: string): string {
  return stringAt(node, 'status', 'nodeInfo', key) || UNKNOWN;
}
