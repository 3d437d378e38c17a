/**
 * A quirk of Podman's monitor: conmon makes itself the parent of whatever its runtime leaves behind, and before it ends it
 * waits for all of its children, also for one that only lingers. The process that decides for a front below conmon
 * becomes such a child, and `podman pod rm` would wait for it.
 */
import { readFileSync } from 'node:fs';

/** Whether our parent would wait for us. */
export function belongsToOneThatWaits(): boolean {
  try {
    return readFileSync(`/proc/${process.ppid}/comm`, 'utf8') === 'conmon\n';
  } catch {
    return false;
  }
}
