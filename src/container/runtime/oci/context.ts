/** What every verb of the lifecycle is given: who asks, where containers are, and this host. */
import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Kernel } from '../../../kernel/kernel.ts';
import { openCgroup, placeCgroup } from '../cgroup/cgroup.ts';
import type { CgroupDriver, CgroupPlace, ContainerCgroup, PlaceOptions } from '../cgroup/contract.ts';
import { type Machine, thisMachine } from '../cgroup/machine.ts';
import { identityOf, type ProcessIdentity } from '../owner.ts';
import type { ContainerFolders } from './container-folder.ts';
import type { Front } from './front.ts';

/** The version of the runtime specification that `state` and hooks are told. */
export const OCI_VERSION = '1.2.0';

/** The part of this machine that is looked at from here; made up in tests. */
export interface OciHost {
  readonly kernel: Kernel;
  placeCgroup(options: PlaceOptions): CgroupPlace;
  openCgroup(place: CgroupPlace): ContainerCgroup;
  /** `undefined` when it has ended. */
  identityOf(pid: number): ProcessIdentity | undefined;
  now(): number;
}

/**
 * This machine for one caller. What is mounted is looked at once.
 * @param caller its pid: containers without a place of their own go where it is
 */
export function linuxHost(kernel: Kernel, caller: number): OciHost {
  let looked: Machine | undefined;
  const machine = (): Machine => (looked ??= thisMachine({ kernel, ...callerCgroups(caller) }));
  return {
    kernel,
    placeCgroup: (options) => placeCgroup(options, machine()),
    openCgroup: (place) => openCgroup(place, machine()),
    identityOf,
    now: () => Date.now(),
  };
}

/** Its own are as good when it has gone. */
function callerCgroups(pid: number): { readonly ownCgroups?: string } {
  try {
    return { ownCgroups: readFileSync(`/proc/${pid}/cgroup`, 'utf8') };
  } catch {
    return {};
  }
}

export interface OciContext {
  readonly front: Front;
  readonly host: OciHost;
  readonly folders: ContainerFolders;
  readonly driver: CgroupDriver;
  /** An ordinary user, or told so: cgroups that cannot be made are gone without. */
  readonly rootless: boolean;
  /** What goes wrong and does not matter to the outcome. */
  warn(message: string): void;
}

/** A path of the command line as this process sees it: relative to the caller's folder, and its descriptors. */
export function callerPath({ front: { request } }: Pick<OciContext, 'front'>, path: string): string {
  const absolute = isAbsolute(path) ? path : join(request.cwd, path);
  const standard = STANDARD[absolute];
  if (standard !== undefined) return `/proc/${request.pid}/fd/${standard}`;
  return absolute
    .replace(/^\/dev\/fd\//, '/proc/self/fd/')
    .replace(/^\/proc\/self\//, `/proc/${request.pid}/`);
}

const STANDARD: Readonly<Record<string, number>> = { '/dev/stdin': 0, '/dev/stdout': 1, '/dev/stderr': 2 };

/** `NAME=value` of the caller's. */
export function callerEnvironment({ front: { request } }: Pick<OciContext, 'front'>): string[] {
  return Object.entries(request.env).map(([name, value]) => `${name}=${value}`);
}
