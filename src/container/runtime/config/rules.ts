/** What the fields of a configuration, each well-formed by itself, must be to one another and to this host. */
import type {
  IdMapping,
  MountConfig,
  NamespaceType,
  ProcessConfig,
  RuntimeConfig,
} from '../../spec/runtime-config.ts';
import { parseMountOptions } from '../compile/mount-options.ts';
import { isBind } from '../compile/mounts.ts';
import { type Namespaces, namespacesOf } from '../compile/namespaces.ts';
import { clean } from '../compile/steps.ts';
import type { HostSupport } from './host.ts';
import { type Path, refuse, shown, unsupported } from './schema.ts';

export function checkRules(config: RuntimeConfig, host: HostSupport): void {
  const { linux = {}, process } = config;
  const namespaces = namespacesOf(config);
  if (process !== undefined) checkProcessRules(process, ['process'], host);
  checkNamespaces(config, namespaces, host);
  checkNames(config, namespaces);
  checkUserNamespace(config, namespaces);
  checkTime(config, namespaces);
  for (const [index, mount] of (config.mounts ?? []).entries()) {
    checkMount(mount, ['mounts', index], namespaces);
  }
  for (const [index, { type, major, minor }] of (linux.devices ?? []).entries()) {
    if (type !== 'p' && major === undefined)
      refuse(['linux', 'devices', index, 'major'], 'missing; want a device number');
    if (type !== 'p' && minor === undefined)
      refuse(['linux', 'devices', index, 'minor'], 'missing; want a device number');
  }
  for (const field of ['maskedPaths', 'readonlyPaths'] as const) {
    if ((linux[field]?.length ?? 0) > 0 && !namespaces.isOther('mount')) {
      refuse(['linux', field], 'the paths would be hidden from the host; want a namespace of type "mount"');
    }
  }
  for (const name of Object.keys(linux.sysctl ?? {})) checkSysctl(name, namespaces, host);
  const { flags = [] } = linux.personality ?? {};
  if (flags.length > 0)
    refuse(['linux', 'personality', 'flags'], `${shown(flags[0])} is wrong; no flag is defined`);
  if ((linux.mountLabel ?? '') !== '' && !host.seLinux()) {
    unsupported(['linux', 'mountLabel'], 'SELinux is not enabled on this host');
  }
  if (linux.intelRdt !== undefined) checkIntelRdt(linux.intelRdt, host);
}

export function checkProcessRules(process: ProcessConfig, at: Path, host: HostSupport): void {
  const { args, rlimits = [], scheduler, apparmorProfile = '', selinuxLabel = '' } = process;
  if (args === undefined || args.length === 0)
    refuse([...at, 'args'], 'missing; want the program and its arguments');
  const seen = new Set<string>();
  for (const [index, { type, soft, hard }] of rlimits.entries()) {
    const here = [...at, 'rlimits', index];
    if (seen.has(type)) refuse([...here, 'type'], `"${type}" is there twice; want each limit once`);
    seen.add(type);
    if (soft > hard) refuse([...here, 'soft'], `${soft} is above the hard limit; want at most ${hard}`);
  }
  if (scheduler !== undefined) checkScheduler(scheduler, [...at, 'scheduler']);
  if (apparmorProfile !== '' && !host.appArmor()) {
    unsupported([...at, 'apparmorProfile'], 'AppArmor is not enabled on this host');
  }
  if (selinuxLabel !== '' && !host.seLinux()) {
    unsupported([...at, 'selinuxLabel'], 'SELinux is not enabled on this host');
  }
}

/** sched_setattr(2) */
function checkScheduler(scheduler: NonNullable<ProcessConfig['scheduler']>, at: Path): void {
  const { policy, nice = 0, priority = 0, runtime = 0, deadline = 0, period = 0 } = scheduler;
  const isRealTime = policy === 'SCHED_FIFO' || policy === 'SCHED_RR';
  if ((policy === 'SCHED_OTHER' || policy === 'SCHED_BATCH') && (nice < -20 || nice > 19)) {
    refuse([...at, 'nice'], `${nice} is wrong; want -20 to 19`);
  }
  if (isRealTime && (priority < 1 || priority > 99)) {
    refuse([...at, 'priority'], `${priority} is wrong; want 1 to 99 with ${policy}`);
  }
  if (!isRealTime && priority !== 0) {
    refuse([...at, 'priority'], `${priority} is wrong; ${policy} has none, only SCHED_FIFO and SCHED_RR`);
  }
  const times = { runtime, deadline, period };
  for (const [field, value] of Object.entries(times)) {
    if (policy !== 'SCHED_DEADLINE' && value !== 0) {
      refuse([...at, field], `${value} is wrong; ${policy} has none, only SCHED_DEADLINE`);
    }
  }
  const end = period === 0 ? deadline : period;
  if (policy === 'SCHED_DEADLINE' && !(runtime >= 1024 && runtime <= deadline && deadline <= end)) {
    refuse([...at, 'runtime'], `${runtime} is wrong; want 1024 ≤ runtime ≤ deadline ≤ period`);
  }
}

function checkNamespaces(config: RuntimeConfig, namespaces: Namespaces, host: HostSupport): void {
  const seen = new Set<NamespaceType>();
  for (const [index, { type }] of (config.linux?.namespaces ?? []).entries()) {
    const at = ['linux', 'namespaces', index, 'type'];
    if (seen.has(type)) refuse(at, `"${type}" is there twice; want each type once`);
    seen.add(type);
    if (namespaces.isNew(type) && !host.namespace(type)) {
      unsupported(at, `this kernel has no namespaces of type "${type}"`);
    }
  }
}

/** __NEW_UTS_LEN */
const NAME_MAX = 64;

function checkNames(config: RuntimeConfig, namespaces: Namespaces): void {
  for (const field of ['hostname', 'domainname'] as const) {
    const value = config[field] ?? '';
    if (Buffer.byteLength(value) > NAME_MAX)
      refuse([field], `${shown(value)} is wrong; want at most ${NAME_MAX} bytes`);
    if (value !== '' && !namespaces.isOther('uts')) {
      refuse([field], "the name would be the host's; want a namespace of type uts");
    }
  }
}

/** user_namespaces(7), "Defining user and group ID mappings" */
const MAPPINGS_MAX = 340;

function checkUserNamespace({ linux = {} }: RuntimeConfig, namespaces: Namespaces): void {
  for (const field of ['uidMappings', 'gidMappings'] as const) {
    const at = ['linux', field];
    const mappings = linux[field] ?? [];
    if (mappings.length > 0 && !namespaces.isOther('user')) {
      refuse(at, 'there is nothing to map ids for; want a namespace of type "user"');
    }
    if (!namespaces.isNew('user')) continue;
    checkMappings(mappings, at);
    if (!mappings.some(({ containerID }) => containerID === 0)) {
      refuse(at, "no mapping for id 0; want the container's root mapped");
    }
  }
}

function checkMappings(mappings: readonly IdMapping[], at: Path): void {
  if (mappings.length > MAPPINGS_MAX) refuse(at, `${mappings.length} mappings; want at most ${MAPPINGS_MAX}`);
  for (const side of ['containerID', 'hostID'] as const) {
    const sorted = [...mappings.entries()].toSorted(([, a], [, b]) => a[side] - b[side]);
    let end = -1;
    for (const [index, mapping] of sorted) {
      const first = mapping[side];
      const last = first + mapping.size - 1;
      if (last > 2 ** 32 - 2)
        refuse([...at, index, 'size'], `ids up to ${last}; want at most ${2 ** 32 - 2}`);
      if (first <= end) refuse([...at, index, side], `${first} is in another mapping too; want ranges apart`);
      end = last;
    }
  }
}

function checkTime({ linux = {} }: RuntimeConfig, namespaces: Namespaces): void {
  const { timeOffsets } = linux;
  if (timeOffsets === undefined || Object.values(timeOffsets).every((offset) => offset === undefined)) return;
  if (!namespaces.isNew('time')) {
    refuse(
      ['linux', 'timeOffsets'],
      'offsets are set when a namespace is made; want a new one of type "time"',
    );
  }
}

/** What lxcfs and its like put into procfs; anything else there would deceive what runs in the container. */
const PROC_FILES = new Set([
  '/proc/cpuinfo',
  '/proc/diskstats',
  '/proc/meminfo',
  '/proc/stat',
  '/proc/swaps',
  '/proc/uptime',
  '/proc/loadavg',
  '/proc/slabinfo',
  '/proc/sys/kernel/ns_last_pid',
  '/proc/sys/crypto/fips_enabled',
]);

function checkMount(mount: MountConfig, at: Path, namespaces: Namespaces): void {
  const { destination, type = '', source = '', uidMappings, gidMappings } = mount;
  // A relative destination counts from the root: deprecated by the specification, written by old callers still.
  const place = clean(destination);
  const { idMap } = parseMountOptions(mount.options);
  if (place === '/')
    refuse([...at, 'destination'], `${shown(destination)} is the root itself; want a path below it`);
  if (place.startsWith('/proc/') && !PROC_FILES.has(place)) {
    refuse(
      [...at, 'destination'],
      `${shown(destination)} is in procfs; want another place, or one of its files that lxcfs makes`,
    );
  }
  if (place === '/proc' && type !== 'proc' && !isBind(mount)) {
    refuse([...at, 'type'], `${shown(type)} is wrong; want "proc" at /proc`);
  }
  const isMapped = idMap !== undefined || uidMappings !== undefined || gidMappings !== undefined;
  if (isBind(mount)) {
    if (source === '') refuse([...at, 'source'], 'missing; want the path to bind');
  } else {
    if (type === '') refuse([...at, 'type'], 'missing; want the type of a file system, or the option "bind"');
    if (isMapped) refuse([...at, 'uidMappings'], 'only bind mounts can be id-mapped; want the option "bind"');
  }
  if (!isMapped) return;
  if ((uidMappings === undefined) !== (gidMappings === undefined)) {
    refuse(
      [...at, uidMappings === undefined ? 'uidMappings' : 'gidMappings'],
      'missing; want both or neither',
    );
  }
  if (uidMappings === undefined && !namespaces.isOther('user')) {
    refuse([...at, 'uidMappings'], 'missing; want mappings, or a namespace of type "user" to take them from');
  }
  checkMappings(uidMappings ?? [], [...at, 'uidMappings']);
  checkMappings(gidMappings ?? [], [...at, 'gidMappings']);
}

/** Settings of the IPC namespace, besides fs.mqueue.*. */
const IPC_SYSCTLS =
  /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\..*)$/;

/** Only what belongs to a namespace of the container's own: everything else is the host's. */
function checkSysctl(name: string, namespaces: Namespaces, host: HostSupport): void {
  const at = ['linux', 'sysctl', name];
  const dotted =
    /[./]/.exec(name)?.[0] === '/' ? name.replaceAll(/[./]/g, (one) => (one === '/' ? '.' : '/')) : name;
  const want = (type: NamespaceType): void => {
    if (!namespaces.isOther(type))
      refuse(at, `the setting would be the host's; want a namespace of type "${type}"`);
  };
  if (IPC_SYSCTLS.test(dotted)) return want('ipc');
  if (dotted.startsWith('user.')) return want('user');
  if (dotted === 'kernel.domainname') return want('uts');
  if (dotted === 'kernel.hostname') refuse(at, 'is wrong; want the field hostname for it');
  if (!dotted.startsWith('net.'))
    refuse(
      at,
      'belongs to no namespace; want net.*, kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*, kernel.domainname or user.*',
    );
  want('network');
  const path = namespaces.pathOf('network');
  if (path !== undefined && host.isOwnNetwork(path)) {
    refuse(at, `the setting would be the host's: ${path} is the runtime's own network namespace`);
  }
}

function checkIntelRdt(intelRdt: { readonly closID?: string }, host: HostSupport): void {
  if (!host.intelRdt()) unsupported(['linux', 'intelRdt'], 'resctrl is not mounted on this host');
  const { closID = '' } = intelRdt;
  if (closID === '.' || closID === '..' || (closID.length > 1 && closID.includes('/'))) {
    refuse(['linux', 'intelRdt', 'closID'], `${shown(closID)} is wrong; want the name of one group`);
  }
}
