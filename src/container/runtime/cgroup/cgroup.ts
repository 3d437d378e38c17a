/** The cgroup of one container: where it is, what it may use, what it uses. Start reading here, then `contract.ts`. */
import type { CgroupPlace, ContainerCgroup } from './contract.ts';
import { FileCgroup } from './file-cgroup.ts';
import { SystemdCgroup } from './systemd-cgroup.ts';
import { thisMachine, type Machine } from './machine.ts';

export type { CgroupDriver, CgroupPlace, ContainerCgroup, IntelRdtPlace, PlaceOptions } from './contract.ts';
export { DEFAULT_DEVICE_RULES } from './device-rules.ts';
export { placeCgroup } from './place.ts';
export type { CgroupStatistics } from './statistics-types.ts';

/** No access, no check that it exists. */
export function openCgroup(place: CgroupPlace, machine: Machine = thisMachine()): ContainerCgroup {
  return place.driver === 'systemd' ? new SystemdCgroup(place, machine) : new FileCgroup(place, machine);
}

interface RawJson {
  rawJSON(text: string): unknown;
}

/** For `JSON.stringify(stats, statisticsReplacer)`: 2^64 - 1 is printed as the number that it is. */
export function statisticsReplacer(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? (JSON as unknown as RawJson).rawJSON(String(value)) : value;
}
