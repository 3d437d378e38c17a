/** The cgroup of one container: where it is, what it may use, what it uses. Start reading here, then `contract.ts`. */
export type { CgroupDriver, CgroupPlace, ContainerCgroup, IntelRdtPlace, PlaceOptions } from './contract.ts';
export type { CgroupStatistics } from './statistics-types.ts';
