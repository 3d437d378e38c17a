/** Mounts of type `cgroup`: what the container sees of the machine's cgroup trees, in whichever mode the machine is. */
import type { CgroupHierarchy } from '../../../kernel/cgroup-contract.ts';
import { type Instruction, type Recursive, step } from '../program/instructions.ts';
import { ATTR_RDONLY, type MountOptions, MS_RDONLY, parseMountOptions } from './mount-options.ts';

export interface CgroupMountContext {
  readonly hierarchies: readonly CgroupHierarchy[];
  /** In a cgroup namespace the root of each mount is the container's own cgroup. */
  readonly hasNamespace: boolean;
  /** The kernel lets only a namespace's owner mount its tree; all others get a bind mount of the host's. */
  readonly mayMount: boolean;
  bind(source: string, path: string, recursive: Recursive, options: MountOptions): Instruction;
}

const HOST_TREE = '/sys/fs/cgroup';
const SAFE = parseMountOptions(['nosuid', 'nodev', 'noexec']);
/** v1 hierarchies without a controller are mounted by their name. */
const NAMED = new Set(['systemd', 'elogind', 'openrc']);

export function cgroupMount(path: string, options: MountOptions, context: CgroupMountContext): Instruction[] {
  const { hierarchies, mayMount } = context;
  const first = hierarchies[0];
  const isUnified = hierarchies.length === 1 && first?.name === '';
  if (!isUnified && first !== undefined) return v1Mounts(path, options, context);
  if (mayMount) return [step('mount', 'cgroup2', 'cgroup', path, String(options.flags), options.data)];
  const source = first !== undefined && context.hasNamespace ? first.path : HOST_TREE;
  return [context.bind(source, path, 'rec', options)];
}

function v1Mounts(path: string, options: MountOptions, context: CgroupMountContext): Instruction[] {
  const isReadonly = (options.flags & MS_RDONLY) !== 0;
  const flags = String(SAFE.flags | (isReadonly ? MS_RDONLY : 0));
  const { hierarchies, hasNamespace, mayMount } = context;
  return [
    step('mount', 'tmpfs', 'tmpfs', path, String(SAFE.flags), 'mode=755,size=64k'),
    ...hierarchies.map(({ name, fsType, path: source }) => {
      const place = `${path}/${name}`;
      if (!hasNamespace || !mayMount) return context.bind(source, place, 'rec', options);
      return fsType === 'cgroup2'
        ? step('mount', 'cgroup2', 'cgroup', place, flags, '')
        : step('mount', 'cgroup', 'cgroup', place, flags, NAMED.has(name) ? `name=${name}` : name);
    }),
    // `cpu` and `cpuacct` beside `cpu,cpuacct`, as on the host.
    ...hierarchies.flatMap(({ name }) =>
      name.includes(',') ? name.split(',').map((part) => step('symlink', name, `${path}/${part}`)) : [],
    ),
    ...(isReadonly ? [step('mount-attributes', path, 'one', String(ATTR_RDONLY), '0', '0', '0', '0')] : []),
  ];
}
