import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { errnoOf } from '../../base/disk-error.ts';

/** One node of an image that is being put together. All belong to root. */
export type TreeNode =
  | { readonly type: 'directory'; readonly mode: number }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'file'; readonly mode: number; readonly content: Buffer }
  | { readonly type: 'file'; readonly mode: number; readonly source: string };

const MAX_LINKS = 40;

/**
 * The files of an image, by absolute path. What is taken from the host keeps its path there and the symbolic links on
 * the way, so that a merged /usr looks in the image as it does on the host.
 */
export class ImageTree {
  readonly #nodes = new Map<string, TreeNode>();
  /**
   * Host paths that were looked at: when all are as they were, the tree is as it was. One that ends in a slash is a
   * folder that was copied whole, of which the names in it count too.
   */
  readonly inputs = new Set<string>();

  /** Sorted by path, parents before children. */
  entries(): readonly (readonly [path: string, node: TreeNode])[] {
    return [...this.#nodes].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Adds a node and the folders above it. Links that are in the tree already are followed, as a container would. */
  add(path: string, node: TreeNode): void {
    const place = this.#locate(path);
    if (place === '/') return;
    const present = this.#nodes.get(place);
    if (present?.type === 'directory' && node.type === 'directory') {
      this.#nodes.set(place, node);
      return;
    }
    if (present?.type === 'symlink' && node.type === 'directory') {
      this.add(resolve(dirname(place), present.target), node);
      return;
    }
    if (present !== undefined && present.type !== node.type) {
      throw new PlatformError(
        'invalid',
        `${path} would be both a ${present.type} and a ${node.type} in the image`,
      );
    }
    this.#nodes.set(place, node);
  }

  has(path: string): boolean {
    return this.#nodes.has(this.#locate(path));
  }

  /** Takes a host file with every link that leads to it. Returns the real path. */
  async addHostFile(path: string, depth = 0): Promise<string> {
    if (depth > MAX_LINKS)
      throw new PlatformError('invalid', `${path} leads through too many symbolic links`);
    const parts = resolve(path)
      .split('/')
      .filter((part) => part !== '');
    let at = '/';
    for (const [i, part] of parts.entries()) {
      at = join(at, part);
      this.inputs.add(at);
      const stats = await lstat(at).catch((error: unknown) => {
        if (errnoOf(error) === 'ENOENT')
          throw new PlatformError('not-found', `${path} is not on this machine`);
        throw error;
      });
      if (stats.isSymbolicLink()) {
        const target = await readlink(at);
        this.add(at, { type: 'symlink', target });
        return this.addHostFile(join(resolve(dirname(at), target), ...parts.slice(i + 1)), depth + 1);
      }
      if (stats.isDirectory()) {
        if (!this.has(at)) this.add(at, { type: 'directory', mode: 0o755 });
      } else if (stats.isFile()) {
        this.add(at, { type: 'file', mode: stats.mode & 0o7777, source: at });
      } else {
        throw new PlatformError('invalid', `${at} is neither a file, a folder nor a symbolic link`);
      }
    }
    return at;
  }

  /** The path with links of the tree followed in its parents; makes parents that are missing. */
  #locate(path: string): string {
    let left = resolve('/', path)
      .split('/')
      .filter((part) => part !== '');
    let at = '/';
    for (let links = 0; left.length > 1;) {
      const next = join(at, left[0]!);
      const node = this.#nodes.get(next);
      if (node?.type === 'symlink') {
        if (++links > MAX_LINKS)
          throw new PlatformError('invalid', `${path} leads through too many symbolic links`);
        const target = resolve(at, node.target)
          .split('/')
          .filter((part) => part !== '');
        left = [...target, ...left.slice(1)];
        at = '/';
        continue;
      }
      if (node?.type === 'file')
        throw new PlatformError('invalid', `${next} would be both a file and a folder`);
      if (node === undefined) this.#nodes.set(next, { type: 'directory', mode: 0o755 });
      at = next;
      left = left.slice(1);
    }
    return join(at, left[0] ?? '');
  }
}
