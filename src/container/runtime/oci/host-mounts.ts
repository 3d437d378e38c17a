/**
 * Without a mount namespace of its own a container's mounts are the host's: all of them on top of its root, which create
 * has bound on itself. They go with the container, and whatever was mounted at the root before stays.
 */
import { readFileSync } from 'node:fs';
import type { Kernel } from '../../../kernel/kernel.ts';
import type { RuntimeConfig } from '../../spec/runtime-config.ts';

/** How many mounts are at the root now; undefined when the container has mounts of its own. */
export function mountsBefore({ linux }: RuntimeConfig, root: string): number | undefined {
  const own = linux?.namespaces?.some(({ type }) => type === 'mount') ?? false;
  return own ? undefined : mountsAt(root);
}

/** Takes away what came on top since then, with everything below it. */
export function detachMounts(kernel: Kernel, root: string, before: number | undefined): void {
  if (before === undefined) return;
  for (let there = mountsAt(root); there > before; there--) kernel.unmountDetached(root);
}

function mountsAt(path: string): number {
  // proc_pid_mountinfo(5): the fifth field, with blanks and backslashes in octal.
  const place = path.replaceAll(
    /[ \t\n\\]/g,
    (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.filter((line) => line.split(' ', 5)[4] === place).length;
}
