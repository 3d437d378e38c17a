/** The shape of `test/vm/manifest.ts`: what is known of each test file there, by its name. */
export type VmManifest = Readonly<Record<string, VmManifestEntry>>;

export interface VmManifestEntry {
  /** What it took in the guest when last measured; a run prints it. */
  readonly seconds: number;
  /** It changes the machine for everybody, by stopping a service of systemd's, say, and so runs beside no other. */
  readonly alone?: true;
  /** Why CI, which has five minutes for the whole lane, does without it. */
  readonly leftOutOfCi?: string;
}
