/** What of this machine a cgroup needs to know: looked up here, and made up in tests. */
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { DEADLINE_MS } from '../../../kernel/cgroup-files.ts';
import { cgroupMounts, unifiedMount, type CgroupMount } from '../../../kernel/cgroup.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { linuxKernel } from '../../../kernel/linux.ts';
import { busAddresses, type BusAddress } from './systemd-manager.ts';

export interface Machine {
  /** Every hierarchy, those without controllers too: whoever is in one of them can be found there. */
  readonly mounts: readonly CgroupMount[];
  /** Set when v2 is what limits; in hybrid mode it is not. */
  readonly unified: CgroupMount | undefined;
  /** Our own cgroup in a hierarchy, below its mount. `undefined` when that cannot be told. */
  own(mount: CgroupMount): string | undefined;
  readonly kernel: Kernel;
  /** Device rules cannot be set from within a user namespace, and the kernel lets no new devices in. */
  readonly userNamespace: boolean;
  /** Mount point of resctrl. */
  readonly resctrl: string | undefined;
  readonly uid: number;
  /** Milliseconds that freezing, killing and removing may take. */
  readonly patience: number;
  /** Where systemd may answer. */
  systemd(rootless: boolean): readonly BusAddress[];
}

export interface MachineFacts {
  /** Where cgroups are mounted. */
  readonly root?: string;
  /** Texts of /proc/self/{mountinfo,cgroup,uid_map}. */
  readonly mountInfo?: string;
  readonly ownCgroups?: string;
  readonly uidMap?: string;
  readonly kernel?: Kernel;
  readonly uid?: number;
  readonly patience?: number;
  /** Where a session's bus is stands in it. Our own by default. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export function thisMachine(facts: MachineFacts = {}): Machine {
  const mountInfo = facts.mountInfo ?? readFileSync('/proc/self/mountinfo', 'utf8');
  const own = facts.ownCgroups ?? readFileSync('/proc/self/cgroup', 'utf8');
  const uid = facts.uid ?? outerUid(facts.uidMap ?? read('/proc/self/uid_map'));
  const mounts = cgroupMounts(facts.root ?? '/sys/fs/cgroup', mountInfo);
  return {
    mounts,
    unified: unifiedMount(mounts),
    own: (mount) => ownPath(own, mount),
    kernel: facts.kernel ?? linuxKernel(),
    userNamespace: isMapped(facts.uidMap ?? read('/proc/self/uid_map')),
    resctrl: mountOf(mountInfo, 'resctrl'),
    uid,
    patience: facts.patience ?? DEADLINE_MS,
    systemd: (rootless) => busAddresses(rootless, uid, facts.environment ?? process.env),
  };
}

/** @param text of /proc/self/cgroup: `number:controllers:path` */
function ownPath(text: string, mount: CgroupMount): string | undefined {
  for (const line of text.split('\n')) {
    const [, names = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isThis =
      mount.fsType === 'cgroup2'
        ? line.startsWith('0::')
        : names !== '' && names.split(',').every((name) => mount.controllers.includes(name));
    if (!isThis) continue;
    // A container that sees only its part of the hierarchy: the path is the host's, the mount starts further down.
    const below = relative(mount.root, path);
    return below.startsWith('..') ? path : `/${below}`;
  }
  return undefined;
}

/** Who we are outside of a user namespace, where we are root. */
function outerUid(uidMap: string): number {
  const uid = process.geteuid?.() ?? 0;
  for (const line of uidMap.split('\n')) {
    const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number);
    if (uid >= inside && uid < inside + count) return outside + uid - inside;
  }
  return uid;
}

/** The initial user namespace maps everything onto itself. */
function isMapped(uidMap: string): boolean {
  const [inside, outside, count] = uidMap.trim().split(/\s+/);
  return uidMap !== '' && !(inside === '0' && outside === '0' && count === '4294967295');
}

function mountOf(mountInfo: string, fsType: string): string | undefined {
  const line = mountInfo.split('\n').find((each) => each.split(' - ')[1]?.startsWith(`${fsType} `));
  return line?.split(' ')[4];
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
