/** What the machine is made of, and the name under which it is kept: the same recipe, the same machine. */
import { createHash } from 'node:crypto';
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** On top of debootstrap's `minbase`. */
export const PACKAGES: readonly string[] = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'dbus-user-session',
  'libpam-systemd',
  'kmod',
  'procps',
  'iproute2',
  // Node, containers' root file systems, rootless runtimes, and the runtimes that ours is compared with.
  'libatomic1',
  'busybox-static',
  'uidmap',
  'runc',
  'crun',
];

export interface Recipe {
  /** Debian's code name: the machine is of this machine's release, so that its apt can get the kernel. */
  readonly suite: string;
  readonly packages: readonly string[];
  readonly key: string;
}

/** Of the files in `folder` that go into the image, and the version of Node; not of what is laid beside it on each run. */
export function recipeOf(folder: string, nodeVersion: string, osRelease: string): Recipe {
  const suite = codeNameIn(osRelease);
  const hash = createHash('sha256').update(JSON.stringify([suite, PACKAGES, nodeVersion]));
  for (const file of ingredients(folder)) {
    const path = join(folder, file);
    hash.update(`${file}\0${statSync(path).mode}\0`).update(readFileSync(path));
  }
  return { suite, packages: PACKAGES, key: hash.digest('hex').slice(0, 16) };
}

function ingredients(folder: string): readonly string[] {
  const patterns = ['build-image.sh', 'initramfs/**', 'rootfs/**'];
  return globSync(patterns, { cwd: folder })
    .filter((file) => statSync(join(folder, file)).isFile())
    .toSorted();
}

export function codeNameIn(osRelease: string): string {
  const name = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(osRelease)?.[1];
  if (name === undefined || !/^ID="?debian"?$/m.test(osRelease)) {
    throw new Error(
      'vm: /etc/os-release is not that of a Debian release: the machine is made from its packages',
    );
  }
  return name;
}
