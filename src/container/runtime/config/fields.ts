/** Every field of config.json on Linux (runtime-spec 1.2, config.md and config-linux.md) with its type and range. */
import type { HookStage, NamespaceType } from '../../spec/runtime-config.ts';
import { PROPAGATION } from '../compile/mount-options.ts';
import {
  IO_CLASSES,
  PERSONALITIES,
  RLIMITS,
  SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
} from '../compile/process-numbers.ts';
import { checkSeccomp, seccompWanted } from '../seccomp/check-seccomp.ts';
import { boolean, integer, list, name, object, pathText, record, type Rule, text } from './schema.ts';

const uint16 = integer(0, 2 ** 16 - 1);
const uint32 = integer(0, 2 ** 32 - 1);
const int32 = integer(-(2 ** 31), 2 ** 31 - 1);
const int64 = integer(-(2 ** 63), 2 ** 63);
/** Doubles make 2^64 of the largest one. */
const uint64 = integer(0, 2 ** 64);
const string = text();
const filled = text('a string that is not empty', /./s);
const absolute = text('an absolute path', /^\//);
const strings = list(string);
const absolutes = list(absolute);
const environment = list(text('NAME=value', /^[^=]+=/));
const cpuList = text('a list of CPUs such as "0-3,7"', /^(\s*\d+(-\d+)?\s*(,|$))*$/);
const octal = integer(0, 0o7777, 'permission bits');

const capabilities = list(string);
const NAMESPACE_TYPES: readonly NamespaceType[] = [
  'pid',
  'network',
  'mount',
  'ipc',
  'uts',
  'user',
  'cgroup',
  'time',
];
const HOOK_STAGES: readonly HookStage[] = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
];

export const processFields: Rule = object({
  terminal: boolean,
  consoleSize: object({ 'height!': uint16, 'width!': uint16 }),
  'user!': object({ 'uid!': uint32, 'gid!': uint32, umask: octal, additionalGids: list(uint32) }),
  args: list(string),
  env: environment,
  'cwd!': absolute,
  capabilities: object({
    bounding: capabilities,
    effective: capabilities,
    inheritable: capabilities,
    permitted: capabilities,
    ambient: capabilities,
  }),
  rlimits: list(object({ 'type!': name('a resource limit', RLIMITS), 'soft!': uint64, 'hard!': uint64 })),
  noNewPrivileges: boolean,
  apparmorProfile: string,
  selinuxLabel: string,
  oomScoreAdj: integer(-1000, 1000),
  scheduler: object({
    'policy!': name('a scheduling policy', Object.keys(SCHEDULER_POLICIES)),
    nice: int32,
    priority: int32,
    flags: list(name('a scheduling flag', Object.keys(SCHEDULER_FLAGS))),
    runtime: uint64,
    deadline: uint64,
    period: uint64,
  }),
  ioPriority: object({
    'class!': name('an I/O scheduling class', Object.keys(IO_CLASSES)),
    'priority!': integer(0, 7),
  }),
  execCPUAffinity: object({ initial: cpuList, final: cpuList }),
});

const mappings = list(
  object({ 'containerID!': uint32, 'hostID!': uint32, 'size!': integer(1, 2 ** 32 - 1) }),
  { want: 'a list of id mappings' },
);

const mount = object({
  'destination!': filled,
  type: string,
  source: string,
  options: strings,
  uidMappings: mappings,
  gidMappings: mappings,
});

const hook = object({
  'path!': absolute,
  args: strings,
  env: environment,
  timeout: integer(1, 2 ** 31 / 1000),
});

const deviceNumber = integer(0, 2 ** 32 - 1, 'a device number');
const blockDevice = { 'major!': deviceNumber, 'minor!': deviceNumber };
const blockWeight = uint16;
const throttle = list(object({ ...blockDevice, 'rate!': uint64 }));

const resources = object({
  devices: list(
    object({
      'allow!': boolean,
      type: name('a kind of device', ['a', 'b', 'c', '']),
      major: int64,
      minor: int64,
      access: text('letters of "rwm"', /^[rwm]*$/),
    }),
  ),
  memory: object({
    limit: int64,
    reservation: int64,
    swap: int64,
    kernel: int64,
    kernelTCP: int64,
    swappiness: uint64,
    disableOOMKiller: boolean,
    useHierarchy: boolean,
    checkBeforeUpdate: boolean,
  }),
  cpu: object({
    shares: uint64,
    quota: int64,
    burst: uint64,
    period: uint64,
    realtimeRuntime: int64,
    realtimePeriod: uint64,
    cpus: cpuList,
    mems: text('a list of memory nodes such as "0-1"', /^(\s*\d+(-\d+)?\s*(,|$))*$/),
    idle: integer(0, 1),
  }),
  pids: object({ limit: int64 }),
  blockIO: object({
    weight: blockWeight,
    leafWeight: blockWeight,
    weightDevice: list(object({ ...blockDevice, weight: blockWeight, leafWeight: blockWeight })),
    throttleReadBpsDevice: throttle,
    throttleWriteBpsDevice: throttle,
    throttleReadIOPSDevice: throttle,
    throttleWriteIOPSDevice: throttle,
  }),
  hugepageLimits: list(
    object({ 'pageSize!': text('a page size such as "2MB"', /^[1-9]\d*[KMG]B$/), 'limit!': uint64 }),
  ),
  network: object({
    classID: uint32,
    priorities: list(object({ 'name!': filled, 'priority!': uint32 })),
  }),
  rdma: record(object({ hcaHandles: uint32, hcaObjects: uint32 })),
  unified: record(string, text('the name of a cgroup file', /^(?!\.+$)[^/]+$/)),
});

/** The seccomp room checks its own. */
const seccomp: Rule = {
  want: 'a seccomp profile',
  check(value, at) {
    if (typeof value !== 'object' || value === null || seccompWanted(value as never))
      checkSeccomp(value, pathText(at));
  },
};

const timeOffset = object({ secs: int64, nanosecs: integer(0, 999_999_999) });

const linux = object({
  namespaces: list(
    object({
      'type!': name('a namespace type', NAMESPACE_TYPES),
      path: text('an absolute path', /^(\/|$)/),
    }),
  ),
  uidMappings: mappings,
  gidMappings: mappings,
  timeOffsets: object({ monotonic: timeOffset, boottime: timeOffset }),
  devices: list(
    object({
      'path!': absolute,
      'type!': name('a kind of device', ['c', 'u', 'b', 'p']),
      major: deviceNumber,
      minor: deviceNumber,
      fileMode: uint32,
      uid: uint32,
      gid: uint32,
    }),
  ),
  cgroupsPath: string,
  resources,
  rootfsPropagation: name('a mount propagation', ['', ...Object.keys(PROPAGATION)]),
  maskedPaths: absolutes,
  readonlyPaths: absolutes,
  seccomp,
  sysctl: record(string, text('the name of a sysctl', /^[^./\s]+([./][^./\s]+)+$/)),
  personality: object({
    'domain!': name('a personality', Object.keys(PERSONALITIES)),
    flags: strings,
  }),
  mountLabel: string,
  intelRdt: object({
    closID: string,
    l3CacheSchema: string,
    memBwSchema: string,
    schemata: strings,
    enableCMT: boolean,
    enableMBM: boolean,
    enableMonitoring: boolean,
  }),
});

export const configFields: Rule = object({
  'ociVersion!': text('a version 1.x of the specification', /^1\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?$/),
  'root!': object({ 'path!': filled, readonly: boolean }),
  process: processFields,
  hostname: string,
  domainname: string,
  mounts: list(mount),
  hooks: object(Object.fromEntries(HOOK_STAGES.map((stage) => [stage, list(hook)]))),
  annotations: record(string, text('a key that is not empty', /./s)),
  linux,
});
