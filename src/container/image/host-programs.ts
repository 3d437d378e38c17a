import { lstat, open, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { readElf, type ElfFile } from './elf.ts';
import type { ImageTree } from './image-tree.ts';
import type { FoundLibrary, LibrarySearch } from './library-search.ts';

/** PATH of images made here, and where a program given by name is looked for after the caller's own PATH. */
export const IMAGE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Host folders that are symbolic links where /usr is merged; taken over as they are. */
const MERGED = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** Adds programs of the host to a tree, with all that the kernel and the dynamic loader need to run them. */
export class HostPrograms {
  readonly #tree: ImageTree;
  readonly #search: LibrarySearch;
  readonly #path: string;
  readonly #done = new Map<string, string>();

  constructor(tree: ImageTree, search: LibrarySearch, path: string) {
    this.#tree = tree;
    this.#search = search;
    this.#path = path;
  }

  /** Reproduces the links of a merged /usr. */
  async addMergedLinks(): Promise<void> {
    for (const path of MERGED) {
      const stats = await lstat(path).catch(() => undefined);
      if (stats?.isSymbolicLink() !== true) continue;
      const target = await readlink(path);
      this.#tree.add(path, { type: 'symlink', target });
      this.#tree.add(resolve('/', target), { type: 'directory', mode: 0o755 });
    }
  }

  /** Adds a program by name or path and returns its path in the image. */
  async add(program: string): Promise<string> {
    const path = await this.#find(program);
    const known = this.#done.get(path);
    if (known !== undefined) return known;
    this.#done.set(path, path);
    const elf = await this.#readProgram(path);
    if (elf === undefined) await this.#addInterpreter(path);
    else await this.#addLibraries(path, elf);
    const placed = await this.#place(path, elf);
    this.#done.set(path, placed);
    return placed;
  }

  async #readProgram(path: string): Promise<ElfFile | undefined> {
    const stats = await stat(path);
    if (!stats.isFile()) throw new PlatformError('invalid', `program ${path} is not a file`);
    if ((stats.mode & 0o111) === 0) throw new PlatformError('invalid', `program ${path} is not executable`);
    return readElf(path);
  }

  /**
   * Programs on the image's PATH stay where they are. One from elsewhere goes to /usr/local/bin, so that its name
   * finds it and no folder name of this machine travels along; unless it finds its files relative to itself.
   */
  async #place(path: string, elf: ElfFile | undefined): Promise<string> {
    const isOnPath = IMAGE_PATH.split(':').includes(dirname(path));
    const link = join('/usr/local/bin', basename(path));
    const usesOrigin =
      elf === undefined || [...elf.rpath, ...elf.runpath].some((dir) => dir.includes('ORIGIN'));
    if (isOnPath || usesOrigin) {
      await this.#tree.addHostFile(path);
      if (!isOnPath) this.#tree.add(link, { type: 'symlink', target: path });
      return path;
    }
    const source = await realpath(path);
    const { mode } = await stat(source);
    this.#tree.inputs.add(path).add(source);
    this.#tree.add(link, { type: 'file', mode: mode & 0o7777, source });
    return link;
  }

  async #addLibraries(path: string, elf: ElfFile): Promise<void> {
    if (elf.interpreter !== undefined) await this.#tree.addHostFile(elf.interpreter);
    const libraries = await this.#search.closure(path, elf);
    const libc = libraries.find(({ soname }) => /^libc\.(?:so\.6|musl-.*)$/.test(soname));
    for (const library of libraries) {
      await this.#tree.addHostFile(library.path);
      if (library.isConfigured && libc !== undefined) this.#linkBesideLibc(library, dirname(libc.path));
    }
  }

  /**
   * The image has no ld.so.cache, so its loader knows the folders built into it only. libc's own folder always is
   * one of them; what the host finds by configuration elsewhere gets a link there.
   */
  #linkBesideLibc(library: FoundLibrary, libcDir: string): void {
    const link = join(libcDir, library.soname);
    if (dirname(library.path) === libcDir || this.#tree.has(link)) return;
    this.#tree.add(link, { type: 'symlink', target: library.path });
  }

  /** A script needs its interpreter, and `env` needs what it is told to run. */
  async #addInterpreter(path: string): Promise<void> {
    const words = await readShebang(path);
    if (words === undefined) {
      throw new PlatformError('invalid', `program ${path} is neither an ELF file nor a script with "#!"`);
    }
    const [interpreter, ...args] = words;
    await this.add(interpreter!);
    if (basename(interpreter!) !== 'env') return;
    const command = args.find((arg) => !arg.startsWith('-') && !arg.includes('='));
    if (command !== undefined) await this.add(command);
  }

  async #find(program: string): Promise<string> {
    if (program.includes('/')) {
      const path = resolve(program);
      if ((await stat(path).catch(() => undefined)) !== undefined) return path;
      throw new PlatformError('not-found', `program ${program} is not on this machine`);
    }
    for (const dir of [...this.#path.split(':'), ...IMAGE_PATH.split(':')]) {
      if (!dir.startsWith('/')) continue;
      const path = join(dir, program);
      const stats = await stat(path).catch(() => undefined);
      if (stats?.isFile() === true && (stats.mode & 0o111) !== 0) return path;
    }
    throw new PlatformError('not-found', `program "${program}" is not on PATH`, {
      details: { path: this.#path },
    });
  }
}

async function readShebang(path: string): Promise<string[] | undefined> {
  await using handle = await open(path, 'r');
  // The kernel reads no more than this (BINPRM_BUF_SIZE).
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
  const line = buffer.toString('utf8', 0, bytesRead).split('\n', 1)[0]!;
  if (!line.startsWith('#!')) return undefined;
  const words = line.slice(2).trim().split(/\s+/);
  return words[0] === undefined || words[0] === '' ? undefined : words;
}
