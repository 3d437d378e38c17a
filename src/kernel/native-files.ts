import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PlatformError } from '../base/errors.ts';

/**
 * The path of a native program of ours (`seam.node`, the shim): freshly built in a source tree, else the prebuilt
 * one of the package. The package's root is the first folder with a package.json above this module, which is true
 * for the sources and for a bundle in `dist/`. `unsupported` when there is none for this machine.
 */
export function nativeFile(name: string, from: string = import.meta.dirname): string {
  const root = packageRoot(from);
  const platform = `linux-${process.arch}`;
  const places = [join(root, 'build', 'native', name), join(root, 'prebuilt', platform, name)];
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new PlatformError(
    'unsupported',
    `native program ${name} is missing for ${platform} (looked at ${places.join(', ')})`,
    {
      hint: 'in a source tree run `make native`; a package holds linux-x64 and linux-arm64',
    },
  );
}

function packageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) throw new PlatformError('internal', `no package.json above ${from}`);
  }
}
