/** `linux.cgroupsPath`: where the container's cgroup shall be. */
import { dirname, join, resolve } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { CgroupPlace, PlaceOptions } from './contract.ts';
import { intelRdtPlace } from './intel-rdt.ts';
import { thisMachine, type Machine } from './machine.ts';
import { expandSlice, unitNameOf } from './systemd-names.ts';
import { unitPropertiesOf } from './systemd-annotations.ts';

/**
 * Absent, it is the container's id: below our own cgroup (cgroupfs), in `system.slice`, or the user's (systemd).
 * `invalid` when it names no place.
 */
export function placeCgroup(options: PlaceOptions, machine: Machine = thisMachine()): CgroupPlace {
  const { id, intelRdt, ownerUid } = options;
  const place = options.driver === 'systemd' ? placeScope(options, machine) : placeFolder(options, machine);
  return {
    ...place,
    ...(intelRdt != null && { intelRdt: intelRdtPlace(id, intelRdt) }),
    ...(ownerUid !== undefined && { ownerUid }),
  };
}

function invalidPath(why: string): PlatformError {
  return new PlatformError('invalid', `linux.cgroupsPath: ${why}`, {
    details: { field: 'linux.cgroupsPath' },
  });
}

function placeFolder({ id, cgroupsPath = '', rootless }: PlaceOptions, machine: Machine): CgroupPlace {
  const named = cgroupsPath !== '';
  if (cgroupsPath.includes('\0')) throw invalidPath('has a NUL byte in it');
  // Whatever it says, it stays below the mount: `..` goes up to there and no further.
  const clean = resolve('/', join('/', named ? cgroupsPath : id));
  if (clean === '/') throw invalidPath(`"${cgroupsPath}" is the root of the hierarchy, which is not ours`);
  const base = { driver: 'cgroupfs', rootless, named } as const;
  if (cgroupsPath.startsWith('/')) return { ...base, path: clean };
  if (machine.unified !== undefined) {
    // Beside our own cgroup: processes are in that one, and so no cgroup below it may have controllers.
    const own = machine.own(machine.unified) ?? '/';
    return { ...base, path: join(dirname(own), clean) };
  }
  const paths = Object.fromEntries(
    machine.mounts.flatMap((mount) => {
      const path = join(machine.own(mount) ?? '/', clean);
      return path === clean ? [] : [[mount.name, path]];
    }),
  );
  return { ...base, path: clean, ...(Object.keys(paths).length > 0 && { paths }) };
}

/** What is before the id in the name of a scope when nobody says otherwise. */
const DEFAULT_PREFIX = 'sampan';

function placeScope(options: PlaceOptions, machine: Machine): CgroupPlace {
  const { id, cgroupsPath = '', rootless } = options;
  if (rootless && machine.unified === undefined) {
    throw new PlatformError(
      'unsupported',
      'systemd gives users no cgroups of their own on cgroup v1: use the cgroupfs driver',
    );
  }
  const named = cgroupsPath !== '';
  const parts = named ? cgroupsPath.split(':') : ['', DEFAULT_PREFIX, id];
  const [parent = '', prefix = '', name = ''] = parts;
  if (parts.length !== 3 || name === '')
    throw invalidPath(
      `"${cgroupsPath}" is not of the form slice:prefix:name, which the systemd driver wants`,
    );
  const slice = parent === '' ? (rootless ? 'user.slice' : 'system.slice') : parent;
  const expanded = expandSlice(slice);
  if (expanded === undefined) throw invalidPath(`"${slice}" is not the name of a slice`);
  const unit = unitNameOf(prefix, name);
  if (unit === undefined) throw invalidPath(`"${prefix}-${name}" cannot be the name of a systemd unit`);
  const unitProperties = unitPropertiesOf(options.annotations ?? {});
  return {
    driver: 'systemd',
    rootless,
    named,
    unit,
    slice,
    // A user's manager has its own tree; where exactly it says once the scope is there.
    path: join(rootless ? userManagerPath(machine) : '/', expanded, unit),
    ...(Object.keys(unitProperties).length > 0 && { unitProperties }),
  };
}

function userManagerPath(machine: Machine): string {
  const own = machine.unified === undefined ? undefined : machine.own(machine.unified);
  const manager = /^.*?\/user@\d+\.service/.exec(own ?? '')?.[0];
  return manager ?? `/user.slice/user-${machine.uid}.slice/user@${machine.uid}.service`;
}
