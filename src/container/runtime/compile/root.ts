/** The instruction that makes the container's root. */
import { PlatformError } from '../../../base/errors.ts';
import { type Instruction, step } from '../program/instructions.ts';
import type { RootSource } from './context.ts';

/** mount(2) takes one page of options. */
const OPTIONS_MAX = 4095;

export function rootStep(root: RootSource): Instruction {
  if (root.type === 'path') return step('root-bind', root.path);
  if (root.type === 'empty') return step('root', 'tmpfs', root.folder, 'size=64k,mode=755');
  const { lowerDirs, upperDir, workDir } = root.snapshot;
  if (lowerDirs.length === 0) throw new PlatformError('invalid', 'root: no lower directory');
  // Overlayfs splits its options at commas and lowerdir at colons; a backslash keeps either.
  const escaped = (path: string): string => path.replaceAll(/[\\,:]/g, '\\$&');
  const lower = lowerDirs.map(escaped).join(':');
  const options = `lowerdir=${lower},upperdir=${escaped(upperDir)},workdir=${escaped(workDir)}`;
  if (Buffer.byteLength(options) <= OPTIONS_MAX) return step('root', 'overlay', root.folder, options);
  return step('root-layers', root.folder, upperDir, workDir, ...lowerDirs);
}

/** Where the root is on the host. */
export function rootFolder(root: RootSource): string {
  return root.type === 'path' ? root.path : root.folder;
}
