/** Which namespaces are the container's own, which are another's, and which are the runtime's. */
import type { IdMapping, NamespaceType, RuntimeConfig } from '../../spec/runtime-config.ts';
import { type Instruction, type NamespaceKind, step } from '../program/instructions.ts';
import type { CreateContext } from './context.ts';

const KINDS: Readonly<Record<NamespaceType, NamespaceKind>> = {
  user: 'user',
  mount: 'mnt',
  pid: 'pid',
  network: 'net',
  ipc: 'ipc',
  uts: 'uts',
  cgroup: 'cgroup',
  time: 'time',
};
const TYPES = Object.keys(KINDS) as NamespaceType[];

export interface Namespaces {
  /** Made for this container. */
  isNew(type: NamespaceType): boolean;
  /** Not the runtime's: made or joined. */
  isOther(type: NamespaceType): boolean;
  /** Of the one to join. */
  pathOf(type: NamespaceType): string | undefined;
}

export function namespacesOf(config: RuntimeConfig): Namespaces {
  const byType = new Map((config.linux?.namespaces ?? []).map(({ type, path }) => [type, path ?? '']));
  return {
    isNew: (type) => byType.get(type) === '',
    isOther: (type) => byType.has(type),
    pathOf: (type) => byType.get(type) || undefined,
  };
}

/** Up to the clone: what is joined, what init is made in, and what must be known for it. */
export function namespaceSteps(config: RuntimeConfig, context: CreateContext): Instruction[] {
  const namespaces = namespacesOf(config);
  const { parent } = context;
  const inodes = parent.type === 'shim' ? parent.inodes : undefined;
  return [
    ...TYPES.flatMap((type) => {
      const path = namespaces.pathOf(type);
      return path === undefined ? [] : [step('join', KINDS[type], path, String(inodes?.[type] ?? 0))];
    }),
    ...(namespaces.isNew('user') ? idMaps(config, context) : []),
    ...(namespaces.isNew('time') ? timeOffsets(config) : []),
  ];
}

/** The cgroup namespace is left to init: it is made from the cgroup that init has been put in by then. */
export function cloneStep(config: RuntimeConfig): Instruction {
  const namespaces = namespacesOf(config);
  return step(
    'clone',
    ...TYPES.filter((type) => type !== 'cgroup' && namespaces.isNew(type)).map((type) => KINDS[type]),
  );
}

/** user_namespaces(7): who has no CAP_SETGID outside may write a gid map only once setgroups is denied. */
export function deniesSetgroups(config: RuntimeConfig, context: CreateContext): boolean {
  return context.rootless && context.idMapBy !== 'helper' && namespacesOf(config).isNew('user');
}

export function triples(mappings: readonly IdMapping[]): string[] {
  return mappings.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size].map(String));
}

function idMaps(config: RuntimeConfig, context: CreateContext): Instruction[] {
  const { uidMappings = [], gidMappings = [] } = config.linux ?? {};
  const by = context.idMapBy ?? 'file';
  return [
    ...(deniesSetgroups(config, context) ? [step('deny-setgroups')] : []),
    ...(uidMappings.length === 0 ? [] : [step('id-map', 'uid', by, ...triples(uidMappings))]),
    ...(gidMappings.length === 0 ? [] : [step('id-map', 'gid', by, ...triples(gidMappings))]),
  ];
}

function timeOffsets(config: RuntimeConfig): Instruction[] {
  const offsets = config.linux?.timeOffsets ?? {};
  return (['monotonic', 'boottime'] as const).flatMap((clock) => {
    const offset = offsets[clock];
    return offset === undefined
      ? []
      : [step('time-offset', clock, String(offset.secs ?? 0), String(offset.nanosecs ?? 0))];
  });
}
