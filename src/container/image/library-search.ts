import { glob, readFile, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { readElf, type ElfFile } from './elf.ts';

/** A library as the dynamic loader would find it. */
export interface FoundLibrary {
  /** The path it is opened by; may be or lead through symbolic links. */
  readonly path: string;
  readonly soname: string;
  /** True when only the system's configured list led there, which a container's loader does not have. */
  readonly isConfigured: boolean;
}

export interface LoadedObject {
  readonly path: string;
  readonly elf: ElfFile;
  /** Who loads it; the program itself has no loader. DT_RPATH is looked up along this chain. */
  readonly loader?: LoadedObject;
}

/** Built into the GNU and musl loaders. */
const DEFAULT_DIRS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'];

/** Finds libraries by the rules of ld.so(8), without LD_LIBRARY_PATH and without hardware-specific variants. */
export class LibrarySearch {
  readonly #configured: readonly string[];
  /** Files whose content decided the search: a change in one makes an earlier result stale. */
  readonly inputs: readonly string[];

  private constructor(configured: readonly string[], inputs: readonly string[]) {
    this.#configured = configured;
    this.inputs = inputs;
  }

  static async open(configuration = '/etc/ld.so.conf'): Promise<LibrarySearch> {
    const inputs: string[] = [];
    const dirs = await configuredDirs(configuration, inputs);
    return new LibrarySearch(dirs, inputs);
  }

  /** Every library that the program at `path` loads, directly or through others, each once. */
  async closure(path: string, elf: ElfFile): Promise<readonly FoundLibrary[]> {
    const found = new Map<string, FoundLibrary>();
    const queue: LoadedObject[] = [{ path, elf }];
    for (let object = queue.shift(); object !== undefined; object = queue.shift()) {
      for (const soname of object.elf.needed) {
        // The loader matches by soname first, so the first one that is loaded serves all.
        if (found.has(soname)) continue;
        const library = await this.find(soname, object);
        if (library === undefined) throw missing(path, soname, object);
        found.set(soname, library.found);
        queue.push({ path: library.found.path, elf: library.elf, loader: object });
      }
    }
    return [...found.values()];
  }

  async find(
    soname: string,
    object: LoadedObject,
  ): Promise<{ found: FoundLibrary; elf: ElfFile } | undefined> {
    for (const { dir, isConfigured } of await this.#places(soname, object)) {
      const path = dir === '' ? soname : join(dir, soname);
      const elf = await readElf(path).catch(() => undefined);
      // A library of another machine is passed over, as the loader does.
      if (elf === undefined || elf.machine !== object.elf.machine) continue;
      return { found: { path, soname, isConfigured }, elf };
    }
    return undefined;
  }

  async #places(
    soname: string,
    object: LoadedObject,
  ): Promise<readonly { dir: string; isConfigured: boolean }[]> {
    if (soname.includes('/')) return [{ dir: '', isConfigured: false }];
    const own: string[] = [];
    if (object.elf.runpath.length > 0) {
      own.push(...(await expand(object.elf.runpath, object.path)));
    } else {
      for (let at: LoadedObject | undefined = object; at !== undefined; at = at.loader) {
        // An object's DT_RUNPATH switches its own DT_RPATH off.
        if (at.elf.runpath.length === 0) own.push(...(await expand(at.elf.rpath, at.path)));
      }
    }
    return [
      ...own.map((dir) => ({ dir, isConfigured: false })),
      ...this.#configured.map((dir) => ({ dir, isConfigured: true })),
      ...DEFAULT_DIRS.map((dir) => ({ dir, isConfigured: false })),
    ];
  }
}

async function expand(dirs: readonly string[], path: string): Promise<string[]> {
  if (dirs.length === 0) return [];
  const origin = dirname(await realpath(path));
  return dirs
    .map((dir) => dir.replaceAll(/\$(?:ORIGIN\b|\{ORIGIN\})/g, origin))
    .map((dir) => dir.replaceAll(/\$(?:LIB\b|\{LIB\})/g, 'lib'));
}

async function configuredDirs(file: string, inputs: string[]): Promise<string[]> {
  const content = await readFile(file, 'utf8').catch(() => undefined);
  if (content === undefined || inputs.includes(file)) return [];
  inputs.push(file);
  const dirs: string[] = [];
  for (const line of content.split('\n')) {
    const words = line
      .replace(/#.*/, '')
      .trim()
      .split(/[\s,:]+/);
    if (words[0] === 'include') {
      for (const pattern of words.slice(1)) {
        const matches = await Array.fromAsync(glob(pattern, { cwd: dirname(file) }));
        for (const match of matches.toSorted())
          dirs.push(...(await configuredDirs(resolve(dirname(file), match), inputs)));
      }
    } else if (words[0] !== 'hwcap') {
      dirs.push(...words.filter((word) => word.startsWith('/')));
    }
  }
  return dirs;
}

function missing(program: string, soname: string, object: LoadedObject): PlatformError {
  const via = object.loader === undefined ? '' : ` (needed by ${object.path})`;
  return new PlatformError(
    'not-found',
    `${program} needs the library ${soname}${via}, which is not on this machine`,
    {
      details: { program, library: soname, neededBy: object.path },
      hint: `install the package that has ${soname}`,
    },
  );
}
