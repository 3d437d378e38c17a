/** Where a container's root file system comes from: the arguments of one overlay mount. */
export interface Snapshot {
  readonly key: string;
  /** Topmost first, as overlayfs wants them. */
  readonly lowerDirs: readonly string[];
  readonly upperDir: string;
  readonly workDir: string;
}
