import { createHash } from 'node:crypto';

/**
 * Everything on a machine that belongs to one Sampan is named after its instance id, so that instances never meet.
 * The id is derived from the data folder's real path, so the same folder finds its own things again.
 */
export interface Instance {
  /** Eight hex digits. */
  readonly id: string;
  /** Absolute, real path. Everything that must survive a reboot. */
  readonly dataDir: string;
  /** `/run/sampan/<id>`: sockets, pids and locks; gone after a reboot. Short enough for socket paths (107 bytes). */
  readonly runDir: string;
  /** Parent of all cgroups: `/sampan-<id>` below each controller's mount. */
  readonly cgroupParent: string;
  /** nftables table of family inet: `sampan-<id>`. */
  readonly nftTable: string;
  /** Bridge's name, 14 characters of the 15 allowed: `spbr-<id>`. */
  readonly bridge: string;
  /** Second octet of the pod network 10.x.0.0/16, 64..127 (services: 10.(x+64).0.0/16). A first choice: see network. */
  readonly subnetOctet: number;
}

export function instanceOf(dataDir: string, runRoot = '/run/sampan'): Instance {
  const hash = createHash('sha256').update(dataDir).digest();
  const id = hash.toString('hex').slice(0, 8);
  return {
    id,
    dataDir,
    runDir: `${runRoot}/${id}`,
    cgroupParent: `/sampan-${id}`,
    nftTable: `sampan-${id}`,
    bridge: `spbr-${id}`,
    subnetOctet: 64 + (hash[8]! % 64),
  };
}
