/** `linux.resources` and annotations as properties of a systemd unit (systemd.resource-control(5)). */
import { PlatformError } from '../../../base/errors.ts';
import { weightOfShares } from '../../../kernel/cgroup-v2.ts';
import { variant, type Variant } from '../../../kernel/dbus.ts';
import type { ResourcesConfig } from '../../spec/runtime-config.ts';
import { deviceState, systemdDevices } from './device-lists.ts';
import { effectiveRules } from './device-rules.ts';
import { given, invalid, present } from './resource-write.ts';
import { swapBeyondMemory } from './resources-v2.ts';
import { NO_LIMIT } from './statistics-files.ts';
import { parseVariant } from './variant-text.ts';

export type UnitProperty = readonly [name: string, value: Variant];

const uint64 = (value: number | bigint): Variant => variant('t', BigInt(value));
const bool = (value: boolean): Variant => variant('b', value);
/** -1 and `max` are infinity, which is all bits. */
const bytes = (value: number | string): Variant =>
  uint64(value === 'max' || Number(value) < 0 ? NO_LIMIT : BigInt(value));

export interface ManagerFacts {
  readonly cgroupVersion: 1 | 2;
  /** systemd's own version: older ones do not know every property, and refuse the whole call. */
  readonly systemd: number;
}

/**
 * What systemd shall know of the limits, so that it does not undo them when it writes a unit's files anew
 * (`daemon-reload`). What it cannot say is written to the files after it.
 */
export function resourceProperties(
  resources: ResourcesConfig,
  facts: ManagerFacts,
  options: { readonly devices: boolean },
): UnitProperty[] {
  return [
    ...(options.devices ? deviceProperties(resources) : []),
    ...(facts.cgroupVersion === 2 ? memoryV2(resources) : memoryV1(resources)),
    ...cpu(resources, facts),
    ...tasks(resources),
    ...cpusets(resources, facts),
    ...(facts.cgroupVersion === 2 ? unified(resources, facts) : blockIoV1(resources)),
  ];
}

function memoryV1({ memory }: ResourcesConfig): UnitProperty[] {
  return given(memory?.limit) ? [['MemoryLimit', bytes(memory.limit)]] : [];
}

function memoryV2({ memory = {} }: ResourcesConfig): UnitProperty[] {
  const { limit, reservation, swap } = memory;
  const swapOnly = swapBeyondMemory(limit ?? 0, swap ?? 0);
  return [
    ...(given(limit) ? [['MemoryMax', bytes(limit)] as const] : []),
    ...(given(reservation) ? [['MemoryLow', bytes(reservation)] as const] : []),
    ...(swapOnly === undefined ? [] : [['MemorySwapMax', bytes(swapOnly)] as const]),
  ];
}

/** systemd 252 takes a weight of 0 for SCHED_IDLE. */
const KNOWS_IDLE = 252;
const KNOWS_PERIOD = 242;
const KNOWS_CPUSETS = 244;
const KNOWS_OOM_POLICY = 253;

function cpu({ cpu = {} }: ResourcesConfig, facts: ManagerFacts): UnitProperty[] {
  const { shares, idle, quota, period } = cpu;
  const properties: UnitProperty[] = [];
  const isIdle = facts.cgroupVersion === 2 && idle === 1 && facts.systemd >= KNOWS_IDLE;
  if (isIdle) properties.push(['CPUWeight', uint64(0)]);
  else if (given(shares))
    properties.push(
      facts.cgroupVersion === 2
        ? ['CPUWeight', uint64(weightOfShares(shares))]
        : ['CPUShares', uint64(shares)],
    );
  return [...properties, ...quotaProperties(quota ?? 0, period ?? 0, facts)];
}

const DEFAULT_PERIOD = 100_000;
const SECOND = 1_000_000;
/** systemd counts whole percents of a processor. */
const STEP = 10_000;

function quotaProperties(quota: number, period: number, facts: ManagerFacts): UnitProperty[] {
  if (quota === 0 && period === 0) return [];
  const perSecond = quota > 0 ? perSecondOf(quota, period) : NO_LIMIT;
  return [
    ...(period !== 0 && facts.systemd >= KNOWS_PERIOD
      ? [['CPUQuotaPeriodUSec', uint64(period)] as const]
      : []),
    ['CPUQuotaPerSecUSec', uint64(perSecond)],
  ];
}

function perSecondOf(quota: number, period: number): number {
  return Math.ceil(Math.trunc((quota * SECOND) / (period || DEFAULT_PERIOD)) / STEP) * STEP;
}

/** The quota that systemd will make of it, so that the file does not hold another one until it is written anew. */
export function roundQuota(resources: ResourcesConfig): ResourcesConfig {
  const { quota = 0, period } = resources.cpu ?? {};
  if (quota <= 0) return resources;
  const rounded = Math.trunc((perSecondOf(quota, period ?? 0) * (period || DEFAULT_PERIOD)) / SECOND);
  return { ...resources, cpu: { ...resources.cpu, quota: rounded } };
}

function tasks({ pids }: ResourcesConfig): UnitProperty[] {
  const limit = pids?.limit;
  if (!present(limit) || limit === 0) return [];
  return [['TasksMax', uint64(limit < 0 ? NO_LIMIT : limit)]];
}

function cpusets({ cpu = {} }: ResourcesConfig, facts: ManagerFacts): UnitProperty[] {
  if (facts.systemd < KNOWS_CPUSETS) return [];
  return [
    ...(cpu.cpus ? [['AllowedCPUs', variant('ay', bitsOf(cpu.cpus, 'cpu.cpus'))] as const] : []),
    ...(cpu.mems ? [['AllowedMemoryNodes', variant('ay', bitsOf(cpu.mems, 'cpu.mems'))] as const] : []),
  ];
}

const MAX_CPU = 8191;

/** `0-2,8` as bits, the lowest first. */
export function bitsOf(list: string, field: string): Uint8Array {
  const bits = new Uint8Array((MAX_CPU + 1) / 8);
  let length = 0;
  for (const part of list.split(',')) {
    const text = part.trim();
    if (text === '') continue;
    const match = /^(\d+)(?:-(\d+))?$/.exec(text);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (match === null || from > to || to > MAX_CPU) throw invalid(field, `"${text}" is no range of numbers`);
    for (let each = from; each <= to; each++) {
      bits[each >> 3]! |= 1 << (each & 7);
      length = Math.max(length, (each >> 3) + 1);
    }
  }
  if (length === 0) throw invalid(field, `"${list}" names nothing`);
  return bits.slice(0, length);
}

function blockIoV1({ blockIO }: ResourcesConfig): UnitProperty[] {
  return given(blockIO?.weight) ? [['BlockIOWeight', uint64(blockIO.weight)]] : [];
}

function deviceProperties(resources: ResourcesConfig): UnitProperty[] {
  const clear: UnitProperty = ['DeviceAllow', variant('a(ss)', [])];
  let said: ReturnType<typeof systemdDevices>;
  try {
    said = systemdDevices(deviceState(effectiveRules(resources.devices)));
  } catch (error) {
    // An order of rules that v1 could not hold, and neither can systemd's list: ours alone decides.
    if (!(error instanceof PlatformError) || error.code !== 'unsupported') throw error;
  }
  // Access takes the consent of systemd's rules and of ours: where it cannot say what we mean it must allow.
  if (said === undefined || said.policy === 'auto') return [clear, ['DevicePolicy', variant('s', 'auto')]];
  return [clear, ['DevicePolicy', variant('s', 'strict')], ['DeviceAllow', variant('a(ss)', said.allow)]];
}

const BYTE_FILES: Readonly<Record<string, string>> = {
  'memory.high': 'MemoryHigh',
  'memory.low': 'MemoryLow',
  'memory.min': 'MemoryMin',
  'memory.max': 'MemoryMax',
  'memory.swap.max': 'MemorySwapMax',
};

/** The files of `unified` that systemd has a property for. */
function unified(resources: ResourcesConfig, facts: ManagerFacts): UnitProperty[] {
  const values = resources.unified ?? {};
  const isIdle = values['cpu.idle']?.trim() === '1' && facts.systemd >= KNOWS_IDLE;
  return Object.entries(values).flatMap(([file, text]): UnitProperty[] => {
    const value = text.trim();
    const field = `unified["${file}"]`;
    const number = (digits: string): bigint => {
      if (digits === 'max') return NO_LIMIT;
      if (!/^\d+$/.test(digits)) throw invalid(field, `"${digits}" is not a number`);
      return BigInt(digits);
    };
    const property = BYTE_FILES[file];
    if (property !== undefined) return [[property, uint64(number(value))]];
    switch (file) {
      case 'cpu.idle':
        return isIdle ? [['CPUWeight', uint64(0)]] : [];
      case 'cpu.weight':
        return isIdle ? [] : [['CPUWeight', uint64(number(value))]];
      case 'cpu.max': {
        const [quota = 'max', period = String(DEFAULT_PERIOD)] = value.split(/\s+/);
        return quotaProperties(quota === 'max' ? -1 : Number(number(quota)), Number(number(period)), facts);
      }
      case 'cpuset.cpus':
      case 'cpuset.mems': {
        const name = file === 'cpuset.cpus' ? 'AllowedCPUs' : 'AllowedMemoryNodes';
        return facts.systemd < KNOWS_CPUSETS ? [] : [[name, variant('ay', bitsOf(value, field))]];
      }
      case 'pids.max': {
        const limit = number(value);
        return [['TasksMax', uint64(limit === 0n ? 1n : limit)]];
      }
      default:
        return [];
    }
  });
}

export interface UnitOptions {
  readonly unit: string;
  readonly slice: string;
  readonly pid: number | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What makes it a scope of ours: its place, its process, and that systemd keeps out of what is below it. */
export function unitProperties(
  { unit, slice, pid, annotations }: UnitOptions,
  facts: ManagerFacts,
): UnitProperty[] {
  const place: UnitProperty[] = unit.endsWith('.slice')
    ? [['Wants', variant('as', [slice])]]
    : [
        ['Slice', variant('s', slice)],
        ['Delegate', bool(true)],
        ...(pid === undefined ? [] : [['PIDs', variant('au', [pid])] as const]),
      ];
  return [
    ['Description', variant('s', `container in ${unit}`)],
    ...place,
    // Else a memory cgroup appears when somebody asks for statistics, and has not counted what was before.
    ['MemoryAccounting', bool(true)],
    ['CPUAccounting', bool(true)],
    [facts.cgroupVersion === 2 ? 'IOAccounting' : 'BlockIOAccounting', bool(true)],
    ['TasksAccounting', bool(true)],
    // With them the scope would be stopped before what it depends on at shutdown, and wait for it at boot.
    ['DefaultDependencies', bool(false)],
    ...Object.entries(annotations).map(([name, text]) => annotated(name, parseVariant(text))),
  ];
}

/** Whether all die together can only be said when the scope is made. */
export function oomProperties(resources: ResourcesConfig, facts: ManagerFacts): UnitProperty[] {
  const value = resources.unified?.['memory.oom.group']?.trim();
  if (facts.systemd < KNOWS_OOM_POLICY || (value !== '0' && value !== '1')) return [];
  return [['OOMPolicy', variant('s', value === '1' ? 'kill' : 'continue')]];
}

/** `TimeoutStopSec` is spelled `TimeoutStopUSec`, in microseconds, on the bus. */
function annotated(name: string, value: Variant): UnitProperty {
  if (!/[a-z]Sec$/.test(name)) return [name, value];
  const seconds = value.value;
  if (typeof seconds !== 'number' && typeof seconds !== 'bigint')
    throw new PlatformError('invalid', `annotations["org.systemd.property.${name}"]: is not a number`);
  const microseconds =
    typeof seconds === 'bigint' ? seconds * BigInt(SECOND) : BigInt(Math.trunc(seconds * SECOND));
  return [name.replace(/Sec$/, 'USec'), uint64(microseconds)];
}
