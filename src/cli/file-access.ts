import { watch, type FSWatcher } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { FileAccess } from '../cluster/server/configuration/file-access.ts';

/** The files of this machine. */
export const fileAccess: FileAccess = {
  read: async (path) => await readFile(path),
  watch(path, changed) {
    // The folder: editors and mounted volumes put another file in the place of the old one.
    let watcher: FSWatcher | undefined;
    try {
      watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
        // Volumes turn a link to a folder around: `..data` changes, not the file.
        if (name === null || name === basename(path) || name.startsWith('..')) changed();
      });
      watcher.on('error', () => watcher?.close());
    } catch {
      // No watch can be had, for want of descriptors or of the folder: it is looked at now and then anyway.
    }
    return { [Symbol.dispose]: () => watcher?.close() };
  },
};
