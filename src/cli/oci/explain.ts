/** What is said of an error. Podman, Docker and containerd choose their exit codes by some of runc's words in it. */
import { errorMessage, isPlatformError } from '../../base/errors.ts';

export function explain(error: unknown): string {
  if (!isPlatformError(error)) return errorMessage(error);
  const { opcode, errno } = error.details;
  const hint = error.hint === undefined ? '' : ` (${error.hint})`;
  if (typeof opcode !== 'string') return `${error.message}${hint}`;
  // Debian's Docker and Podman know that a program cannot be executed (126) by these two words alone.
  const denied = opcode === 'find-program' && errno === 'EISDIR' ? ': permission denied' : '';
  return `unable to start container process: ${error.message}${denied}${hint}`;
}
