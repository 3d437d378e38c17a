/** What is said of an error. Podman, Docker and containerd look for some of runc's words in it. */
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Front } from '../../container/runtime/oci/front.ts';

export function explain(error: unknown, _front: Front): string {
  if (!isPlatformError(error)) return errorMessage(error);
  const { opcode } = error.details;
  const hint = error.hint === undefined ? '' : ` (${error.hint})`;
  if (typeof opcode !== 'string') return `${error.message}${hint}`;
  return `unable to start container process: ${error.message}${hint}`;
}
