/** One value for one file of a cgroup: what a field of `linux.resources` comes down to. */
import { PlatformError } from '../../../base/errors.ts';
import type { ResourcesConfig } from '../../spec/runtime-config.ts';

export interface ResourceWrite {
  /** Whose hierarchy (v1), whose line in cgroup.controllers (v2): `memory`. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** For the message when it cannot be written: `linux.resources.memory.limit`. */
  readonly field: string;
  /** Written to the first of them that the kernel has. */
  readonly otherwise?: ResourceWrite;
  /** The file may be missing: then the kernel does what is asked for anyway. */
  readonly optional?: true;
  /** The value must stand there afterwards: the kernel takes it and has forgotten what it means. */
  readonly verify?: true;
  /** Only when memory in use is below: the kernel would kill instead of refusing. */
  readonly unlessUsed?: number;
}

/** What one function of v1 or v2 needs to add its writes. */
export type Writes = ResourceWrite[];

const ROOT = 'linux.resources';

export function write(
  [controller, file]: readonly [string, string],
  value: number | string,
  field: string,
): ResourceWrite {
  return { controller, file, value: String(value), field: `${ROOT}.${field}` };
}

export function invalid(field: string, why: string): PlatformError {
  return new PlatformError('invalid', `${ROOT}.${field}: ${why}`, { details: { field: `${ROOT}.${field}` } });
}

export function unsupported(field: string, why: string): PlatformError {
  return new PlatformError('unsupported', `${ROOT}.${field}: ${why}`, {
    details: { field: `${ROOT}.${field}` },
  });
}

/**
 * Zero has always meant `not given` in the fields that Go's omitempty could not tell apart; engines still send
 * `"weight": 0` and the like.
 */
export function given(value: number | undefined): value is number {
  return value !== undefined && value !== null && value !== 0;
}

/** For the fields that may be zero. */
export function present<T>(value: T | undefined | null): value is T {
  return value !== undefined && value !== null;
}

const MIN_WEIGHT = 10;
const MAX_WEIGHT = 1000;

export function checkWeight(weight: number, field: string): number {
  if (!Number.isInteger(weight) || weight < MIN_WEIGHT || weight > MAX_WEIGHT)
    throw invalid(field, `${weight} is not between ${MIN_WEIGHT} and ${MAX_WEIGHT}`);
  return weight;
}

export const THROTTLES = [
  ['throttleReadBpsDevice', 'blkio.throttle.read_bps_device', 'rbps'],
  ['throttleWriteBpsDevice', 'blkio.throttle.write_bps_device', 'wbps'],
  ['throttleReadIOPSDevice', 'blkio.throttle.read_iops_device', 'riops'],
  ['throttleWriteIOPSDevice', 'blkio.throttle.write_iops_device', 'wiops'],
] as const;

/** `64KB`, `2MB`, `1GB`: as the kernel names the files of the hugetlb controller. */
export function checkPageSize(pageSize: string, field: string): string {
  if (!/^[1-9]\d*[KMG]B$/.test(pageSize))
    throw invalid(field, `"${pageSize}" is not a page size such as 2MB`);
  return pageSize;
}

export function hugepageWrites(resources: ResourcesConfig, suffix: string): Writes {
  return (resources.hugepageLimits ?? []).flatMap(({ pageSize, limit }, index) => {
    const field = `hugepageLimits[${index}]`;
    const name = `hugetlb.${checkPageSize(pageSize, `${field}.pageSize`)}`;
    // Reservations are counted apart since 5.7, and would get past the limit of what is in use.
    return [
      write(['hugetlb', `${name}.${suffix}`], limit, field),
      { ...write(['hugetlb', `${name}.rsvd.${suffix}`], limit, field), optional: true as const },
    ];
  });
}

export function rdmaWrites(resources: ResourcesConfig): Writes {
  return Object.entries(resources.rdma ?? {}).map(([device, { hcaHandles, hcaObjects }]) => {
    const limits = [
      ...(present(hcaHandles) ? [`hca_handle=${hcaHandles}`] : []),
      ...(present(hcaObjects) ? [`hca_object=${hcaObjects}`] : []),
    ];
    if (limits.length === 0) throw invalid(`rdma.${device}`, 'want hcaHandles, hcaObjects or both');
    return write(['rdma', 'rdma.max'], [device, ...limits].join(' '), `rdma.${device}`);
  });
}

export function pidsValue(limit: number): string {
  return limit < 0 ? 'max' : String(limit);
}

export function pidsWrites(resources: ResourcesConfig): Writes {
  const limit = resources.pids?.limit;
  // 0 is a limit that was not set, as runc has it: a container without any process could not be.
  return present(limit) && limit !== 0 ? [write(['pids', 'pids.max'], pidsValue(limit), 'pids.limit')] : [];
}
