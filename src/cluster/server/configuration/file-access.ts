/** Files that configure the server, as it is given them: nothing here reads a disk by itself. */
export interface FileAccess {
  read(path: string): Promise<Uint8Array>;
  /** Calls back some time after the file has changed, has been replaced or has gone. */
  watch(path: string, changed: () => void): Disposable;
}

/** Reads files that a configuration names relative to the folder of `file`. */
export function besides(files: FileAccess, file: string): (path: string) => Promise<Uint8Array> {
  const folder = file.slice(0, file.lastIndexOf('/') + 1);
  return (path) => files.read(path.startsWith('/') ? path : `${folder}${path}`);
}
