import { errorMessage, isPlatformError } from '../../base/errors.ts';

/** The server's answer to a creation in a namespace that is being emptied: nothing to report, nothing to try again. */
export function isNamespaceTerminating(error: unknown): boolean {
  return isPlatformError(error, 'forbidden') && errorMessage(error).includes('being terminated');
}
