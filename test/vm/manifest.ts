/** Every test file of this folder: what it takes in the guest, and why CI leaves it out if it does. */
import type { VmManifest } from '../../tools/vm/manifest.ts';

export const manifest: VmManifest = {
  'cgroup-systemd.test.ts': { seconds: 25 },
  'cgroup-v2.test.ts': { seconds: 13 },
  'machine.test.ts': { seconds: 7 },
  'runc-baseline.test.ts': { seconds: 14 },
  'sampan-oci.test.ts': { seconds: 25 },
};
